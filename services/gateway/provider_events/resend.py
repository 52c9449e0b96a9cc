"""Resend: https://resend.com/docs/webhooks/event-types, signed as Svix does it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final

from standardwebhooks import Webhook

from services.gateway.provider_events import documents
from services.gateway.provider_events.documents import inside, listed, text
from services.gateway.provider_events.genuine import check_age, check_any, header
from services.gateway.provider_events.reader import Aside, Call, NotGenuineError, Reading
from services.gateway.provider_events.telling import MESSAGE_ID, Teller, only
from shared.signatures import Event, Feedback, RecordEvent

_WORDS: Final[dict[str, str]] = {
    "email.sent": Feedback.PROCESSED,
    "email.delivered": Feedback.DELIVERED,
    "email.delivery_delayed": Feedback.DELIVERY_DELAYED,
    "email.bounced": Feedback.BOUNCED,
    "email.complained": Feedback.COMPLAINED,
    "email.opened": Feedback.OPENED,
    "email.clicked": Feedback.CLICKED,
    "email.failed": Event.FAILED,
    "email.suppressed": Event.SUPPRESSED,
}
_PASSING: Final = frozenset({"Transient", "Undetermined"})
"""Types of bounces that say nothing about the next message."""


def signing_secret(written: str) -> bytes:
    """Read a webhook's secret as Resend shows it: ``whsec_`` and base64.

    Raises:
        ValueError: It is none.
    """
    key = base64.b64decode(written.removeprefix("whsec_"), validate=True)
    if not key:
        raise ValueError("no signing secret of Resend's")
    return key


@dataclass(frozen=True, slots=True)
class ResendReader:
    """Verifies HMAC-SHA256 over the call's id, its moment and the raw body.

    https://docs.svix.com/receiving/verifying-payloads/how-manual
    """

    teller: Teller
    keys: Sequence[bytes] = field(repr=False)

    window: ClassVar[timedelta] = timedelta(minutes=5)
    """Each repeat, up to 27 hours later, is signed anew under the same id."""

    def read(self, call: Call, now: datetime) -> Reading:
        """See :meth:`.Reader.read`."""
        event_id = self._verify(call, now)
        yield self._told(documents.parse(call.body), event_id)

    def _verify(self, call: Call, now: datetime) -> str:
        named = (header(call.headers, f"svix-{name}") for name in ("id", "timestamp", "signature"))
        call_id, timestamp, signatures = named
        when = check_age(timestamp, now, self.window)
        try:
            body = call.body.decode()
        except UnicodeDecodeError:
            raise NotGenuineError("wrong") from None
        expected = [Webhook(key).sign(call_id, when, body) for key in self.keys]
        check_any(signatures.split(), expected)
        return call_id

    def _told(self, event: object, event_id: str) -> RecordEvent | Aside:
        data = inside(event, "data")
        everybody = [one for name in ("to", "cc", "bcc") for one in listed(data, name)]
        return self.teller.tell(
            _word(event),
            at=inside(event, "created_at"),
            message_id=_tag(data),
            provider_message_id=inside(data, "email_id"),
            event_id=event_id,
            # It does not say whom of several this is about.
            recipient=only(everybody),
            reasons=(
                *(inside(data, "bounce", name) for name in ("type", "subType", "message")),
                inside(data, "failed", "reason"),
                *(inside(data, "suppressed", name) for name in ("type", "reason", "message")),
            ),
        )


def _word(event: object) -> str | None:
    word = _WORDS.get(text(event, "type"))
    if word == Feedback.BOUNCED and text(event, "data", "bounce", "type") in _PASSING:
        return Feedback.SOFT_BOUNCED
    return word


def _tag(data: object) -> object:
    """Find our id among the tags, which are an object, or a list as they were sent."""
    for tag in listed(data, "tags"):
        if inside(tag, "name") == MESSAGE_ID:
            return inside(tag, "value")
    return inside(data, "tags", MESSAGE_ID)
