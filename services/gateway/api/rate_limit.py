"""How often an API key may call: a token bucket per key, kept as one number.

The number is the moment at which the bucket is full again (the generic cell rate algorithm, ITU-T
I.371).  A bucket that is full needs no memory, and one that holds a second's worth of requests is
full again a second after it was left alone; so what is kept is bounded by what happens now.
Headers: https://resend.com/docs/api-reference/rate-limit
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import UUID

from aiohttp import web

HEADERS = web.RequestKey("rate_limit_headers", dict[str, str])
"""Key under which a request carries the headers of its answer that tell about the limit."""

SLOWEST: Final = 0.001
"""Requests a second; a lower rate counts as this one, so that no wait is longer than 1000 s."""

_CAPACITY: Final = 10_000
_ROUNDING: Final = 1e-6  # seconds; less than any two requests are apart, more than floats lose


class Allowance(NamedTuple):
    """What a key may do now."""

    limit: int
    """Requests that it may make at once after a rest, and in a second when it never rests."""
    remaining: int
    reset: int
    """Seconds until all of the limit is there again."""
    retry_after: int
    """Seconds to wait for the next request; 0 if this one may go on."""

    def headers(self) -> dict[str, str]:
        """The answer's headers, in lower case as Resend writes them."""
        return {
            "ratelimit-limit": str(self.limit),
            "ratelimit-remaining": str(self.remaining),
            "ratelimit-reset": str(self.reset),
        }


class RateLimit:
    """The buckets.  ``default`` is in requests a second, for keys without a rate; 0 is no limit."""

    def __init__(
        self, default: float, *, capacity: int = _CAPACITY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._default = default
        self._capacity = capacity
        self._clock = clock
        # Key to the moment its bucket is full, the longest unused first.
        self._full_at: dict[UUID, float] = {}

    def take(self, key_id: UUID, rate: float | None = None) -> Allowance | None:
        """Take a token of the key's bucket, if there is one; None if the key has no limit."""
        rate = self._default if rate is None else rate
        if not rate:
            return None
        rate = max(rate, SLOWEST)
        now = self._clock()
        full_at = max(self._full_at.pop(key_id, now), now)
        wait = _wait(full_at - now, rate)
        if not wait:
            full_at += 1 / rate
        self._full_at[key_id] = full_at
        if len(self._full_at) > self._capacity:
            del self._full_at[next(iter(self._full_at))]
        return _allowance(full_at - now, rate, wait)

    def refusal(self, key_id: UUID, rate: float | None = None) -> Allowance | None:
        """What :meth:`take` would say now, where it would refuse; None, and nothing is taken, where not."""
        full_at = self._full_at.get(key_id)
        rate = self._default if rate is None else rate
        if full_at is None or not rate:
            return None
        rate = max(rate, SLOWEST)
        left = full_at - self._clock()
        wait = _wait(left, rate)
        if not wait:
            return None
        self._full_at[key_id] = self._full_at.pop(key_id)
        return _allowance(left, rate, wait)


def _wait(left: float, rate: float) -> float:
    """Seconds until there is a token, of a bucket that is full in *left* seconds; 0 if there is one."""
    wait = left + (1 - max(rate, 1.0)) / rate
    return wait if wait > _ROUNDING else 0.0


def _allowance(left: float, rate: float, wait: float) -> Allowance:
    size = max(rate, 1.0)
    remaining = max(0, int((size / rate - left + _ROUNDING) * rate))
    return Allowance(int(size), remaining, math.ceil(left - _ROUNDING), math.ceil(wait))
