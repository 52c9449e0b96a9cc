"""Taking providers' calls in: little at a time, so that accepting mail does not wait for it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from services.gateway.courtesy import Courtesy
from services.gateway.provider_events.fetching import Fetcher
from services.gateway.provider_events.reader import Aside, Call, Fetch, Reader, Reading
from services.gateway.relay.publisher import Outgoing
from shared.signatures import RecordEvent, RecordEvents

Publish = Callable[[list[Outgoing]], Awaitable[None]]
"""Returns once the broker has all of them, see :meth:`.Dispatch.publish`."""

_SLICE_SECONDS: Final = 0.001
_BATCH: Final = 1000
_SMALL_BATCH: Final = 100


@dataclass(slots=True)
class Taken:
    """What was in a call."""

    trace: str | None = None
    """Of the call."""
    events: list[RecordEvent] = field(default_factory=list)
    asides: Counter[Aside] = field(default_factory=Counter)
    fetched: list[Fetch] = field(default_factory=list)


class Intake:
    """Reads calls, and publishes what they tell.

    One call is read at a time, a millisecond of work and a millisecond of rest, and more rest while
    mail is being accepted.
    """

    def __init__(
        self,
        readers: Mapping[str, Reader],
        publish: Publish,
        fetcher: Fetcher,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        courtesy: Courtesy | None = None,
        *,
        trace: Callable[[], str | None] = lambda: None,
        together: Callable[[], bool] = lambda: False,
    ) -> None:
        self._readers = readers
        self._publish = publish
        self._fetcher = fetcher
        self._clock = clock
        self._courtesy = courtesy or Courtesy()
        self._trace = trace
        self._together = together
        self._turn = asyncio.Lock()

    def __contains__(self, account: str) -> bool:
        return account in self._readers

    async def take(self, account: str, call: Call) -> Taken:
        """Verify a call for an account that is there, and publish its events: all of them, or none is lost.

        Raises:
            NotGenuineError: The provider did not write it.
            UnreadableError: Nobody knows what it says.
            UnreachableError: What is needed to verify it cannot be had now.
            BrokerUnavailableError: The broker did not take all of it.
        """
        reading = self._readers[account].read(call, self._clock())
        taken = Taken(self._trace())
        wanted = await self._read(reading, None, taken)
        while wanted is not None:
            found = await self._fetcher.fetch(wanted)
            taken.fetched.append(wanted)
            wanted = await self._read(reading, found, taken)
        await self._publish_all(taken)
        return taken

    async def _publish_all(self, taken: Taken) -> None:
        make, start = _in_batches if self._together() else _one_by_one, 0
        while start < len(taken.events):
            # The thread that publishes keeps the interpreter to itself for as long as a batch takes.
            size = _SMALL_BATCH if self._courtesy.is_called_for else _BATCH
            begun = time.perf_counter()
            await self._publish(make(taken.events[start : start + size], taken.trace))
            await self._courtesy.rest(time.perf_counter() - begun)
            start += size

    async def _read(self, reading: Reading, found: bytes | None, taken: Taken) -> Fetch | None:
        """Read on until something has to be fetched (it is given then), or to the end."""
        async with self._turn:
            until = time.perf_counter() + _SLICE_SECONDS
            try:
                step = reading.send(found)
                while not isinstance(step, Fetch):
                    _note(step, taken)
                    if time.perf_counter() > until:
                        await asyncio.sleep(_SLICE_SECONDS)
                        await self._courtesy.rest(_SLICE_SECONDS)
                        until = time.perf_counter() + _SLICE_SECONDS
                    step = next(reading)
            except StopIteration:
                return None
            return step


def _note(step: RecordEvent | Aside, taken: Taken) -> None:
    if isinstance(step, Aside):
        taken.asides[step] += 1
    else:
        taken.events.append(step)


def _one_by_one(events: Sequence[RecordEvent], trace: str | None) -> list[Outgoing]:
    return [Outgoing(uuid4(), each.task, each.queue, each.arguments(), trace) for each in events]


def _in_batches(events: Sequence[RecordEvent], trace: str | None) -> list[Outgoing]:
    most = RecordEvents.MOST
    parts = [tuple(events[start : start + most]) for start in range(0, len(events), most)]
    batches = [RecordEvents(events=part) for part in parts]
    return [Outgoing(uuid4(), each.task, each.queue, each.arguments(), trace) for each in batches]
