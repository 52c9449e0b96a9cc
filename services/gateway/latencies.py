"""How long things took, as counts in buckets of a logarithmic scale, and percentiles out of those.

Counts of one hour, tag or account can be added to those of another, which percentiles cannot.  The
scale is that of OpenTelemetry's exponential histograms with four buckets to a doubling
(https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram, scale 2), of milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

_PER_DOUBLING: Final = 4
_GROWTH: Final = 2 ** (1 / _PER_DOUBLING)

ERROR: Final = 0.09
"""By which part of the true value an estimate may be wrong, from :data:`SHORTEST` to :data:`LONGEST`.

The middle of a bucket is off by (2^¼ - 1) / (2^¼ + 1) = 8.6 % at its ends; the rest is for rounding.
"""
SHORTEST: Final = 0.001
"""Seconds; what is shorter counts as this long."""
LAST: Final = 140
"""The last bucket."""
LONGEST: Final = SHORTEST * 2 ** (LAST / _PER_DOUBLING)
"""Seconds, more than a year; what is longer counts as about this long."""

UNMEASURED: Final = -1
"""The bucket of what is counted without its latency."""


def bucket(seconds: float) -> int:
    """Return the bucket of a latency; 0 for what is negative, by clocks that differ."""
    if seconds <= SHORTEST:
        return 0
    return min(math.ceil(_PER_DOUBLING * math.log2(seconds / SHORTEST)), LAST)


def percentile(counts: Mapping[int, int], percent: float) -> float | None:
    """Estimate, in seconds, what *percent* of the latencies do not exceed; None if there are none.

    The true value is that of the nearest rank, and the estimate is within :data:`ERROR` of it.
    """
    rank = math.ceil(sum(counts.values()) * percent / 100)
    reached = 0
    for number in sorted(counts):
        reached += counts[number]
        if counts[number] and reached >= rank:
            return _middle(number)
    return None


def _middle(number: int) -> float:
    """The value from which both ends of a bucket are equally far, as parts of themselves."""
    if number == 0:
        return SHORTEST
    upper = SHORTEST * 2 ** (number / _PER_DOUBLING)
    return float(f"{2 * upper / (_GROWTH + 1):.4g}")
