"""A rate limit: so many requests a second, and a burst."""

from __future__ import annotations

import time


class Bucket:
    """A token bucket that is full at first."""

    def __init__(self, rate: float, burst: float = 1.0) -> None:
        """Make a bucket of *burst* tokens into which *rate* of them fall each second."""
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._filled = time.monotonic()

    @property
    def remaining(self) -> int:
        """Whole tokens that are there now."""
        self._fill()
        return int(self._tokens)

    @property
    def wait(self) -> float:
        """Seconds until there is a whole token."""
        self._fill()
        return max(0.0, (1.0 - self._tokens) / self.rate)

    def take(self) -> bool:
        """Take a token, if there is one."""
        self._fill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _fill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
