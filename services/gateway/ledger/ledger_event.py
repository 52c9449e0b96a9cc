"""One thing that happened to a message, as the ledger keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from shared.signatures import Event, Feedback, RecordEvent

_TELLERS: Final[dict[str, str]] = {
    **dict.fromkeys((Feedback.PROCESSED, Event.SUPPRESSED, Event.FAILED), "provider"),
    **dict.fromkeys(
        (Feedback.DELIVERED, Feedback.DELIVERY_DELAYED, Feedback.SOFT_BOUNCED, Feedback.BOUNCED), "receiver"
    ),
    **dict.fromkeys(
        (Feedback.COMPLAINED, Feedback.UNSUBSCRIBED, Feedback.OPENED, Feedback.CLICKED), "recipient"
    ),
}
"""Who it was that did what a provider tells."""

_LONGEST: Final = 500
"""Of what an index holds: PostgreSQL takes some 2,700 bytes."""


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """What happened, who said so, and of which message."""

    message_id: UUID | None
    """None as long as only the provider's id for the message is known."""
    key: str
    """The same event reported twice has the same key, and is kept once."""
    event: str
    actor: str
    at: datetime
    attempt: int = 0
    provider: str | None = None
    provider_message_id: str | None = None
    reason: str | None = None
    retry_at: datetime | None = None
    recipient: str | None = field(default=None, repr=False)
    """The one among the recipients that it is about, where somebody says so."""
    series: int = 0
    """Kept in the key and in the message's progress, not by itself."""
    trace: str | None = field(default=None, compare=False)
    """The trace of the call in which a provider told it; not kept."""

    @property
    def is_told(self) -> bool:
        """Whether a provider told it, rather than the mailer or the gateway."""
        return self.actor not in ("gateway", "mailer")

    @classmethod
    def of(cls, signature: RecordEvent, trace: str | None = None) -> LedgerEvent:
        """Read what the mailer reports, or what a provider told in a *trace* of its own."""
        is_told = signature.provider_event_id is not None
        theirs = signature.provider_message_id
        return cls(
            message_id=signature.message_id,
            key=_told_key(signature) if is_told else _key(signature),
            event=signature.event,
            actor=_TELLERS.get(signature.event, "provider") if is_told else "mailer",
            at=signature.at,
            attempt=0 if is_told else signature.attempt,
            provider=signature.provider,
            provider_message_id=theirs and _storable(theirs)[:_LONGEST],
            reason=signature.reason and _storable(signature.reason),
            retry_at=signature.retry_at,
            recipient=signature.recipient and _storable(signature.recipient),
            series=0 if is_told else signature.series,
            trace=trace,
        )

    def told(self) -> RecordEvent:
        """Give the signature of what a provider told, from which :meth:`of` makes the same event."""
        return RecordEvent(
            message_id=self.message_id,
            event=self.event,
            at=self.at,
            provider=self.provider,
            provider_message_id=self.provider_message_id,
            reason=self.reason,
            recipient=self.recipient,
            provider_event_id=self.key.removeprefix(f"{self.provider or ''}:"),
        )


def _key(event: RecordEvent) -> str:
    # Attempts go on counting over the series, unless the mailer has forgotten the message meanwhile.
    return f"{event.series}:" * bool(event.series) + f"{event.attempt}:{event.event}"


def _told_key(event: RecordEvent) -> str:
    theirs = _storable(event.provider_event_id or "")
    if len(theirs) > _LONGEST:
        theirs = sha256(theirs.encode()).hexdigest()
    return f"{event.provider or ''}:{theirs}"


def _storable(text: str) -> str:
    return text.replace("\0", "")  # PostgreSQL keeps no NUL in a text
