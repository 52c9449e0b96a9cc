"""One attempt to tell a tenant's server of an event, and what the gateway is told of it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import structlog

from services.mailer import failpoints
from services.mailer.delivery.ports import UnreportedError
from services.mailer.logs import places
from services.mailer.webhooks.destination import NotPostedError
from services.mailer.webhooks.signing import signed
from services.mailer.webhooks.transport import Answer, WebhookTransport
from shared.signatures import PostWebhook, RecordWebhookAttempt, Signature

log = structlog.get_logger()

_MOST_CHARACTERS = 1_000
_MOST_SECONDS = 86_400.0
_SECONDS = re.compile(r"\d{1,12}", re.ASCII)
_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # PostgreSQL refuses a NUL
_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "Pillarbox-Webhooks/1",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


class Reporter(Protocol):
    """Takes signatures to the gateway."""

    async def report(self, signature: Signature) -> None:
        """Return once the broker has it, safely.

        Raises:
            UnreportedError: It has not.
        """


@dataclass(frozen=True, slots=True)
class Posting:
    """Makes attempts; what became of one is kept until it could be reported, or ``waits`` are over.

    A webhook given back to the broker is posted once more, so that is done late (seconds).
    """

    transport: WebhookTransport
    reporter: Reporter
    waits: Sequence[float] = (1.0, 4.0, 15.0)
    on_posted: Callable[[int | None], object] = lambda _: None

    async def attempt(self, webhook: PostWebhook) -> None:
        """Post, whatever was posted before, and report what came of it.

        Raises:
            UnreportedError: Nobody could be told.
        """
        at, began = datetime.now(UTC), time.monotonic()
        status, said, reason, wait = None, "", None, None
        try:
            payload = webhook.payload.encode()
            answer = await self.transport.post(webhook.url, payload, {**_HEADERS, **signed(webhook, at)})
        except NotPostedError as error:
            reason, wait = str(error), error.wait
        except Exception as error:  # noqa: BLE001 - a bug of ours is an attempt that failed, and comes again
            reason = f"internal_error: {type(error).__name__}"
            log.error("webhook.crashed", delivery_id=str(webhook.delivery_id), where=places(error))  # noqa: TRY400
        else:
            status, said, wait = answer.status, _text(answer), retry_after(answer.headers, at)
        if failpoints.armed:
            await failpoints.reached("h.after_post")
        self.on_posted(status)
        duration = round((time.monotonic() - began) * 1000)
        log.info(
            "webhook.posted" if status else "webhook.unanswered",
            delivery_id=str(webhook.delivery_id),
            attempt=webhook.attempt,
            status=status,
            reason=reason,
            duration_ms=duration,
        )
        await self.report(
            RecordWebhookAttempt(
                delivery_id=webhook.delivery_id,
                attempt=webhook.attempt,
                at=at,
                duration_ms=duration,
                status_code=status,
                response=said,
                reason=reason,
                retry_after=wait,
            )
        )

    async def report(self, attempt: RecordWebhookAttempt) -> None:
        """Tell the gateway, with some patience.

        Raises:
            UnreportedError: It was in vain.
        """
        for wait in self.waits:
            try:
                return await self.reporter.report(attempt)
            except UnreportedError:
                log.warning("webhook.unreported", delivery_id=str(attempt.delivery_id))
                await asyncio.sleep(wait)
        return await self.reporter.report(attempt)


def _text(answer: Answer) -> str:
    """The beginning of the answer as something to be read; compressed ones are none."""
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        return ""
    return _UNSPEAKABLE.sub("�", answer.body.decode(errors="replace"))[:_MOST_CHARACTERS]


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that a receiver wants to be left alone for (RFC 9110, 10.2.3), a day at most."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _MOST_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), _MOST_SECONDS)
