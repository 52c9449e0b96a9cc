"""How long a message rests between two attempts."""

from __future__ import annotations

import pytest

from services.mailer.backoff import Backoff

BACKOFF = Backoff(base=5.0, cap=900.0)


@pytest.mark.parametrize(
    ("attempt", "bound"),
    [(1, 5.0), (2, 10.0), (3, 20.0), (8, 640.0), (9, 900.0), (100, 900.0), (10**9, 900.0)],
)
def test_the_bound_doubles_up_to_the_cap(attempt: int, bound: float) -> None:
    """However many attempts there have been."""
    assert bound == BACKOFF.bound(attempt)


@pytest.mark.parametrize("attempt", [1, 4, 9, 50])
def test_a_wait_is_between_a_second_and_the_bound(attempt: int) -> None:
    """At random, but never at once."""
    waits = [BACKOFF.wait(attempt) for _ in range(500)]

    assert min(waits) >= 1.0
    assert max(waits) <= BACKOFF.bound(attempt)


def test_waits_are_spread_over_the_whole_range() -> None:
    """A thousand messages that failed in the same second do not come back in the same second."""
    waits = [BACKOFF.wait(8) for _ in range(1000)]
    quarters = {int(wait // 160) for wait in waits}
    expected = {0, 1, 2, 3}

    assert expected == quarters


@pytest.mark.parametrize(
    ("seconds", "bound"), [(-3.0, 5.0), (0.0, 5.0), (4.0, 5.0), (60.0, 60.0), (900.0, 900.0), (1e6, 900.0)]
)
def test_what_has_failed_for_long_waits_as_long_again(seconds: float, bound: float) -> None:
    """At most, and no longer than anything else."""
    waits = [BACKOFF.lasting(seconds) for _ in range(500)]

    assert 1.0 <= min(waits) < bound / 4
    assert bound * 0.75 < max(waits) <= bound


def test_a_tiny_base_still_waits_a_second() -> None:
    """Whatever the settings say, a provider is not hammered."""
    expected = {1.0}

    assert expected == {Backoff(0.001, 0.001).wait(attempt) for attempt in range(1, 20)}


def test_four_hours_of_outage_fit_into_a_day_of_retries() -> None:
    """Sixty longest waits span far more than an outage that must be survived."""
    assert sum(BACKOFF.bound(attempt) for attempt in range(1, 31)) > 4 * 3600
