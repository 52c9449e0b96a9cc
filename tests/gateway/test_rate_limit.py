"""How often a key may call: a token bucket, told by the seconds of a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from services.gateway.api.rate_limit import Allowance, RateLimit

KEY = uuid4()


@dataclass
class Box:
    """A limit and its clock."""

    rate: float
    capacity: int = 10_000
    now: float = 1_000_000.0
    limit: RateLimit = field(init=False)

    def __post_init__(self) -> None:
        self.limit = RateLimit(self.rate, capacity=self.capacity, clock=lambda: self.now)

    def take(self, key: UUID = KEY, rate: float | None = None) -> Allowance:
        """Take a token of a key that has a limit."""
        allowance = self.limit.take(key, rate)
        assert allowance is not None
        return allowance

    def burst(self) -> int:
        """How many requests pass at this moment."""
        passed = 0
        while not self.take().retry_after:
            passed += 1
        return passed


@pytest.mark.parametrize(("rate", "burst"), [(10_000, 10_000), (50, 50), (2.5, 2), (1, 1), (0.2, 1)])
def test_a_burst_is_a_second_s_worth(rate: float, burst: int) -> None:
    """And at least one request, else none would ever pass."""
    box = Box(rate)

    assert burst == box.take().limit
    assert burst - 1 == box.burst()


@pytest.mark.parametrize("rate", [10_000, 50, 3, 1, 0.2])
def test_in_the_long_run_the_rate_is_kept(rate: float) -> None:
    """However the requests come, and not one less than promised."""
    box = Box(rate)
    first = box.burst()
    passed, steps, seconds = 0, 1000, 100
    for _ in range(steps):
        box.now += seconds / steps
        passed += box.burst()

    assert max(1, int(rate)) == first
    assert rate * seconds - 1 <= passed <= rate * seconds + 1


@pytest.mark.parametrize("rate", [10_000, 7, 3, 1, 0.3, 0.001])
def test_waiting_as_told_always_succeeds(rate: float) -> None:
    """Whoever waits for retry-after seconds passes, and waits no whole second too long."""
    box = Box(rate)
    for _ in range(50):
        box.burst()
        wait = box.take().retry_after
        box.now += wait - 1
        early = box.take().retry_after
        box.now += 1

        assert wait >= 1
        assert wait == 1 or early
        assert 0 == box.take().retry_after


def test_a_refused_request_costs_nothing() -> None:
    """Hammering does not make the wait longer."""
    box = Box(0.5)
    box.take()
    waits = [box.take().retry_after for _ in range(1000)]

    assert {2} == set(waits)


def test_whom_it_would_refuse_can_be_told_without_taking_anything() -> None:
    """With what the refusal would say; and nobody else has a refusal."""
    box = Box(2)
    fresh = box.limit.refusal(KEY)
    box.take()
    between = [box.limit.refusal(KEY) for _ in range(5)]
    box.take()
    told, refused = box.limit.refusal(KEY), box.take()
    box.now += 0.5

    assert [None] * 6 == [fresh, *between]
    assert refused == told
    assert 1 == refused.retry_after
    assert [None, 0] == [box.limit.refusal(KEY), box.take().retry_after]
    assert box.limit.refusal(KEY, 0) is None


def test_the_headers_tell_what_is_left() -> None:
    """In lower case, and in whole numbers."""
    box = Box(3)
    counted = [dict(box.take().headers()) for _ in range(4)]
    box.now += 1
    rested = box.take().remaining
    expected = [
        {"ratelimit-limit": "3", "ratelimit-remaining": left, "ratelimit-reset": "1"} for left in "2100"
    ]

    assert expected == counted
    assert 2 == rested


def test_reset_is_when_all_is_there_again() -> None:
    """In whole seconds, not too few."""
    box = Box(0.25)
    allowance = box.take()
    box.now += allowance.reset
    again = box.take()

    assert 4 == allowance.reset
    assert (0, 0) == (again.remaining, again.retry_after)


def test_keys_do_not_share_a_bucket() -> None:
    """One that calls too often harms itself alone."""
    box = Box(1)
    box.burst()

    assert 0 == box.take(uuid4()).retry_after


def test_a_key_may_have_its_own_rate() -> None:
    """Which counts in place of the gateway's."""
    box = Box(1)

    assert 5 == box.take(rate=5).limit
    assert box.limit.take(KEY, 0) is None


def test_there_may_be_no_limit() -> None:
    """With a rate of 0; a key's own rate counts even then."""
    limit = RateLimit(0)

    assert limit.take(KEY) is None
    assert limit.take(KEY, 1) is not None


def test_memory_is_bounded() -> None:
    """The bucket that was unused for the longest time is forgotten first."""
    box = Box(1, capacity=3)
    keys = [uuid4() for _ in range(4)]
    for key in keys[:3]:
        box.take(key)
    box.take(keys[0])
    box.take(keys[3])
    refused = [bool(box.take(key).retry_after) for key in (keys[0], keys[2], keys[3], keys[1])]

    assert 3 == len(box.limit._full_at)
    assert [True, True, True, False] == refused


def test_whoever_is_told_of_a_refusal_is_not_forgotten() -> None:
    """Or else one who hammers would be let through because others come, too."""
    box = Box(1, capacity=3)
    box.take()
    for _ in range(10):
        told = box.limit.refusal(KEY)
        box.take(uuid4())

        assert told is not None
