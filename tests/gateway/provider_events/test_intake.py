"""Taking calls in: everything published before a yes, and nobody else kept waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import pytest

from services.gateway.provider_events.fetching import Fetcher
from services.gateway.provider_events.intake import Intake
from services.gateway.provider_events.reader import (
    Aside,
    Call,
    Fetch,
    NotGenuineError,
    Reading,
    UnreachableError,
    UnreadableError,
)
from services.gateway.relay.dispatch import BrokerUnavailableError
from services.gateway.relay.publisher import Outgoing
from shared.signatures import RecordEvent
from tests.gateway.provider_events.providers import NOW

CALL = Call({}, b"")
EVENT = RecordEvent(event="delivered", at=NOW, provider="a", provider_message_id="1", provider_event_id="2")


class Scripted:
    """A reader that yields what it is told to, each after some work."""

    def __init__(self, steps: Sequence[RecordEvent | Aside | Fetch | Exception], work: float = 0.0) -> None:
        self.steps = list(steps)
        self.work = work
        self.given: list[bytes | None] = []

    def read(self, _: Call, __: datetime) -> Reading:
        """Go through the script."""
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            until = time.perf_counter() + self.work
            while time.perf_counter() < until:
                pass
            self.given.append((yield step))


class Broker:
    """Takes everything, or nothing."""

    def __init__(self) -> None:
        self.batches: list[list[Outgoing]] = []
        self.is_away = False

    async def publish(self, batch: list[Outgoing]) -> None:
        """Take a batch."""
        if self.is_away:
            raise BrokerUnavailableError
        self.batches.append(batch)


async def _get(url: str) -> bytes:
    if url == "away":
        raise UnreachableError
    return url.encode()


def intake(reader: Scripted, publish: Callable[[list[Outgoing]], Awaitable[None]]) -> Intake:
    """An intake of one account."""
    return Intake({"a": reader}, publish, Fetcher(_get), lambda: NOW)


async def test_every_event_is_published_as_a_signature() -> None:
    """With an id of its own; asides are counted."""
    broker = Broker()
    steps: list[RecordEvent | Aside] = [EVENT, Aside.UNKNOWN, EVENT, Aside.UNREADABLE, Aside.UNKNOWN]
    taken = await intake(Scripted(steps), broker.publish).take("a", CALL)
    (batch,) = broker.batches

    assert [EVENT, EVENT] == [RecordEvent.parse(each.arguments) for each in batch]
    assert {("gateway.record_event", "gateway.events")} == {(each.task, each.queue) for each in batch}
    assert 2 == len({each.id for each in batch})
    assert (2, 1) == (taken.asides[Aside.UNKNOWN], taken.asides[Aside.UNREADABLE])


async def test_a_long_call_is_published_in_batches() -> None:
    """Of which none is larger than what the relay's own are."""
    broker = Broker()
    await intake(Scripted([EVENT] * 2500), broker.publish).take("a", CALL)

    assert [1000, 1000, 500] == [len(batch) for batch in broker.batches]


@pytest.mark.parametrize("error", [NotGenuineError("wrong"), UnreadableError("at 1")])
async def test_of_a_call_that_is_refused_nothing_is_published(error: Exception) -> None:
    """Although events were read before it showed."""
    broker = Broker()
    with pytest.raises(type(error)):
        await intake(Scripted([EVENT, EVENT, error]), broker.publish).take("a", CALL)

    assert [] == broker.batches


async def test_a_broker_that_is_away_is_told_of() -> None:
    """The provider will call again."""
    broker = Broker()
    broker.is_away = True
    with pytest.raises(BrokerUnavailableError):
        await intake(Scripted([EVENT]), broker.publish).take("a", CALL)


async def test_a_reader_is_given_what_it_wants_fetched() -> None:
    """And goes on with it."""
    reader = Scripted([Fetch("x"), Aside.UNKNOWN, Fetch("y"), EVENT])
    broker = Broker()
    taken = await intake(reader, broker.publish).take("a", CALL)

    assert [b"x", None, b"y", None] == reader.given
    assert [Fetch("x"), Fetch("y")] == taken.fetched
    with pytest.raises(UnreachableError):
        await intake(Scripted([EVENT, Fetch("away")]), broker.publish).take("a", CALL)
    assert 1 == len(broker.batches)


async def test_others_are_let_in_between() -> None:
    """A call of many events does not hold the loop for long, nor do several at the same time."""
    broker, turns = Broker(), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(others())
    reader = Scripted([EVENT] * 100, work=0.0004)  # 40 ms of work
    taking = intake(reader, broker.publish)
    await asyncio.gather(*(taking.take("a", CALL) for _ in range(2)))
    working.cancel()

    assert turns > 2 * 100 * 0.4 / 2
    assert 200 == sum(map(len, broker.batches))


async def test_one_call_is_read_at_a_time() -> None:
    """But while one waits for the broker, the next one is read."""
    broker, slow = Broker(), asyncio.Event()

    async def publish(batch: list[Outgoing]) -> None:
        broker.batches.append(batch)
        await slow.wait()

    taking = intake(Scripted([EVENT]), publish)
    calls = [asyncio.create_task(taking.take("a", CALL)) for _ in range(3)]
    async with asyncio.timeout(5):
        while len(broker.batches) < 3:  # noqa: ASYNC110 - nobody would set an event
            await asyncio.sleep(0)
    slow.set()

    assert [1, 1, 1] == [len(taken.events) for taken in await asyncio.gather(*calls)]


def test_accounts_are_known_by_name() -> None:
    """Those that are there."""
    taking = intake(Scripted([]), Broker().publish)

    assert ("a" in taking, "b" in taking, "" in taking) == (True, False, False)
