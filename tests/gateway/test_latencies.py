"""Latencies in buckets, and what percentiles out of them are worth."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.latencies import ERROR, LAST, LONGEST, SHORTEST, UNMEASURED, bucket, percentile

YEAR = 366 * 86_400.0
measured = st.floats(SHORTEST, LONGEST)
percents = st.sampled_from([50, 95, 99]) | st.floats(0.1, 100)


def counted(latencies: list[float]) -> Counter[int]:
    """How many of them are in each bucket."""
    return Counter(map(bucket, latencies))


def nearest_rank(latencies: list[float], percent: float) -> float:
    """The percentile as it is defined, out of the latencies themselves."""
    return sorted(latencies)[max(math.ceil(len(latencies) * percent / 100), 1) - 1]


@given(st.lists(measured, min_size=1, max_size=300), percents)
def test_an_estimate_is_as_near_as_is_said(latencies: list[float], percent: float) -> None:
    """Whatever the latencies are, in the range that there are buckets for."""
    truth = nearest_rank(latencies, percent)
    estimate = percentile(counted(latencies), percent)

    assert estimate is not None
    assert abs(estimate - truth) <= ERROR * truth


@given(st.lists(measured, max_size=50), st.lists(measured, max_size=50), percents)
def test_counts_can_be_added(some: list[float], others: list[float], percent: float) -> None:
    """Those of two hours are those of both hours together."""
    assert percentile(counted(some + others), percent) == percentile(counted(some) + counted(others), percent)


@given(st.lists(measured, min_size=1, max_size=50), percents, percents)
def test_a_higher_percentile_is_never_lower(latencies: list[float], one: float, other: float) -> None:
    """They are read out of the same counts."""
    low, high = (percentile(counted(latencies), percent) or 0 for percent in sorted((one, other)))

    assert low <= high


@given(st.floats(-YEAR, 10 * YEAR), st.floats(-YEAR, 10 * YEAR))
def test_longer_is_never_in_a_lower_bucket(one: float, other: float) -> None:
    """And none is beyond the last."""
    low, high = map(bucket, sorted((one, other)))

    assert UNMEASURED < 0 <= low <= high <= LAST


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.0004, SHORTEST])
def test_what_is_shorter_counts_as_a_millisecond(seconds: float) -> None:
    """Also what clocks that differ made negative."""
    assert SHORTEST == percentile(counted([seconds]), 50)


def test_what_is_longer_counts_as_the_longest() -> None:
    """There are buckets for more than a year, and a message cannot be scheduled for later."""
    assert LONGEST > YEAR
    assert percentile(counted([10 * LONGEST]), 50) == percentile(counted([LONGEST]), 50)


@pytest.mark.parametrize("counts", [{}, {3: 0}])
def test_of_nothing_there_is_no_percentile(counts: dict[int, int]) -> None:
    """Rather than a zero that looks like a fast one."""
    assert percentile(counts, 50) is None


def test_one_among_a_hundred_is_beyond_the_99th_percentile() -> None:
    """The nearest rank of 99 % of a hundred is the ninety-ninth."""
    fast, slow = bucket(0.1), bucket(60)

    assert 0.1 == pytest.approx(percentile({fast: 99, slow: 1}, 99), rel=ERROR)
    assert 60 == pytest.approx(percentile({fast: 98, slow: 2}, 99), rel=ERROR)
