"""Who listens to a tenant's events: when to look, how many may, and when all of it ends.

Each stream reads the ledger's feed from a place of its own, so it needs no memory, and one that is
slow reads later what it has not read yet.  Whether there is anything to read is asked by one poller
for all streams of the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.gateway import problems
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.feed import Feed, FeedEvent, Position
from services.gateway.tenants.callers import Caller

log = structlog.get_logger()

_READING_AT_ONCE: Final = 2
"""Of the ledger's five connections, so that streams that all have news do not stand before other calls."""
_RETRY_AFTER_SECONDS: Final = 2
_ALL_RETRY_AFTER_SECONDS: Final = 10


class Stream:
    """One caller's stream; its place moves on as it is read."""

    def __init__(self, caller: Caller, is_gone: Callable[[], bool]) -> None:
        self.tenant = caller.tenant
        self.key_id = caller.key_id
        self.is_gone = is_gone
        self.position = Position(0, 0)
        self.ended = False
        self.is_behind = True
        """Whether it may have missed something: it is new, or could not read."""
        self._looking = asyncio.Event()

    def wake(self) -> None:
        """Have it look at the feed."""
        self._looking.set()

    def end(self) -> None:
        """Have it end, wherever it is."""
        self.ended = True
        self.wake()

    async def wait(self, seconds: float) -> None:
        """Return when there may be something to read, or after *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                await self._looking.wait()
        except TimeoutError:
            return
        self._looking.clear()


class EventStreams:
    """The open streams of this process: at most ``limit`` of them, and ``per_key`` of one API key.

    ``interval`` is how often, in seconds, the ledger is asked whether there is something new.
    """

    def __init__(self, feed: Feed, *, interval: float, per_key: int, limit: int) -> None:
        self._feed = feed
        self._interval = interval
        self._per_key = per_key
        self._limit = limit
        self._streams: set[Stream] = set()
        self._reading = asyncio.Semaphore(_READING_AT_ONCE)
        self._polling: asyncio.Task[None] | None = None
        self._is_closed = False

    async def open(self, caller: Caller, position: Position | None, is_gone: Callable[[], bool]) -> Stream:
        """Begin a stream at *position*, by default at what happens from now on.

        *is_gone* tells whether nobody listens any more.  Whoever opens it has to ``leave`` it.

        Raises:
            Problem: 429, the key has too many; 503, all have too many, or it is time to end.
            LedgerUnavailableError: There is nothing to read from now.
        """
        for stream in [stream for stream in self._streams if stream.is_gone()]:
            self.leave(stream)
        if self._is_closed or len(self._streams) >= self._limit:
            raise problems.overloaded(_ALL_RETRY_AFTER_SECONDS)
        if sum(stream.key_id == caller.key_id for stream in self._streams) >= self._per_key:
            raise problems.too_many_streams(self._per_key, _RETRY_AFTER_SECONDS)
        stream = Stream(caller, is_gone)
        self._streams.add(stream)  # before anything is awaited, or more would be let in
        try:
            stream.position = await self._feed.open(caller.tenant, position)
        except BaseException:
            self.leave(stream)
            raise
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll())
        return stream

    async def read(self, stream: Stream) -> Sequence[FeedEvent]:
        """Return the next events and move the stream's place behind them.

        Raises:
            LedgerUnavailableError: Nobody can tell now; the stream will be woken.
        """
        try:
            async with self._reading:
                events = await self._feed.since(stream.tenant, stream.position)
        except LedgerUnavailableError:
            stream.is_behind = True
            raise
        if events:
            stream.position = events[-1].position
        return events

    def leave(self, stream: Stream) -> None:
        """Forget a stream."""
        stream.end()
        self._streams.discard(stream)

    async def close(self) -> None:
        """End all streams, and open none any more."""
        self._is_closed = True
        for stream in self._streams:
            stream.end()
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])

    async def _poll(self) -> None:
        place: Position | None = None
        is_away = False
        try:
            while self._streams:
                asked = list(self._streams)
                try:
                    tenants, place = await self._ask({stream.tenant for stream in asked}, place)
                except LedgerUnavailableError:
                    if not is_away:
                        log.warning("ledger.unavailable", during="stream")
                    is_away = True
                else:
                    is_away = False
                    for stream in asked:
                        if stream.is_behind or stream.tenant in tenants:
                            stream.is_behind = False
                            stream.wake()
                await asyncio.sleep(self._interval)
        finally:
            self._polling = None

    async def _ask(self, tenants: set[str], place: Position | None) -> tuple[frozenset[str], Position]:
        async with self._reading:
            if place is None:
                return frozenset(), await self._feed.end()
            return await self._feed.news(tenants, place)
