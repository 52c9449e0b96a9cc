"""Publishing what is not in the ledger (yet): whoever hands it over waits for the broker's confirm.

Many callers share one socket write and one wait, as in the relay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.gateway.relay.line import Line
from services.gateway.relay.publisher import Publishable, Publisher

_BATCH = 1000
_BATCH_BYTES = 4_000_000


class BrokerUnavailableError(Exception):
    """The broker did not take all of it; what it did take may come again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    signatures: Sequence[Publishable]
    taken: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def size(self) -> int:
        return sum(len(one.arguments) for one in self.signatures)


class Dispatch:
    """Has a connection of its own, so that mail on its way out is never behind what comes in."""

    def __init__(self, publisher: Publisher) -> None:
        self._line = Line(publisher, "dispatch")
        self._waiting: deque[_Waiting] = deque()
        self._publishing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect to the broker, and keep connecting for as long as it is away."""
        self._line.start()

    @property
    def connected(self) -> bool:
        """Whether the broker is there, as far as is known."""
        return self._line.connected

    async def publish(self, signatures: Sequence[Publishable]) -> None:
        """Return once the broker has confirmed all *signatures*; their ids must differ.

        Raises:
            BrokerUnavailableError: It has not; publishing them once more doubles some of them.
        """
        if not signatures:
            return
        if not self.connected:
            raise BrokerUnavailableError
        waiting = _Waiting(signatures)
        self._waiting.append(waiting)
        if self._publishing is None:
            self._publishing = asyncio.create_task(self._publish_waiting())
        await waiting.taken

    async def close(self) -> None:
        """Publish what was handed over, then let go of the broker; once is enough."""
        if not self._line.is_open:
            return
        self._line.hang_up()
        if self._publishing is not None:
            await self._publishing
        await self._line.close()

    async def _publish_waiting(self) -> None:
        try:
            while self._waiting:
                await self._publish(self._next_batch())
        finally:
            self._publishing = None

    def _next_batch(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        count, size = len(batch[0].signatures), batch[0].size
        while self._waiting:
            count += len(self._waiting[0].signatures)
            size += self._waiting[0].size
            if count > _BATCH or size > _BATCH_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _publish(self, batch: Sequence[_Waiting]) -> None:
        every = [signature for waiting in batch for signature in waiting.signatures]
        published = await self._line.run(self._line.publisher.publish, every)
        if published.error is not None:
            self._line.lost(published.error)
        confirmed = set(published.confirmed)
        for waiting in batch:
            if waiting.taken.done():
                continue  # its caller has been given up on meanwhile
            if all(signature.id in confirmed for signature in waiting.signatures):
                waiting.taken.set_result(None)
            else:
                waiting.taken.set_exception(BrokerUnavailableError())
