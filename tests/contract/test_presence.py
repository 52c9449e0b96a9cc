"""What mailers tell of themselves: heard by every gateway, and in nobody's way when none listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from kombu import Exchange

from services.gateway.ledger.dashboard_tables import mailers
from services.gateway.ledger.database import migrate
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.mailers import FORGOTTEN_SECONDS, Mailers
from services.gateway.ledger.schema import moment_in
from services.gateway.recording.pending import Records
from services.gateway.recording.recorder import Recorder
from services.mailer.accounts.routes import Routes
from services.mailer.announcing import _MOST_WAITING, Announcer
from services.mailer.presence import Presence
from services.mailer.reporter import BrokerReporter
from shared.seals import Seals
from shared.signatures import EXCHANGE, Lane, RecordEvent, RecordMailer, SlotUse
from tests.contract.brokers import PATIENCE, EmbeddedPlace, Place, RabbitMQPlace, RedisPlace
from tests.contract.ledgers import Gateway, gateway
from tests.servers.rabbitmq import RabbitMQ

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OLD_RIGHTS = "^(mailer\\.(transactional|bulk)|gateway\\.events)$"


@pytest.fixture(params=["rabbitmq", "redis", "embedded"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every broker, empty."""
    if request.param == "embedded":
        return EmbeddedPlace(tmp_path / "broker")
    server = request.getfixturevalue(request.param)
    return RabbitMQPlace(server) if request.param == "rabbitmq" else RedisPlace(server)


@pytest.fixture
def announcer(place: Place) -> Announcer:
    """A mailer with one busy slot of a hundred."""
    return announcing(place)


def announcing(place: Place, seals: Seals | None = None) -> Announcer:
    """A mailer that tells of itself twenty times a second."""
    uses = [SlotUse(queue="mailer.bulk", busy=1, slots=100)]
    routes = Routes({lane: [] for lane in Lane}, patience=1.0)
    return Announcer(place.mailer, Presence(routes, lambda: uses, every=0.05), seals)


@dataclass
class Heard:
    """What a gateway is told of mailers; its ledger is away as often as it is told to be."""

    told: list[RecordMailer] = field(default_factory=list)
    fails: int = 0

    async def tell(self, told: Sequence[RecordMailer]) -> None:
        if self.fails:
            self.fails -= 1
            raise LedgerUnavailableError(unknown=False)
        self.told += told


async def _nothing(_: object) -> None:
    """Record nothing."""


@asynccontextmanager
async def listening(place: Place, fails: int = 0, seals: Seals | None = None) -> AsyncIterator[Heard]:
    """A gateway's recorder at work."""
    heard = Heard(fails=fails)
    recorder = Recorder(
        place.gateway,
        Records(_nothing, _nothing),
        seals=seals,
        tell_of_mailers=heard.tell,
        presence_interval=0.05,
    )
    recorder.start()
    try:
        yield heard
    finally:
        await recorder.close()


