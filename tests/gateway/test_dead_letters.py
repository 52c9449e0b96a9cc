"""What the gateway reads of a dead letter, whatever it looks like."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from services.gateway.recording.dead_letters import read_dead_letter
from services.gateway.states import MOST_SERIES

ID = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")
WRONG: list[Any] = [-1, MOST_SERIES + 1, 2**70, 1.5, "1", None, []]
CANARY = "canary@example.org"


def death(queue: str = "mailer.bulk", reason: str = "delivery_limit", count: int = 1) -> dict[str, Any]:
    """One entry of the header, as RabbitMQ 3.10 writes it."""
    keys = {"exchange": "pillarbox", "routing-keys": [queue], "time": None}
    return {"queue": queue, "reason": reason, "count": count, **keys}


def body(**arguments: Any) -> bytes:
    """A task message."""
    return json.dumps([[], {"email": CANARY, **arguments}, {}]).encode()


def letter(
    *deaths: Any, content: bytes = b"[[], {}, {}]", correlation_id: Any = str(ID), **headers: Any
) -> Any:
    """Read a dead letter."""
    return read_dead_letter({"x-death": list(deaths), **headers}, {"correlation_id": correlation_id}, content)


def test_poison_has_failed() -> None:
    """In the series that it was published in; no mailer could say so."""
    event = letter(death(), content=body(series=3), task="mailer.send_email").event()

    assert (ID, "failed", "gateway", 0, 3) == (
        *(event.message_id, event.event, event.actor),
        *(event.attempt, event.series),
    )
    assert event.reason.startswith("poison: ")
    assert event.key != letter(death()).event().key


@pytest.mark.parametrize("reason", ["rejected", "expired", "maxlen", "invented later", None])
def test_what_was_not_given_up_by_the_broker_is_only_an_alarm(reason: Any) -> None:
    """Whoever rejected it has reported it."""
    assert letter(death(reason=reason)).event() is None


def test_the_latest_death_in_a_queue_of_the_mailer_counts() -> None:
    """Waiting for a retry is a death, too, in the queues of the delay."""
    waited = [death(f"celery_delayed_{n}", "expired") for n in (3, 0)]

    assert {"queue": "mailer.bulk", "reason": "rejected", "count": 2}.items() <= letter(
        *waited, death(reason="rejected", count=2), death()
    ).told().items()
    assert "expired" == letter(*waited).reason


def test_an_alarm_names_the_message_and_nothing_of_it() -> None:
    """Its id, its task, and what the broker says."""
    told = letter(death(), content=body(), task="mailer.send_email").told()
    expected = {
        "message_id": str(ID),
        "task": "mailer.send_email",
        "queue": "mailer.bulk",
        "reason": "delivery_limit",
        "count": 1,
    }

    assert expected == told


def test_the_task_id_serves_where_there_is_no_correlation_id() -> None:
    """Any Celery client may have published it."""
    assert ID == letter(death(), correlation_id=None, id=str(ID)).message_id


@pytest.mark.parametrize("name", [None, "", "nonsense", 5, b"x", ["a"]])
def test_without_an_id_there_is_nothing_to_record(name: Any) -> None:
    """It is an alarm all the same."""
    found = letter(death(), correlation_id=name, id=name)

    assert (None, None) == (found.event(), found.told()["message_id"])


@pytest.mark.parametrize("deaths", [None, "x", 5, {}, [], [None], ["x"], [{}], [{"queue": ["x"]}]])
def test_headers_that_are_none(deaths: Any) -> None:
    """Nothing of a dead letter is as it should be, so nothing is taken for granted."""
    found = read_dead_letter({"x-death": deaths, "task": 5}, {}, b"")

    assert (None, None, 1, 0) == (found.reason, found.task, found.count, found.series)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"\xff", b"5", b"null", b"[]", b"[[]]", b"[[], null]", b"[[], 5]", b'{"1": {}}'),
        b"[" * 100_000,
        *(body(series=wrong) for wrong in WRONG),
    ],
)
def test_a_body_without_a_series_is_of_the_first(content: bytes) -> None:
    """It may be what the mailers died of."""
    assert 0 == letter(death(), content=content).series


def test_a_body_is_read_as_text_and_as_bytes() -> None:
    """kombu hands over either."""
    text = body(series=2).decode()

    assert [2, 2] == [read_dead_letter({}, {}, content).series for content in (text, text.encode())]
