"""What the recorder reads from the queue of events."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.recording.reports import read_reports
from shared.signatures import Feedback, RecordEvent, RecordEvents, RecordWebhookAttempt, Signature

ID = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOLD: dict[str, Any] = {"message_id": ID, "event": "bounced", "at": AT, "provider_event_id": "7"}
TOLD |= {"provider": "ses", "recipient": "ann@example.org", "reason": "550"}


def body(signature: Signature) -> bytes:
    """A task message (Celery protocol 2)."""
    return b"[[],%s,{}]" % signature.arguments()


@pytest.mark.parametrize("headers", [None, {}, {"task": RecordEvent.task}], ids=["none", "empty", "named"])
def test_a_message_without_a_name_is_an_event(headers: dict[str, Any] | None) -> None:
    """As whatever is reported by hand may be."""
    (event,) = read_reports(
        headers, body(RecordEvent(message_id=ID, event="sent", at=AT, attempt=2, series=1))
    )

    assert LedgerEvent(ID, "1:2:sent", "sent", "mailer", AT, attempt=2, series=1) == event


def test_the_name_tells_an_attempt_at_a_webhook() -> None:
    """It comes through the same queue."""
    attempt = RecordWebhookAttempt(delivery_id=ID, attempt=1, at=AT, status_code=204)

    assert (attempt,) == read_reports({"task": RecordWebhookAttempt.task}, body(attempt))


def test_a_batch_is_as_many_events() -> None:
    """In the order in which they were put into it."""
    told, *_ = events = (RecordEvent.model_validate(TOLD), RecordEvent(message_id=ID, event="sent", at=AT))
    headers = {"task": RecordEvents.task, "traceparent": "of the call"}

    read = read_reports(headers, body(RecordEvents(events=events)))

    assert [LedgerEvent.of(event) for event in events] == list(read)
    assert LedgerEvent.of(told, "of the call").trace == read[0].trace  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"task": "gateway.of_a_newer_version"}, body(RecordEvent(message_id=ID, event="sent", at=AT))),
        ({"task": RecordWebhookAttempt.task}, body(RecordEvent(message_id=ID, event="sent", at=AT))),
        ({}, json.dumps([[], {"event": "sent"}, {}]).encode()),
        ({}, b"[" * 100_000),
        ({}, b"{}"),
        ({"task": RecordEvents.task}, b'[[],{"events":[{"event":"sent"}]},{}]'),
        ({"task": RecordEvents.task}, b'[[],{"events":[]},{}]'),
    ],
    ids=[
        "another task",
        "another body",
        "no message",
        "nested",
        "no list",
        "a batch with a bad event",
        "an empty batch",
    ],
)
def test_anything_else_is_refused(headers: dict[str, Any], content: bytes) -> None:
    """It goes where dead letters go."""
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of them it is
        read_reports(headers, content)


@pytest.mark.parametrize(
    ("word", "actor"),
    [
        *[(word, "provider") for word in ("processed", "failed", "suppressed", "unheard")],
        *[(word, "receiver") for word in ("delivered", "delivery_delayed", "soft_bounced", "bounced")],
        *[(word, "recipient") for word in ("complained", "unsubscribed", "opened", "clicked")],
    ],
)
def test_what_is_told_has_the_actor_who_did_it(word: str, actor: str) -> None:
    """The provider only tells it."""
    event = LedgerEvent.of(RecordEvent.model_validate(TOLD | {"event": word, "attempt": 3, "series": 2}))

    assert (actor, "ses:7", 0, 0, True) == (
        *(event.actor, event.key, event.attempt, event.series, event.is_told),
    )


@pytest.mark.parametrize("theirs", ["7", "a:b", "x" * 5000], ids=["short", "with a colon", "long"])
@pytest.mark.parametrize("word", [*Feedback, "failed"])
def test_what_is_set_aside_comes_back_as_the_same_event(word: str, theirs: str) -> None:
    """Under the same key, or it would be recorded twice."""
    event = LedgerEvent.of(RecordEvent.model_validate(TOLD | {"event": word, "provider_event_id": theirs}))
    again = LedgerEvent.of(RecordEvent.parse(event.told().arguments()))

    assert event == again
    assert len(event.key) <= 510


def test_a_recipient_is_never_in_what_is_printed() -> None:
    """Not even of an event that was refused."""
    assert "example.org" not in repr(LedgerEvent.of(RecordEvent.model_validate(TOLD)))
