"""What a tenant does with its webhooks: whoever asks, and however."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

from services.gateway import problems
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.webhook_history import WebhookHistory
from services.gateway.ledger.webhooks import MOST, Webhooks
from services.gateway.submission.webhook import WebhookChange, WebhookSubmission
from services.gateway.tenants.callers import Caller

log = structlog.get_logger()

_SECRET_BYTES: Final = 32  # the specification wants 24 to 64


@dataclass(frozen=True, slots=True)
class WebhookManagement:
    """Each method logs who did it, and raises :class:`LedgerUnavailableError` if nothing was done.

    Each raises a 404 where the tenant has no such webhook.
    """

    webhooks: Webhooks
    history: WebhookHistory

    async def create(self, who: Caller, asked: WebhookSubmission) -> tuple[UUID, str]:
        """Have an endpoint told of events from now on; return its id and what it signs with.

        Raises:
            Problem: 409, there are as many as there may be.
        """
        webhook_id, secret = new_message_id(), _new_secret()
        created = await self.webhooks.create(
            who.tenant, webhook_id, endpoint=asked.endpoint, types=asked.events, secret=secret
        )
        if not created:
            raise problems.too_many_webhooks(MOST)
        log.info("webhook.created", **_about(who, webhook_id))
        return webhook_id, secret

    async def change(self, who: Caller, webhook_id: UUID, asked: WebhookChange) -> None:
        """Change where it is told, of what, or whether at all."""
        await _do(
            self.webhooks.change(
                who.tenant, webhook_id, endpoint=asked.endpoint, types=asked.events, status=asked.status
            )
        )
        log.info("webhook.changed", **_about(who, webhook_id))

    async def delete(self, who: Caller, webhook_id: UUID) -> None:
        """Tell it nothing more."""
        await _do(self.webhooks.delete(who.tenant, webhook_id))
        log.info("webhook.deleted", **_about(who, webhook_id))

    async def rotate(self, who: Caller, webhook_id: UUID) -> str:
        """Sign with another secret, which is returned; for a day with the one before it, too."""
        secret = _new_secret()
        await _do(self.webhooks.rotate(who.tenant, webhook_id, secret))
        log.info("webhook.secret_rotated", **_about(who, webhook_id))
        return secret

    async def tell_again(self, who: Caller, webhook_id: UUID, event_id: UUID) -> None:
        """Tell an event once more, whatever became of it.

        Raises:
            Problem: 404, there is no such event; 409, the webhook is disabled.
        """
        if (await self.find(who, webhook_id)).status != "enabled":
            raise problems.webhook_disabled()
        await _do(self.history.replay(who.tenant, webhook_id, event_id))

    async def find(self, who: Caller, webhook_id: UUID) -> Any:
        """Return the row of a webhook."""
        row = await self.webhooks.find(who.tenant, webhook_id)
        if row is None:
            raise problems.not_found()
        return row


async def _do(change: Awaitable[bool]) -> None:
    if not await change:
        raise problems.not_found()


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _about(who: Caller, webhook_id: UUID) -> dict[str, str]:
    return {"tenant": who.tenant, "webhook_id": str(webhook_id), "by": str(who.key_id)}
