"""The sweeper brings back what the broker has lost, and nothing that is merely late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.sweeper import Sweeper
from shared.signatures import Lane, RecordEvent, RecordEvents
from tests.contract.ledgers import entry

BELIEVED = 5
SPANS = {"interval": 1.0, "lease": 1.0, "silent_after": 0.0}


@dataclass
class Surroundings:
    """A ledger that believes five bulk messages to be in the broker, and a relay that looks there."""

    depths: dict[str, int]
    room: int = 100
    settled: bool = True
    offered: list[Entry] = field(default_factory=list)

    async def depth(self, queue: str) -> int | None:
        return self.depths.get(queue, 0)

    async def take_unpublished(self, *_: object, **__: object) -> Sequence[Entry]:
        return ()

    async def believed_in_broker(self, lane: Lane) -> tuple[int, int]:
        return (BELIEVED, BELIEVED) if lane is Lane.BULK else (0, 0)

    async def take_silent(self, _: Lane, *, limit: int) -> Sequence[Entry]:
        return [entry() for _ in range(limit)]

    async def record(self, _: Sequence[LedgerEvent]) -> None:
        pass

    def offer(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        self.offered += entries
        return entries


@pytest.mark.parametrize(
    ("waiting", "news", "batches", "lost"),
    [(0, 0, 0, 5), (3, 0, 0, 2), (5, 0, 0, 0), (0, 4, 0, 1), (2, 40, 0, 0), (0, 0, 1, 0)],
    ids=["all lost", "some wait", "all wait", "most are sent", "the recorder is behind", "a batch waits"],
)
async def test_only_what_neither_waits_nor_has_news_is_lost(
    waiting: int, news: int, batches: int, lost: int
) -> None:
    """What waits in the lane will be sent; what the recorder has not read may be of those sent already."""
    there = Surroundings({"mailer.bulk": waiting, RecordEvent.QUEUE: news, RecordEvents.QUEUE: batches})
    sweeper = Sweeper(there, there, there, **SPANS)  # type: ignore[arg-type]

    for _ in range(2):  # what is missed only once may be on its way
        await sweeper._sweep()

    assert lost == len(there.offered)
