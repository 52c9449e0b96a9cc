"""How far a message has come after each event."""

from __future__ import annotations

from itertools import pairwise

import pytest

from services.gateway.states import TERMINAL, progress
from shared.signatures import Event

ORDER = [
    ("sending", 1),
    ("deferred", 1),
    ("uncertain", 1),
    ("sending", 2),
    ("deferred", 2),
    ("sending", 3),
    ("sending", 999_999),
    ("expired", 0),
    ("expired", 3),
    ("failed", 3),
    ("suppressed", 3),
    ("failed", 4),
    ("sent", 0),
    ("sent", 1),
    ("sent", 2),
]


def test_every_event_but_an_unknown_one_moves_a_message() -> None:
    """All of the contract's words have a place; a newer mailer's words have none."""
    assert None not in [progress(event, 1) for event in Event]
    assert progress("opened", 1) is None


def test_progress_begins_above_an_accepted_message() -> None:
    """Whose progress is nothing."""
    assert all((progress(event, attempt) or 0) > 0 for event in Event for attempt in (0, 1))


@pytest.mark.parametrize(("before", "after"), list(pairwise(ORDER)))
def test_each_step_is_further_than_the_one_before(before: tuple[str, int], after: tuple[str, int]) -> None:
    """Within an attempt by step, then by attempt; the end beats all attempts, and sent beats every end."""
    assert (progress(*before) or 0) < (progress(*after) or 0)


def test_sent_is_the_strongest_fact() -> None:
    """The provider has it, whoever gave the message up since."""
    others = [progress(event, 10**12) or 0 for event in Event if event is not Event.SENT]

    assert max(others) < (progress(Event.SENT, 0) or 0)


def test_absurd_attempts_stay_in_their_phase() -> None:
    """And fit into 63 bits."""
    assert (progress("uncertain", 10**30) or 0) < (progress("expired", 0) or 0)
    assert (progress("sent", 10**30) or 0) < 2**63


def test_a_canceled_message_that_was_sent_all_the_same_is_sent() -> None:
    """It cannot happen, and if it does, nobody is told otherwise."""
    assert 0 < (progress("canceled", 0) or 0) < (progress("sent", 1) or 0)


def test_nothing_more_is_awaited_after_these() -> None:
    """An uncertain or deferred message is still somebody's business."""
    expected = {"sent", "failed", "suppressed", "expired", "canceled"}

    assert expected == TERMINAL
