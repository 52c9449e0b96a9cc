"""What a thousand messages cost in operations: counted, so that no machine's mood can change the answer.

These are the guards of what docs/performance.md measures.  A bound that fails after a change says what the
change costs; raise it only if that is worth its price.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable
from itertools import count
from types import FrameType
from typing import Any
from uuid import UUID, uuid4

import pytest

from bench import letters
from services.gateway.acceptance.entries import Draft
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Entry, Key
from services.gateway.submission.email import parse_email
from services.mailer.claims.claims import Claims, Granted, Settlement, State, Wish
from services.mailer.reporter import BrokerReporter
from shared.signatures import RecordEvents
from tests.contract.brokers import RabbitMQPlace, Reads
from tests.contract.ledgers import Gateway, deposit, event, gateway
from tests.contract.mailers import ACCOUNT, Stores
from tests.contract.stock import watched
from tests.contract.test_brokers import _settings, reads_batches, recording, report_many  # noqa: F401 - a fixture
from tests.contract.test_brokers import entry as message
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ

THOUSAND = 1000


@pytest.fixture
async def box(postgresql_url: str) -> AsyncIterator[Gateway]:
    """A gateway's ledger in PostgreSQL."""
    async with gateway(postgresql_url) as box:
        await migrate(box.engine)
        yield box


class Transactions:
    """Counts the transactions that wrote something: each has a number of its own on the server."""

    def __init__(self, postgresql: PostgreSQL, url: str) -> None:
        self._postgresql, self._url = postgresql, url
        self._before = self._now()

    def _now(self) -> int:
        return int(self._postgresql.execute("SELECT pg_current_xact_id()", self._url))

    def count(self) -> int:
        """How many there were since."""
        return self._now() - self._before - 1


def accepted() -> Entry:
    """An everyday message, as it is committed."""
    submission = parse_email(letters.single())
    return Draft(submission.signature(new_message_id(), "default")).entry()


def calls(function: Callable[[], Any]) -> int:
    """How many calls of Python and C functions something makes when it is done for the second time."""
    function()
    made = count()

    def note(_: FrameType, what: str, __: Any) -> None:
        if what in ("call", "c_call"):
            next(made)

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return next(made)


@pytest.mark.parametrize("guarded", [False, True], ids=["without keys", "with idempotency keys"])
async def test_a_thousand_accepts_are_two_commits(
    box: Gateway, postgresql: PostgreSQL, postgresql_url: str, *, guarded: bool
) -> None:
    """Those that come at the same moment; a group holds 500."""
    keys = [Key(str(number), b"1" * 32) if guarded else None for number in range(THOUSAND)]
    deposits = [deposit(accepted(), key=key) for key in keys]
    await box.writer.deposit(deposit(accepted()))  # connects
    transactions = Transactions(postgresql, postgresql_url)

    await asyncio.gather(*(box.writer.deposit(one) for one in deposits))

    assert 2 == transactions.count()
    assert [1, 500, 500] == box.insert.batches


async def test_a_thousand_confirms_are_noted_in_one_statement(
    box: Gateway, postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """Whatever their number."""
    ids = [entry.id for entry in await box.accept(THOUSAND)]
    transactions = Transactions(postgresql, postgresql_url)

    with watched(box.engine) as statements:
        await box.ledger.mark_queued(ids)

    assert (1, 1) == (len(statements), transactions.count())


@pytest.mark.parametrize("number", [1, 200])
async def test_recording_takes_as_many_statements_for_many_events_as_for_one(
    box: Gateway, postgresql: PostgreSQL, postgresql_url: str, number: int
) -> None:
    """In one transaction: what is known, the events, the states, whom to tell, and the counts."""
    published = await box.publish(number)
    transactions = Transactions(postgresql, postgresql_url)

    with watched(box.engine) as statements:
        await box.ledger.record(
            [event(one.id, "sent", provider="a", provider_message_id=one.id.hex) for one in published]
        )

    assert len(statements) <= 6
    assert 1 == transactions.count()


async def test_a_thousand_deliveries_are_four_commits(
    server_stores: Stores, postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """Claimed in two and settled in two, each with the attempt that is written ahead."""
    claims = Claims(server_stores.open())
    ids = [uuid4() for _ in range(THOUSAND)]
    await claims.take(Wish(uuid4(), ACCOUNT))  # connects
    transactions = Transactions(postgresql, postgresql_url)

    async def deliver(message_id: UUID) -> bool:
        claim = await claims.take(Wish(message_id, ACCOUNT))
        assert isinstance(claim, Granted)
        return await claims.settle(Settlement(message_id, claim.token, State.SENT, provider=ACCOUNT))

    assert all(await asyncio.gather(*map(deliver, ids)))
    assert transactions.count() <= 5  # the second group of claims may find some of the first settling


class Writes:
    """Counts what is written to the broker's socket, where py-amqp does it."""

    def __init__(self, transport: Any) -> None:
        self.sizes: list[int] = []
        self._write = transport._write
        transport._write = self

    def __call__(self, data: bytes) -> Any:
        """Write, and remember how much."""
        self.sizes.append(len(data))
        return self._write(data)


def test_a_batch_is_published_in_one_write(rabbitmq: RabbitMQ) -> None:
    """A thousand messages are four batches of the relay, hence four writes; no confirm takes two reads."""
    place = RabbitMQPlace(rabbitmq)
    place.declare_mailer_queues()
    publisher = place.publisher()
    publisher.connect()
    writes = Writes(publisher._connection.transport)  # type: ignore[attr-defined]
    reads = Reads(publisher._connection.transport)  # type: ignore[attr-defined]
    confirms: list[int] = []
    publisher._channel.events["basic_ack"].add(lambda tag, _: confirms.append(tag))  # type: ignore[attr-defined]

    batches = [[message() for _ in range(250)] for _ in range(4)]
    confirmed = [publisher.publish(batch).confirmed for batch in batches]
    publisher.close()

    assert [[entry.id for entry in batch] for batch in batches] == confirmed
    assert 4 == len(writes.sizes)
    assert reads.count <= len(confirms)


async def test_a_thousand_events_are_ten_messages_in_two_writes(rabbitmq: RabbitMQ) -> None:
    """Those of attempts that end at the same moment; a group holds 500."""
    place = RabbitMQPlace(rabbitmq)
    reporter = BrokerReporter(place.mailer)
    async with recording(place) as ledger:
        await reads_batches(place)
        await report_many(reporter, range(2))  # connects, and looks whether batches are read
        await ledger.wait_for(2)
    assert reporter._connection is not None
    writes = Writes(reporter._connection.connection.transport)

    await report_many(reporter, range(THOUSAND))
    reporter._thread.submit(reporter._disconnect).result()
    reporter._thread.shutdown()

    assert 2 == len(writes.sizes)
    assert 10 == await asyncio.to_thread(place.depth, RecordEvents.QUEUE)


def test_an_everyday_message_is_accepted_in_few_calls() -> None:
    """From its JSON to what is committed: 132 calls when this was written, of Python and of C."""
    assert calls(accepted) <= 145


def test_an_accepted_message_leaves_nothing_behind() -> None:
    """Ten thousand of them keep fewer objects alive than one message is made of."""
    for _ in range(100):
        accepted()
    gc.collect()
    before = sys.getallocatedblocks()

    for _ in range(10_000):
        accepted()
    gc.collect()

    assert sys.getallocatedblocks() - before < 200
