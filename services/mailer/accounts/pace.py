"""Keeps an account within its rate: each message waits for its turn, transactional ones first.

The turns come from slices of time that all mailers lease from one table (``services.mailer.rates``).
An account without a limit gives turns at once, until its provider complains; from then on it has a
limit that was learned, and that grows again while nobody complains.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from services.mailer.rates.rates import RateStore, RatesUnavailableError, Slice
from shared.signatures import Lane

log = structlog.get_logger()

_SLICE_SECONDS = 0.1
"""How much time is leased at once: long enough to be cheap, short enough to be fair."""
_OBSERVED_SECONDS = 10
_SHRINKING = 0.85
"""What is left of a learned limit when the provider complains again."""
_GROWTH = 1.02
"""By how much a learned limit grows in a second ..."""
_GROWTH_SECONDS = 1000.0
"""... for so long: then it is none any more, and a day of it is no number that a computer knows."""
_LEAST_LIMIT = 0.2
_LONGEST_PAUSE_WAITED_OUT = 2.0
"""Seconds; whoever would wait longer for the end of a pause is told so, and may go elsewhere."""


_ASKED_AGAIN_SECONDS = 1.0
"""The longest to wait before asking for a slice again: the clock that it is reckoned by may be set."""


class PausedError(Exception):
    """The account pauses; ``wait`` seconds from now it is worth asking again."""

    def __init__(self, wait: float, reason: str | None = None) -> None:
        super().__init__(reason or "paused")
        self.wait = wait


@dataclass(slots=True)
class _Learned:
    limit: float
    since: float


class Pace:
    """The turns of one account in this process; ``limit`` in messages a second, None for no limit."""

    def __init__(
        self,
        store: RateStore,
        account: str,
        limit: float | None,
        *,
        share: Callable[[], float] = lambda: 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._account = account
        self._limit = limit
        self._share = share
        self._clock = clock
        self._learned: _Learned | None = None
        self._accepted: dict[int, int] = {}
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}
        self._task: asyncio.Task[None] | None = None
        self._returned = 0
        self._paused_until = 0.0
        self.turns = 0
        """How many turns were given so far while there was a limit."""

    @property
    def limit(self) -> float | None:
        """Messages a second that the account may do now; None while no limit is known."""
        if self._learned is None:
            return self._limit
        seconds = min(self._clock() - self._learned.since, _GROWTH_SECONDS)
        grown: float = self._learned.limit * _GROWTH**seconds
        return grown if self._limit is None else min(grown, self._limit)

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return sum(map(len, self._waiting.values()))

    @property
    def accepted_per_second(self) -> float:
        """Messages a second that the provider took from this process, over the last ten."""
        now = int(self._clock())
        recent = range(now - _OBSERVED_SECONDS, now)
        return sum(self._accepted.get(second, 0) for second in recent) / _OBSERVED_SECONDS

    async def turn(self, lane: Lane) -> None:
        """Wait for the right to send one request.

        Raises:
            PausedError: The account pauses for longer than it is worth waiting here.
            RatesUnavailableError: Nobody knows how fast one may send.
        """
        while self.limit is None:
            if (rest := self._rest()) <= 0:
                return
            await asyncio.sleep(rest)
        self._rest()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._hand_out())
        await future

    def _rest(self) -> float:
        """Seconds that the account still pauses.

        Raises:
            PausedError: More than it is worth waiting here.
        """
        rest = self._paused_until - self._clock()
        if rest > _LONGEST_PAUSE_WAITED_OUT:
            raise PausedError(rest)
        return rest

    @property
    def _pauses(self) -> bool:
        return self._paused_until > self._clock()

    def give_back(self) -> None:
        """A turn was not needed after all: the next in line may have it, unless the account pauses by now."""
        if self.limit is not None and not self._pauses and not self._serve():
            self._returned = 1

    def close(self, error: Exception) -> None:
        """Nobody waits any more; whoever does gets ``error``."""
        self._turn_away(error)

    async def slow(self, wait: float | None, reason: str) -> None:
        """The provider said that it was too fast; ``wait`` is its hint in seconds."""
        pause = 1.0 if wait is None else wait
        now = self._clock()
        if self._limit is None and (self._learned is None or self._paused_until <= now):
            self._learn()  # once in a pause: all that was under way together hears the same complaint
        self._paused_until = max(self._paused_until, now + pause)
        limit = self.limit or _LEAST_LIMIT
        await self._store.slow(self._account, pause=pause, limit=limit, reason=reason)

    def told(self, per_second: float | None, remaining: int | None, reset: float | None) -> None:
        """Take in what the provider's headers say of its limit."""
        if per_second is not None and self._limit is None and per_second > 0:
            self._learned = _Learned(max(per_second * 0.9, _LEAST_LIMIT), self._clock())
        if remaining == 0 and reset is not None and self._learned is None and self._limit is None:
            self._paused_until = max(self._paused_until, self._clock() + reset)

    def accepted(self) -> None:
        """The provider took a message: so fast, at least, one may send."""
        second = int(self._clock())
        self._accepted[second] = self._accepted.get(second, 0) + 1
        if len(self._accepted) > 2 * _OBSERVED_SECONDS:
            recent = second - _OBSERVED_SECONDS
            self._accepted = {at: count for at, count in self._accepted.items() if at >= recent}

    def _learn(self) -> None:
        """Take what was accepted in the best of the last seconds for the limit; later, feel the way down."""
        if self._learned is None:
            recent = self._clock() - _OBSERVED_SECONDS
            limit = float(max((n for at, n in self._accepted.items() if at >= recent), default=1))
        else:
            limit = (self.limit or 0.0) * _SHRINKING
        self._learned = _Learned(max(limit, _LEAST_LIMIT), self._clock())

    async def _hand_out(self) -> None:
        try:
            while self.waiting:
                await self._hand_out_slice()
        except (RatesUnavailableError, PausedError) as error:
            self._turn_away(error)
        except Exception as error:  # whoever waits must hear of it, or would wait for ever
            self._turn_away(error)
            raise
        finally:
            self._task = None

    async def _hand_out_slice(self) -> None:
        limit = self.limit
        if limit is None:  # the limit was lifted meanwhile
            while self._serve():
                pass
            return
        if (rest := self._rest()) > 0:
            await asyncio.sleep(min(rest, _ASKED_AGAIN_SECONDS))
            return
        if self._returned and self._serve():
            self._returned = 0
            return
        count = max(1, min(self.waiting, int(limit * _SLICE_SECONDS)))
        asked = self._clock()
        leased = await self._store.lease(self._account, count=count, limit=limit, share=self._share())
        if leased.length <= 0.0:
            await self._wait_for_a_slice(leased)
            return
        for number in range(leased.turns):
            due = asked + leased.starts_in + leased.length * number / leased.turns
            if (rest := due - self._clock()) > 0:
                await asyncio.sleep(rest)
            if self._pauses or not self._serve():
                return

    async def _wait_for_a_slice(self, leased: Slice) -> None:
        if leased.paused and leased.starts_in > _LONGEST_PAUSE_WAITED_OUT:
            self._paused_until = self._clock() + leased.starts_in
            raise PausedError(leased.starts_in, leased.reason)
        await asyncio.sleep(min(max(leased.starts_in, 0.01), _ASKED_AGAIN_SECONDS))

    def _serve(self) -> bool:
        """Give the next in line its turn; False if nobody waits."""
        for lane in Lane:  # transactional before bulk
            queue = self._waiting[lane]
            while queue:
                future = queue.popleft()
                if not future.done():
                    future.set_result(None)
                    self.turns += 1
                    return True
        return False

    def _turn_away(self, error: Exception) -> None:
        for queue in self._waiting.values():
            while queue:
                future = queue.popleft()
                if not future.done():
                    future.set_exception(error)
