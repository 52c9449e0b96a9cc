"""How long to wait before the next attempt: exponential, capped, with full jitter.

Full jitter spreads the retries of a thousand messages that failed in the same second.
https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
"""

from __future__ import annotations

import random
from dataclasses import dataclass

_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """``base`` and ``cap`` in seconds."""

    base: float
    cap: float

    def bound(self, attempt: int) -> float:
        """The longest wait after ``attempt`` (counted from 1)."""
        return min(self.cap, self.base * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))

    def wait(self, attempt: int) -> float:
        """A wait between one second and the bound, at random."""
        return _jittered(self.bound(attempt))

    def lasting(self, seconds: float) -> float:
        """A wait after something that has failed for so many *seconds*, of which nobody counts the tries.

        At most as long again: that doubles, too.
        """
        return _jittered(min(self.cap, max(self.base, seconds)))


def _jittered(bound: float) -> float:
    return max(1.0, random.uniform(0, bound))  # noqa: S311 - jitter, not a secret
