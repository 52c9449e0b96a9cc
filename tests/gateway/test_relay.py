"""The relay's asyncio side, with a broker that does as it is told and a real ledger."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.sqlite import SqliteInsert
from services.gateway.relay.publisher import Link, Publishable, Published
from services.gateway.relay.relay import Relay
from tests.contract.ledgers import deposit


class Broker:
    """Takes everything, once it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.got: list[Publishable] = []
        self.batches: list[int] = []
        self.error: Exception | None = None

    def connect(self) -> None:
        """Be there."""

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """Wait for the word, then take the batch, or fail."""
        self.open.wait(5)
        if self.error is not None:
            return Published(error=self.error)
        self.got += batch
        self.batches.append(len(batch))
        return Published([entry.id for entry in batch])

    def keep_alive(self) -> Link:
        """Be there still."""
        return Link.UP

    def depth(self, _: str) -> int | None:
        """Hold nothing."""
        return 0

    def close(self) -> None:
        """Be gone."""


class World:
    """A relay between a ledger and a broker."""

    def __init__(self, ledger: Ledger, insert: SqliteInsert, capacity: int) -> None:
        self.broker = Broker()
        self.ledger = ledger
        self.insert = insert
        self.relay = Relay(self.broker, ledger, capacity=capacity, rest=0.2)

    async def start(self) -> None:
        """Connect."""
        self.relay.start()
        await self.until_connected(connected=True)

    async def until_connected(self, *, connected: bool) -> None:
        """Wait until the relay is, or is not."""
        async with asyncio.timeout(5):
            while self.relay.connected is not connected:  # noqa: ASYNC110 - nobody would set an event
                await asyncio.sleep(0.01)

    async def until_published(self, count: int) -> None:
        """Wait until the broker has so many."""
        async with asyncio.timeout(5):
            while len(self.broker.got) < count:  # noqa: ASYNC110 - nobody would set an event
                await asyncio.sleep(0.001)

    async def committed(self, count: int, size: int = 2) -> list[Entry]:
        """Messages as they are after their commit."""
        entries = [
            Entry(new_message_id(), "default", "transactional", "mailer.send_email", b"x" * size)
            for _ in range(count)
        ]
        await self.insert.insert([deposit(*entries)])
        return entries

    async def status(self, entry: Entry) -> str:
        """What the ledger says of one."""
        row = await self.ledger.find("default", entry.id)
        assert row is not None
        return str(row.status)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A relay that holds ten messages at the most."""
    address = LedgerAddress.parse(f"sqlite:///{tmp_path}/ledger.sqlite3")
    engine = open_engine(address, 1)
    await migrate(engine)
    writing = asyncio.Lock()
    ledger = Ledger(Sessions(engine, writing=writing), silent_after=60)
    insert = SqliteInsert(address.dsn, timeout=1, lease=5, retention=60, writing=writing)
    world = World(ledger, insert, capacity=10)
    await world.start()
    yield world
    world.broker.open.set()
    await world.relay.close()
    await insert.close()
    await engine.dispose()


async def test_closing_notes_the_last_confirms(world: World) -> None:
    """What was published just before the end is not published again by the next gateway."""
    world.broker.open.clear()
    entries = await world.committed(3)
    world.relay.offer(entries)
    world.broker.open.set()
    await world.relay.close()

    assert ["queued"] * 3 == [await world.status(entry) for entry in entries]


async def test_what_comes_soon_after_a_batch_travels_together(world: World) -> None:
    """And what comes after a while does not wait."""
    first, *soon = await world.committed(4)
    world.relay.offer([first])
    await world.until_published(1)
    for entry in soon:
        world.relay.offer([entry])
        await asyncio.sleep(0)
    await world.until_published(4)

    assert [1, 3] == world.broker.batches


async def test_what_is_on_its_way_is_not_taken_twice(world: World) -> None:
    """The sweeper may offer what a slow broker has not confirmed yet; it is published once."""
    world.broker.open.clear()
    entries = await world.committed(3)
    first, second = world.relay.offer(entries), world.relay.offer(entries)
    world.broker.open.set()
    await world.relay.close()

    assert (entries, []) == (first, second)
    assert entries == world.broker.got


async def test_what_does_not_fit_is_left_to_the_sweeper(world: World) -> None:
    """The relay says which messages it took, so that nobody believes in more."""
    world.broker.open.clear()
    entries = await world.committed(15)

    assert entries[:10] == world.relay.offer(entries)
    assert world.relay.room == 0


async def test_memory_is_bounded_in_bytes_too(world: World) -> None:
    """A few huge messages fill the relay as many small ones do."""
    world.broker.open.clear()
    entries = await world.committed(5, size=30_000_000)

    assert entries[:3] == world.relay.offer(entries)


async def test_a_lost_broker_empties_the_relay(world: World) -> None:
    """What it held is in the ledger anyway, and is not handed over until the broker is back."""
    world.broker.error = ConnectionError()
    entries = await world.committed(3)
    world.relay.offer(entries)
    await world.until_connected(connected=False)
    refused = world.relay.offer(entries)
    world.broker.error = None
    await world.until_connected(connected=True)

    assert [] == refused
    assert entries == world.relay.offer(entries)
