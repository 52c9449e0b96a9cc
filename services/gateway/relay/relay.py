"""The asyncio side of the relay: batches what was committed, and notes what the broker confirmed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog

from services.gateway import failpoints
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.queries import Ledger
from services.gateway.relay.line import Line
from services.gateway.relay.publisher import Published, Publisher

log = structlog.get_logger()

_BATCH_ENTRIES = 256
_BATCH_BYTES = 1_000_000
_MOST_BYTES = 64_000_000
"""Memory set aside for messages on their way to the broker; the ledger holds them all anyway."""
_REST_SECONDS = 0.005
"""After a batch, for what comes meanwhile: nobody waits for the relay, each batch costs two changes of
thread, and where messages are seldom the rest is over before the next one."""
_ENOUGH_ENTRIES = 64
"""So many are worth a batch at once."""
_SETTLING_SECONDS = 5.0
_MARKED_AT_ONCE = 1000
_MARKING_SECONDS = 0.1
"""Nobody waits for the note, and one for many messages costs hardly more than one for a few."""


class Relay:
    """Publishes in one thread of its own, so that the event loop never waits for the broker.

    Its memory is bounded, and it never holds the only copy of anything: whatever does not fit,
    or fails, stays in the ledger, where the sweeper finds it.
    """

    def __init__(
        self,
        publisher: Publisher,
        ledger: Ledger,
        *,
        capacity: int,
        rest: float = _REST_SECONDS,
        on_published: Callable[[int, int, float], object] = lambda *_: None,
    ) -> None:
        self._line = Line(publisher, "relay")
        self._ledger = ledger
        self._capacity = capacity
        self._rest = rest
        self._on_published = on_published
        self._waiting: deque[Entry] = deque()
        self._held: dict[UUID, tuple[int, float]] = {}
        """Size, and the monotonic moment at which it was offered."""
        self._held_bytes = 0
        self._rest_ends = 0.0
        self._confirmed: list[UUID] = []
        self._publishing: asyncio.Task[None] | None = None
        self._marking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect to the broker, and keep connecting for as long as it is away."""
        self._line.start()

    @property
    def connected(self) -> bool:
        """Whether it is worth handing messages over."""
        return self._line.connected

    @property
    def room(self) -> int:
        """How many more entries fit; 0 while the broker is away, or the memory set aside is used up."""
        if not self.connected or self._held_bytes > _MOST_BYTES:
            return 0
        return self._capacity - len(self._held)

    @property
    def held(self) -> int:
        """How many messages are on their way to the broker."""
        return len(self._held)

    @property
    def oldest(self) -> float:
        """For how many seconds the oldest of them has been; 0 if there is none."""
        return time.monotonic() - next(iter(self._held.values()))[1] if self._held else 0.0

    @property
    def settled(self) -> bool:
        """Whether the broker can be believed when it says that a queue is empty.

        Shortly after a start RabbitMQ says so of every quorum queue that has no leader yet.
        """
        return self.connected and time.monotonic() - self._line.connected_at > _SETTLING_SECONDS

    def offer(self, entries: Sequence[Entry]) -> list[Entry]:
        """Take over what fits and is not held already, and return that; never waits.

        The rest is left to the sweeper.
        """
        taken, now = [], time.monotonic()
        for entry in entries:
            if self.room <= 0:
                break
            if entry.id not in self._held:
                self._held[entry.id] = len(entry.arguments), now
                self._held_bytes += len(entry.arguments)
                taken.append(entry)
        self._waiting.extend(taken)
        if self._waiting and self._publishing is None:
            self._publishing = asyncio.create_task(self._publish_waiting())
        return taken

    async def depth(self, queue: str) -> int | None:
        """Ask the broker how many messages wait in ``queue``; None when it does not exist."""
        return await self._line.run(self._line.publisher.depth, queue)

    async def close(self) -> None:
        """Publish and note what is held already, then let go of the broker; once is enough."""
        if not self._line.is_open:
            return
        self._line.hang_up()
        while task := self._publishing or self._marking:
            await task
        await self._line.close()

    async def _publish_waiting(self) -> None:
        try:
            while self._waiting:
                await self._take_a_rest()
                batch = self._next_batch()
                published = await self._line.run(self._line.publisher.publish, batch)
                if failpoints.armed:
                    await failpoints.reached("r.after_publish")
                lag = time.monotonic() - self._held[batch[0].id][1]
                self._on_published(len(published.confirmed), len(published.unroutable), lag)
                self._rest_ends = time.monotonic() + self._rest
                self._release(batch)
                self._note(published)
                if published.unroutable:
                    await self._record_unroutable(published.unroutable)
        finally:
            self._publishing = None

    async def _take_a_rest(self) -> None:
        """Let a batch become worth its while, unless the gateway closes."""
        left = self._rest_ends - time.monotonic()
        if left > 0 and len(self._waiting) < _ENOUGH_ENTRIES and self._line.is_open:
            await asyncio.sleep(left)

    def _next_batch(self) -> list[Entry]:
        batch: list[Entry] = []
        size = 0
        while self._waiting and len(batch) < _BATCH_ENTRIES and size < _BATCH_BYTES:
            entry = self._waiting.popleft()
            size += len(entry.arguments)
            batch.append(entry)
        return batch

    def _release(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._held_bytes -= self._held.pop(entry.id)[0]

    def _note(self, published: Published) -> None:
        if published.confirmed:
            self._confirmed += published.confirmed
            if self._marking is None:
                self._marking = asyncio.create_task(self._mark_confirmed())
        if published.error is not None:
            self._line.lost(published.error)
            self._release(self._waiting)
            self._waiting.clear()

    async def _mark_confirmed(self) -> None:
        try:
            while ids := self._confirmed[:_MARKED_AT_ONCE]:
                del self._confirmed[:_MARKED_AT_ONCE]
                if failpoints.armed:
                    await failpoints.reached("r.before_mark")
                await self._ledger.mark_queued(ids)
                if self._line.is_open:
                    await asyncio.sleep(_MARKING_SECONDS)
        except LedgerUnavailableError:
            # Not noted: the sweeper will publish them again, and the claims make that harmless.
            self._confirmed.clear()
            log.warning("ledger.unavailable", during="mark_queued")
        finally:
            self._marking = None

    async def _record_unroutable(self, ids: Sequence[UUID]) -> None:
        log.warning("signature.unroutable", messages=len(ids))
        now = datetime.now(UTC)
        because = "The broker has no queue for it; the message waits in the ledger."
        events = [LedgerEvent(i, "unroutable", "unroutable", "gateway", now, reason=because) for i in ids]
        try:
            await self._ledger.record(events)
        except LedgerUnavailableError:
            log.warning("ledger.unavailable", during="record")
