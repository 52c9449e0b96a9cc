"""A circuit breaker: keeps messages away from an account that would fail them.

*Closed*, everything passes.  *Open*, nothing does, and no attempt is burned.  *Half-open*, one message
tries its luck for all others: well, and the circuit closes; ill, and it opens again for twice as long.
https://martinfowler.com/bliki/CircuitBreaker.html

After it closed, load comes back little by little: see :meth:`Circuit.share`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Position(StrEnum):
    """Where the switch is."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuse:
    """When a circuit opens, and for how long; times in seconds."""

    in_a_row: int = 5
    """Failures without a success in between."""
    calls: int = 20
    """Or half of so many calls or more ..."""
    window: float = 10.0
    """... within this time."""
    refusals: int = 3
    """Refusals of the account itself, in a row: a single one may be about one sender."""
    shortest: float = 1.0
    longest: float = 10.0
    """A circuit that keeps failing opens for twice as long each time, up to this."""
    ramp: float = 10.0
    """From the closing until full load."""
    first_share: float = 0.1
    """Of the load, at once after the closing."""


class Circuit:
    """The circuit of one account, as one mailer process sees it; ``clock`` counts seconds."""

    def __init__(self, fuse: Fuse, clock: Callable[[], float] = time.monotonic) -> None:
        self._fuse = fuse
        self._clock = clock
        self._results: deque[tuple[float, bool]] = deque()
        self._failures = self._refusals = self._openings = 0
        self._opens_until: float | None = None
        self._closed_at: float | None = None
        self._probing = False

    @property
    def position(self) -> Position:
        """Where the switch is now."""
        until = self._opens_until  # once: others ask from their own threads
        if until is None:
            return Position.CLOSED
        return Position.OPEN if self._clock() < until else Position.HALF_OPEN

    @property
    def admits(self) -> bool:
        """Whether a message may be tried now: any while closed, one at a time while half-open."""
        return self.position is Position.CLOSED or (self.position is Position.HALF_OPEN and not self._probing)

    @property
    def wait(self) -> float:
        """Seconds until it is worth asking again; zero if a message is admitted."""
        if self.admits:
            return 0.0
        # While a probe is under way nobody knows how long it takes.
        return max((self._opens_until or 0.0) - self._clock(), 0.05)

    @property
    def share(self) -> float:
        """How much of the usual load it may carry, above 0 and up to 1."""
        if self._closed_at is None:
            return 1.0
        passed = (self._clock() - self._closed_at) / self._fuse.ramp
        return min(1.0, self._fuse.first_share + (1.0 - self._fuse.first_share) * passed)

    def enter(self) -> bool:
        """A message that was admitted is about to be tried; True if it tries for all others."""
        if self.position is Position.HALF_OPEN and not self._probing:
            self._probing = True
            return True
        return False

    def leave(self, *, probe: bool) -> None:
        """It was not tried after all."""
        if probe:
            self._probing = False

    def succeeded(self) -> bool:
        """The account answered as a healthy one does; True if that closed the circuit."""
        self._probing = False
        self._failures = self._refusals = 0
        self._note(good=True)
        if self._opens_until is None or self.position is Position.OPEN:
            return False  # an answer to what was under way when it opened proves nothing yet
        self._opens_until, self._closed_at, self._openings = None, self._clock(), 0
        self._results.clear()
        return True

    def failed(self) -> bool:
        """The account is ill or out of reach; True if that opened the circuit."""
        was_probe, self._probing = self._probing, False
        self._failures += 1
        self._note(good=False)
        if was_probe or (self.position is Position.CLOSED and self._is_too_much()):
            self._open(min(self._fuse.longest, self._fuse.shortest * 2.0 ** min(self._openings, 30)))
            return True
        return False

    def refused(self, pause: float) -> bool:
        """The account itself was refused; True if it has to pause, for ``pause`` seconds."""
        was_probe, self._probing = self._probing, False
        self._refusals += 1
        if was_probe or (self.position is Position.CLOSED and self._refusals >= self._fuse.refusals):
            self._open(pause)
            return True
        return False

    def _open(self, seconds: float) -> None:
        self._openings += 1
        self._opens_until = self._clock() + seconds
        self._results.clear()
        self._failures = 0

    def _note(self, *, good: bool) -> None:
        now = self._clock()
        self._results.append((now, good))
        while self._results[0][0] < now - self._fuse.window:
            self._results.popleft()

    def _is_too_much(self) -> bool:
        if self._failures >= self._fuse.in_a_row:
            return True
        bad = sum(not good for _, good in self._results)
        return len(self._results) >= self._fuse.calls and 2 * bad >= len(self._results)
