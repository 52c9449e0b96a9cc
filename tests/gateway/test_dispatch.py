"""Publishing what is not in the ledger: whoever hands it over learns whether the broker has it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import UUID, uuid4

import pytest

from services.gateway.relay.dispatch import BrokerUnavailableError, Dispatch
from services.gateway.relay.publisher import Link, Outgoing, Publishable, Published


class Broker:
    """Takes everything, once it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Event()
        self.batches: list[list[Publishable]] = []
        self.refused: set[UUID] = set()
        self.error: Exception | None = None
        self.is_closed = False

    def connect(self) -> None:
        """Be there."""

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """Wait for the word, then take the batch, or a part of it, or fail."""
        self.asked.set()
        self.open.wait(5)
        self.batches.append([*batch])
        confirmed = [each.id for each in batch if each.id not in self.refused]
        if self.error is not None:
            return Published(confirmed[:1], error=self.error)
        return Published(confirmed, [each.id for each in batch if each.id in self.refused])

    def keep_alive(self) -> Link:
        """Be there still."""
        return Link.UP

    def depth(self, _: str) -> int | None:
        """Hold nothing."""
        return 0

    def close(self) -> None:
        """Be gone."""
        self.is_closed = True


class World:
    """A dispatch, and the broker behind it."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.dispatch = Dispatch(self.broker)

    def hand_over(self, signatures: Sequence[Outgoing]) -> asyncio.Task[None]:
        """Publish in the background."""
        return asyncio.create_task(self.dispatch.publish(signatures))

    async def until(self, look: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(5):
            while not look():  # noqa: ASYNC110 - nobody would set an event
                await asyncio.sleep(0.005)

    async def occupied(self) -> asyncio.Task[None]:
        """Have the broker be at work on a first signature, for as long as it is not open."""
        self.broker.open.clear()
        first = self.hand_over(signatures(1))
        await self.until(self.broker.asked.is_set)
        return first


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A dispatch that is connected."""
    world = World()
    world.dispatch.start()
    await world.until(lambda: world.dispatch.connected)
    yield world
    world.broker.open.set()
    await world.dispatch.close()


def signatures(count: int, size: int = 2) -> list[Outgoing]:
    """Some signatures."""
    return [Outgoing(uuid4(), "gateway.record_event", "gateway.events", b"x" * size) for _ in range(count)]


async def test_it_returns_once_the_broker_has_all(world: World) -> None:
    """And not before."""
    world.broker.open.clear()
    every = signatures(3)
    handed = world.hand_over(every)
    await world.until(world.broker.asked.is_set)

    assert not handed.done()
    world.broker.open.set()
    await handed
    assert [every] == world.broker.batches


async def test_nothing_is_published_at_once() -> None:
    """Whether the broker is there or not."""
    await Dispatch(Broker()).publish([])


async def test_a_broker_that_is_away_is_not_waited_for() -> None:
    """The caller is told at once."""
    with pytest.raises(BrokerUnavailableError):
        await Dispatch(Broker()).publish(signatures(1))


async def test_callers_share_what_waits(world: World) -> None:
    """While the broker is busy, all that comes goes in the next batch, in order."""
    first = await world.occupied()
    waiting = [signatures(2) for _ in range(50)]
    handed = [world.hand_over(some) for some in waiting]
    await asyncio.sleep(0)
    world.broker.open.set()
    await asyncio.gather(first, *handed)

    assert [1, 100] == [len(batch) for batch in world.broker.batches]
    assert [one for some in waiting for one in some] == world.broker.batches[1]


@pytest.mark.parametrize(("count", "size", "expected"), [(600, 2, [600, 600]), (2, 1_500_000, [2, 2])])
async def test_a_batch_is_bounded(world: World, count: int, size: int, expected: list[int]) -> None:
    """In number and in bytes; what one caller hands over stays together."""
    first = await world.occupied()
    handed = [world.hand_over(signatures(count, size)) for _ in range(2)]
    await asyncio.sleep(0)
    world.broker.open.set()
    await asyncio.gather(first, *handed)

    assert [1, *expected] == [len(batch) for batch in world.broker.batches]


async def test_whoever_is_refused_is_told_alone(world: World) -> None:
    """One signature without a queue fails its caller, and nobody who shares the batch."""
    first = await world.occupied()
    good, bad = signatures(2), signatures(2)
    world.broker.refused = {bad[1].id}
    handed = [world.hand_over(good), world.hand_over(bad)]
    await asyncio.sleep(0)
    world.broker.open.set()
    results = await asyncio.gather(first, *handed, return_exceptions=True)

    assert [type(None), type(None), BrokerUnavailableError] == [type(result) for result in results]
    assert world.dispatch.connected


async def test_a_connection_that_broke_is_made_anew(world: World) -> None:
    """What was not confirmed is said to be lost; later all is well again."""
    world.broker.error = ConnectionError()
    with pytest.raises(BrokerUnavailableError):
        await world.dispatch.publish(signatures(2))

    assert not world.dispatch.connected
    world.broker.error = None
    await world.until(lambda: world.dispatch.connected)
    await world.dispatch.publish(signatures(2))


async def test_what_was_confirmed_before_the_break_counts(world: World) -> None:
    """Its caller need not repeat it."""
    world.broker.error = ConnectionError()

    await world.dispatch.publish(signatures(1))


async def test_a_caller_who_gives_up_is_in_nobodys_way(world: World) -> None:
    """What it handed over is published all the same, and the others hear of theirs."""
    first = await world.occupied()
    gone, stays = world.hand_over(signatures(1)), world.hand_over(signatures(1))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    world.broker.open.set()
    await asyncio.gather(first, stays)

    assert gone.cancelled()
    assert [1, 2] == [len(batch) for batch in world.broker.batches]


async def test_closing_publishes_what_was_handed_over(world: World) -> None:
    """Then it lets go of the broker; once is enough."""
    handed = [await world.occupied(), world.hand_over(signatures(3))]
    await asyncio.sleep(0)
    closing = asyncio.create_task(world.dispatch.close())
    await asyncio.sleep(0)
    world.broker.open.set()
    await closing
    await asyncio.gather(*handed)
    await world.dispatch.close()

    assert 4 == sum(map(len, world.broker.batches))
    assert world.broker.is_closed
