"""What comes through the queues ``gateway.events`` and ``gateway.batches``, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.relay.wire import trace_of
from shared.signatures import RecordEvent, RecordEvents, RecordWebhookAttempt

Report = LedgerEvent | RecordWebhookAttempt


def read_reports(headers: Mapping[str, Any] | None, body: bytes | str) -> Sequence[Report]:
    """Read a task message (Celery protocol 2); one without a task's name is of an event.

    Raises:
        ValueError: It is none of those that this version knows (pydantic's ValidationError is one too).
    """
    task = (headers or {}).get("task", RecordEvent.task)
    try:
        _, arguments, _ = from_json(body)  # unlike the standard library's it bounds the nesting
        if task == RecordWebhookAttempt.task:
            return (RecordWebhookAttempt.model_validate(arguments),)
        trace = trace_of(headers or {})
        if task == RecordEvent.task:
            return (LedgerEvent.of(RecordEvent.model_validate(arguments), trace),)
        if task == RecordEvents.task:
            return [LedgerEvent.of(event, trace) for event in RecordEvents.model_validate(arguments).events]
    except (TypeError, KeyError) as error:
        raise ValueError from error
    raise ValueError("a task of a newer version")
