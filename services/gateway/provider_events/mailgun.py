"""Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final

from services.gateway.provider_events import documents
from services.gateway.provider_events.documents import inside, text
from services.gateway.provider_events.genuine import check_age, check_any
from services.gateway.provider_events.reader import Aside, Call, NotGenuineError, Reading
from services.gateway.provider_events.telling import MESSAGE_ID, Teller
from services.gateway.provider_events.tokens import Tokens
from shared.signatures import Event, Feedback, RecordEvent

_BODY_BYTES: Final = 1_000_000
"""It has to be read before it is known who wrote it; a call is of a few kilobytes."""

_WORDS: Final[dict[str, str]] = {
    "accepted": Feedback.PROCESSED,
    "delivered": Feedback.DELIVERED,
    "failed": Feedback.SOFT_BOUNCED,
    "rejected": Event.FAILED,
    "opened": Feedback.OPENED,
    "clicked": Feedback.CLICKED,
    "complained": Feedback.COMPLAINED,
    "unsubscribed": Feedback.UNSUBSCRIBED,
}


@dataclass(frozen=True, slots=True)
class MailgunReader:
    """Verifies HMAC-SHA256 over a moment and a token.

    It is not over the event itself.  So each token is taken for one event only: whoever gets hold of
    a call can repeat it, and can use its signature for nothing else.
    """

    teller: Teller
    keys: Sequence[str] = field(repr=False)
    tokens: Tokens = field(default_factory=Tokens)

    window: ClassVar[timedelta] = timedelta(hours=9)
    """Mailgun repeats a call for 8 hours, and does not say whether under a new signature."""

    def read(self, call: Call, now: datetime) -> Reading:
        """See :meth:`.Reader.read`."""
        if len(call.body) > _BODY_BYTES:
            raise NotGenuineError("wrong")
        document = documents.parse(call.body)
        event = inside(document, "event-data")
        self._verify(inside(document, "signature"), event, now)
        yield self._told(event)

    def _verify(self, signature: object, event: object, now: datetime) -> None:
        timestamp, token, given = (text(signature, name) for name in ("timestamp", "token", "signature"))
        if not (timestamp and token and given):
            raise NotGenuineError("missing")
        when = check_age(timestamp, now, self.window)
        signed = (timestamp + token).encode(errors="replace")
        check_any([given], [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in self.keys])
        if not self.tokens.is_for(token, event, until=when + self.window, now=now):
            raise NotGenuineError("used")

    def _told(self, event: object) -> RecordEvent | Aside:
        status = inside(event, "delivery-status")
        at, number = inside(event, "timestamp"), text(event, "id")
        return self.teller.tell(
            _word(event),
            at=at,
            message_id=inside(event, "user-variables", MESSAGE_ID),
            provider_message_id=text(event, "message", "headers", "message-id").strip("<>"),
            # An id is unique within a day.
            event_id=f"{number}/{at}" if number else None,
            recipient=inside(event, "recipient"),
            reasons=(
                inside(event, "reject", "reason"),
                inside(event, "reason") if text(event, "event") == "failed" else None,
                inside(status, "description"),
                inside(status, "message"),
            ),
        )


def _word(event: object) -> str | None:
    word = _WORDS.get(text(event, "event"))
    if word != Feedback.SOFT_BOUNCED:
        return word
    if text(event, "severity") != "permanent":
        return Feedback.DELIVERY_DELAYED
    why, kind = text(event, "reason"), text(event, "delivery-status", "bounce-type")
    if why.startswith("suppress-"):
        return Event.SUPPRESSED
    is_hard = kind == "hard" if kind else why == "bounce"
    return Feedback.BOUNCED if is_hard else word