@asynccontextmanager
async def at_work(announcer: Announcer) -> AsyncIterator[None]:
    """A mailer for as long as the block lasts."""
    task = asyncio.create_task(announcer.announce_for_ever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        announcer._thread.shutdown()
        announcer._disconnect()


async def soon(look: Callable[[], bool]) -> None:
    """Wait until something is true; it must become so."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def test_a_gateway_hears_of_a_mailer(place: Place, announcer: Announcer) -> None:
    """Again and again, as the same, and what its slots do."""
    async with listening(place) as heard, at_work(announcer):
        await soon(lambda: len(heard.told) > 1)
    first, second = heard.told[:2]

    assert first.mailer_id == second.mailer_id
    assert (SlotUse(queue="mailer.bulk", busy=1, slots=100),) == first.queues
    assert first.at < second.at


async def test_what_a_ledger_missed_is_told_again(place: Place, announcer: Announcer) -> None:
    """By the next word; the recorder goes on."""
    async with listening(place, fails=1) as heard, at_work(announcer):
        await soon(lambda: bool(heard.told))

    assert 0 == heard.fails


async def test_a_forged_word_is_not_believed(tmp_path: Path) -> None:
    """Where there are keys, a mailer is whoever has one."""
    place, seals = EmbeddedPlace(tmp_path / "broker"), Seals(["a key that both services have"])
    stranger = announcing(place)
    assert stranger._publish(forged := stranger._presence.look()) is None
    async with listening(place, seals=seals) as heard, at_work(announcing(place, seals)):
        await soon(lambda: bool(heard.told))
    stranger._disconnect()

    assert forged.mailer_id not in {one.mailer_id for one in heard.told}


async def test_nothing_piles_up_where_nobody_listens(place: Place) -> None:
    """An older gateway, or none: the mailer stops to tell, and is not slower for it."""
    announcer = announcing(place)
    if place.is_amqp:  # which every mailer has declared that consumes
        with place.connect() as connection:
            Exchange(EXCHANGE, "topic", durable=True)(connection.default_channel).declare()
    for _ in range(_MOST_WAITING + 5):
        assert announcer._publish(announcer._presence.look()) is None
    depth = place.depth(RecordMailer.QUEUE)
    announcer._disconnect()

    assert depth == (0 if place.is_amqp else _MOST_WAITING)


async def test_the_last_word_says_that_it_is_the_last(place: Place, announcer: Announcer) -> None:
    """So that nobody misses a mailer that was scaled down."""
    async with listening(place) as heard, at_work(announcer):
        await soon(lambda: bool(heard.told))
        await announcer.say_goodbye()
        await soon(lambda: any(one.ends for one in heard.told))


@pytest.fixture
def rights_of_before(rabbitmq: RabbitMQ) -> Iterator[RabbitMQPlace]:
    """RabbitMQ as the set-up of an older version left it."""
    place = RabbitMQPlace(rabbitmq)
    before = ("set_topic_permissions", "--vhost", "pillarbox", "mailer", "pillarbox")
    reading = r"^(#\.)?mailer\.(transactional|bulk|webhooks)$"
    rabbitmq.ctl(*before, OLD_RIGHTS, reading)
    yield place
    rabbitmq.run_setup()


async def test_events_do_not_suffer_from_a_right_that_is_missing(rights_of_before: RabbitMQPlace) -> None:
    """The refusal costs a connection, and it is none that events take."""
    place = rights_of_before
    reporter = BrokerReporter(place.mailer)
    async with listening(place), at_work(announcing(place)):
        for attempt in range(20):
            event = RecordEvent(message_id=uuid4(), event="sent", at=AT, attempt=attempt)
            await reporter.report(event)
            await asyncio.sleep(0.01)
        first = reporter._connection
        refused = await asyncio.to_thread(
            announcing(place)._publish, RecordMailer(mailer_id=uuid4(), at=AT, started_at=AT)
        )
    reporter._thread.submit(reporter._disconnect).result()
    reporter._thread.shutdown()

    assert first is not None
    assert "AccessRefused" == type(refused).__name__


# The ledger


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's ledger, with its tables."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


def told(
    mailer_id: UUID | None = None, host: str = "one", seconds: int = 0, *, ends: bool = False
) -> RecordMailer:
    """What a mailer tells."""
    at = AT + timedelta(seconds=seconds)
    return RecordMailer(mailer_id=mailer_id or uuid4(), at=at, started_at=AT, host=host, ends=ends)


async def test_the_last_word_of_each_mailer_counts(box: Gateway) -> None:
    """In whatever order they come."""
    known, mailer_id = Mailers(box.sessions), uuid4()
    late, early = told(mailer_id, "two", 9), told(mailer_id, "two", 1)
    await known.record([late, early, told(host="one")])
    found = await known.known()

    assert ["one", "two"] == [one.told.host for one in found]
    assert late == found[1].told
    assert not found[1].is_silent


async def test_a_mailer_that_ended_is_gone_at_once(box: Gateway) -> None:
    """It has said so."""
    known, mailer_id = Mailers(box.sessions), uuid4()
    await known.record([told(mailer_id)])
    await known.record([told(mailer_id, seconds=1, ends=True)])

    assert [] == await known.known()


async def test_a_mailer_falls_silent_and_is_forgotten(box: Gateway) -> None:
    """First it is missed, then nobody speaks of it any more."""
    known, ages = Mailers(box.sessions), {"one": 40.0, "two": FORGOTTEN_SECONDS + 1}
    for host, age in ages.items():
        await known.record([one := told(host=host)])
        async with box.sessions.writing() as connection:
            older = sa.update(mailers).where(mailers.c.id == one.mailer_id)
            await connection.execute(older.values(told_at=moment_in(-age)))
    await known.record([told(host="three")])
    found = await known.known()

    assert [("one", True), ("three", False)] == [(one.told.host, one.is_silent) for one in found]
