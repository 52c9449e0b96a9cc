"""What the mailer reports, as the ledger keeps it."""

from __future__ import annotations

from pydantic_core import from_json

from services.gateway.ledger.queries import LedgerEvent
from shared.signatures import RecordEvent


def ledger_event(body: bytes | str) -> LedgerEvent:
    """Read a ``gateway.record_event`` task message (Celery protocol 2).

    Raises:
        ValueError: It is no such thing (pydantic's ValidationError is one too).
    """
    try:
        _, arguments, _ = from_json(body)  # unlike the standard library's it bounds the nesting
        event = RecordEvent.model_validate(arguments)
    except (TypeError, KeyError) as error:
        raise ValueError from error
    if event.message_id is None:
        raise ValueError("an event that names its message by the provider's id alone")
    return LedgerEvent(
        message_id=event.message_id,
        key=_key(event),
        event=event.event,
        actor="mailer",
        at=event.at,
        attempt=event.attempt,
        provider=event.provider,
        provider_message_id=event.provider_message_id,
        reason=event.reason and event.reason.replace("\0", ""),  # PostgreSQL keeps no NUL in a text
        retry_at=event.retry_at,
        series=event.series,
    )


def _key(event: RecordEvent) -> str:
    """What makes an event the same when it is reported twice."""
    # Attempts go on counting over the series, unless the mailer has forgotten the message meanwhile.
    return f"{event.series}:" * bool(event.series) + f"{event.attempt}:{event.event}"
