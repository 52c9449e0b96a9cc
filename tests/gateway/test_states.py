"""How far a message has come after each event."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.gateway.states import (
    DROPPED,
    LAST,
    MOST_SERIES,
    REPLAYABLE,
    RESTING,
    SENT_PROGRESS,
    TERMINAL,
    beginning,
    progress,
    progress_told,
    status,
)
from shared.signatures import Event, Feedback

ORDER = [
    ("sending", 1),
    ("deferred", 1),
    ("uncertain", 1),
    ("held", 1),
    ("sending", 2),
    ("deferred", 2),
    ("sending", 3),
    ("sending", 999_999),
    ("expired", 0),
    ("expired", 3),
    ("failed", 3),
    ("suppressed", 3),
    ("failed", 4),
    ("dropped", LAST),
    ("sent", 0),
    ("sent", 1),
    ("sent", 2),
]
WORDS = sorted({event for event, _ in ORDER} | {"canceled"})
SENT_IN_0_2 = 3_000_000_000_000
"""What a gateway of version 0.2 stored for a message that was sent."""

Report = tuple[str, int, int]
reports = st.tuples(st.sampled_from(WORDS), st.integers(0, 2**31 - 1), st.integers(0, MOST_SERIES))


def reached(report: Report) -> int:
    """The progress of an event that has a place."""
    number = progress(*report)
    assert number is not None
    return number


def after(reports: Sequence[Report]) -> int:
    """How far a message is once the ledger heard of these, in this order."""
    far = 0
    for report in reports:
        far = max(far, reached(report))  # an UPDATE … WHERE progress < reached
    return far


def test_every_event_but_an_unknown_one_moves_a_message() -> None:
    """All of the contract's words have a place; a newer mailer's words have none."""
    assert None not in [progress(event, 1) for event in Event]
    assert progress("opened", 1) is None


def test_progress_begins_above_an_accepted_message() -> None:
    """Whose progress is nothing."""
    assert all((progress(event, attempt) or 0) > 0 for event in Event for attempt in (0, 1))


@pytest.mark.parametrize("series", [0, 1, MOST_SERIES])
@pytest.mark.parametrize(("before", "after"), list(pairwise(ORDER)))
def test_each_step_is_further_than_the_one_before(
    before: tuple[str, int], after: tuple[str, int], series: int
) -> None:
    """Within an attempt by step, then by attempt; the end beats all attempts, and sent beats every end."""
    assert (progress(*before, series) or 0) < (progress(*after, series) or 0)


def test_sent_is_the_strongest_fact() -> None:
    """The provider has it, whoever gave the message up since."""
    others = [progress(event, 10**12) or 0 for event in Event if event is not Event.SENT]

    assert max(others) < (progress(Event.SENT, 0) or 0)


def test_absurd_attempts_stay_in_their_phase() -> None:
    """And fit into 63 bits."""
    assert (progress("uncertain", 10**30) or 0) < (progress("expired", 0) or 0)
    assert (progress("sent", 10**30, MOST_SERIES) or 0) < 2**63


def test_a_canceled_message_that_was_sent_all_the_same_is_sent() -> None:
    """It cannot happen, and if it does, nobody is told otherwise."""
    assert 0 < (progress("canceled", 0) or 0) < (progress("sent", 1) or 0)


def test_nothing_more_is_awaited_after_these() -> None:
    """An uncertain or deferred message is still somebody's business."""
    expected = {"sent", "failed", "suppressed", "expired", "canceled", "delivered", "bounced", "complained"}

    assert expected == TERMINAL
    assert expected | {"held"} == RESTING


def test_what_can_be_sent_once_more() -> None:
    """What was not sent, did not expire, and was not called off."""
    expected = {"failed", "suppressed", "held"}

    assert expected == REPLAYABLE


@given(earlier=reports, later=reports)
def test_a_later_series_beats_all_earlier_ones(earlier: Report, later: Report) -> None:
    """Whatever its first event is: sending beats the failure that was replayed.  Sent alone is above that."""
    word, attempt, series = later
    assume(series > 0 and word != "sent")
    before = (earlier[0], earlier[1], earlier[2] % series)
    is_further = reached(before) < beginning(series) < reached((word, attempt, series))

    assert is_further == (before[0] != "sent")


@given(report=reports, attempt=st.integers(0, 2**31 - 1), series=st.integers(0, MOST_SERIES))
def test_sent_beats_everything_of_every_series(report: Report, attempt: int, series: int) -> None:
    """Also what a later series has to say, and that a human gave it up."""
    assert report[0] == "sent" or reached(report) < reached(("sent", attempt, series))


@given(report=reports)
def test_what_an_older_gateway_knows_to_be_sent_stays_so(report: Report) -> None:
    """It knew one series only, and no message was replayed after it was sent."""
    word, attempt, _ = report

    assert word == "sent" or reached((word, attempt, 0)) < SENT_IN_0_2


@given(attempt=st.integers(0, 2**31 - 1), series=st.integers(0, MOST_SERIES), word=st.sampled_from(WORDS))
def test_nothing_of_its_series_but_sent_undoes_a_drop(attempt: int, series: int, word: str) -> None:
    """Not the failure of an attempt that was still under way."""
    dropped = reached((DROPPED, LAST, series))

    assert (reached((word, attempt, series)) > dropped) == (word == "sent")


@given(story=st.lists(reports, min_size=1, max_size=8), data=st.data())
def test_the_order_of_arrival_does_not_matter(story: list[Report], data: st.DataObject) -> None:
    """Shuffled and doubled, the events of all series lead to the same place."""
    order = data.draw(st.permutations(story + story))

    assert after(story) == after(order)


def test_what_is_told_has_one_order() -> None:
    """A server bounces what it took, and people complain of what was delivered."""
    order = ["processed", "failed", "delivered", "bounced", "complained"]

    assert all((progress_told(one) or 0) < (progress_told(two) or 0) for one, two in pairwise(order))
    assert progress_told("failed") == progress_told("suppressed")


@pytest.mark.parametrize(
    "word", ["delivery_delayed", "soft_bounced", "unsubscribed", "opened", "clicked", "unheard"]
)
def test_what_is_no_end_moves_nothing(word: str) -> None:
    """It is in the timeline, and that is all."""
    assert progress_told(word) is None


@given(word=st.sampled_from([*Feedback, "failed", "suppressed"]), report=reports)
def test_nothing_that_a_mailer_says_but_sent_is_further_than_what_a_provider_tells(
    word: str, report: Report
) -> None:
    """Whoever tells of a message has accepted it."""
    told = progress_told(word)

    assert told is None or told >= SENT_PROGRESS
    assert told is None or report[0] == "sent" or reached(report) < told


@given(attempt=st.integers(0, 2**31 - 1), word=st.sampled_from(["failed", "suppressed", "delivered"]))
def test_the_mailers_sent_is_no_news_once_more_was_told(attempt: int, word: str) -> None:
    """It is further only than that the provider has the message, which it says itself."""
    sent = reached(("sent", attempt, 0))

    assert (progress_told("processed") or 0) <= sent < (progress_told(word) or 0)


def test_a_message_that_a_provider_has_is_sent() -> None:
    """Its word for that is no status of ours; all others are."""
    assert ["sent", "sent", "delivered"] == [status(word) for word in ("processed", "sent", "delivered")]
