"""What the services may rely on between them: RabbitMQ, Redis, or the embedded broker."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from amqp.exceptions import NotFound
from kombu import Exchange, Queue

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.recording.pending import Records
from services.gateway.recording.recorder import Recorder
from services.gateway.relay import wire
from services.gateway.relay.publisher import Link, Publisher
from services.mailer.delivery.ports import UnreportedError
from services.mailer.reporter import BrokerReporter
from shared.signatures import EXCHANGE, Address, RecordEvent, RecordEvents, RecordWebhookAttempt, SendEmail
from tests.contract.brokers import (
    CONFIRM_TIMEOUT,
    PATIENCE,
    EmbeddedPlace,
    Place,
    RabbitMQPlace,
    RedisPlace,
    until,
)
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.server import free_port

ROOT = Path(__file__).parents[2]
TRANSACTIONAL, BULK = "mailer.transactional", "mailer.bulk"
EVENTS, BATCHES, DEAD = RecordEvent.QUEUE, RecordEvents.QUEUE, "gateway.dead"
CANARY = "canary@example.org"
BROKERS = ("rabbitmq", "redis", "embedded")

# RabbitMQ's frame_max is 131072 bytes, 8 of which are the frame's own (AMQP 0-9-1, 4.2.3).
FRAME = 131_072 - 8
AROUND = len(wire.body(b""))


@pytest.fixture(autouse=True, scope="module")
def _settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The mailer's worker reads its settings when it is imported, and makes its folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PILLARBOX_BROKER_URL", f"filesystem://{tmp_path_factory.mktemp('import')}")
        yield


@pytest.fixture(params=BROKERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every broker, empty, with a mailer that has been there."""
    if request.param == "embedded":
        return EmbeddedPlace(tmp_path / "broker")
    server = request.getfixturevalue(request.param)
    place = RabbitMQPlace(server) if request.param == "rabbitmq" else RedisPlace(server)
    place.declare_mailer_queues()
    return place


@pytest.fixture
def rabbit(rabbitmq: RabbitMQ) -> RabbitMQPlace:
    """RabbitMQ for what no other broker can do; without any queue."""
    return RabbitMQPlace(rabbitmq)


@pytest.fixture
def publisher(place: Place) -> Iterator[Publisher]:
    """The gateway's connected publisher."""
    publisher = place.publisher()
    publisher.connect()
    yield publisher
    publisher.close()


def entry(arguments: dict[str, Any] | None = None, lane: str = "transactional") -> Entry:
    """A committed message, ready to be published."""
    fields = json.dumps(arguments or {"email": CANARY}).encode()
    return Entry(new_message_id(), "default", lane, "mailer.send_welcome_email", fields)


def sized(length: int) -> Entry:
    """A message whose body is so many bytes long, or as short as a body can be."""
    shortest = len(json.dumps({"email": ""}))
    return entry({"email": "x" * max(1, length - AROUND - shortest)})


def event(message_id: UUID | None = None, word: str = "sent", **fields: Any) -> RecordEvent:
    """Something that the mailer reports."""
    return RecordEvent(message_id=message_id or new_message_id(), event=word, at=datetime.now(UTC), **fields)


# The gateway publishes


def test_celery_reads_what_is_published(place: Place, publisher: Publisher) -> None:
    """The right task, the message's own id, and the arguments as they were committed."""
    published = entry({"email": "joão@example.org", "attachments": [{"content": "aGVsbG8="}]})

    confirmed = publisher.publish([published]).confirmed
    (task,) = place.tasks(TRANSACTIONAL, 1)

    assert [published.id] == confirmed
    assert (published.task, str(published.id)) == (task.name, task.id)
    assert ([], json.loads(published.arguments)) == (task.args, task.kwargs)


def test_a_published_message_is_ordinary_celery(place: Place, publisher: Publisher) -> None:
    """JSON, protocol 2, persistent, due at once, the first try, and nobody waits for a result."""
    publisher.publish([published := entry()])
    (message,) = place.receive(TRANSACTIONAL, 1)
    message_id = str(published.id)
    expected = {
        "lang": "py",
        "root_id": message_id,
        "parent_id": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "ignore_result": True,
    }

    assert expected == {name: message.headers[name] for name in expected}
    assert ("application/json", "utf-8") == (message.content_type, message.content_encoding)
    assert message_id == message.properties["correlation_id"]
    assert message.properties["delivery_mode"] == 2


@pytest.mark.parametrize("state", ["", " vendor=1,other=2"])
def test_a_trace_is_in_headers_of_its_own(place: Place, publisher: Publisher, state: str) -> None:
    """As W3C names them; who has no trace has no such header, in the same batch too."""
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    traced, bare = replace(entry(), trace=parent + state), entry()
    assert [traced.id, bare.id] == publisher.publish([traced, bare]).confirmed
    its, others = place.receive(TRANSACTIONAL, 2)

    assert (str(traced.id), parent) == (its.headers["id"], its.headers["traceparent"])
    assert (state.strip() or None) == its.headers.get("tracestate")
    assert set() == {"traceparent", "tracestate"} & {*others.headers}


def test_headers_hold_no_argument(place: Place, publisher: Publisher) -> None:
    """They end up in logs, where no address belongs."""
    publisher.publish([entry({"email": CANARY, "subject": CANARY})])
    (message,) = place.receive(TRANSACTIONAL, 1)

    assert CANARY in str(message.payload)
    assert CANARY not in repr([message.headers, message.properties, message.delivery_info])


def test_messages_of_all_sizes_arrive_whole(place: Place, publisher: Publisher) -> None:
    """From the smallest body to 300 kB, and around every frame's end, in one batch."""
    lengths = [length for frames in (1, 2) for length in range(frames * FRAME - 2, frames * FRAME + 3)]
    lengths += [300_000, *(step * step for step in range(1, 250, 5)), 300_001]
    entries = [sized(length) for length in lengths]

    published = publisher.publish(entries)
    tasks = place.tasks(TRANSACTIONAL, len(entries))

    assert [entry.id for entry in entries] == published.confirmed
    assert {str(entry.id): json.loads(entry.arguments) for entry in entries} == {
        task.id: task.kwargs for task in tasks
    }


def test_messages_arrive_in_order(place: Place, publisher: Publisher) -> None:
    """Who was accepted first is delivered first, while nothing goes wrong."""
    entries = [entry() for _ in range(100)]
    publisher.publish(entries[:60])
    publisher.publish(entries[60:])

    assert [str(entry.id) for entry in entries] == [task.id for task in place.tasks(TRANSACTIONAL, 100)]


def test_each_lane_has_a_queue(place: Place, publisher: Publisher) -> None:
    """A newsletter does not stand before a password reset."""
    urgent, newsletter = entry(), entry(lane="bulk")
    publisher.publish([newsletter, urgent])

    assert [str(urgent.id)] == [task.id for task in place.tasks(TRANSACTIONAL, 1)]
    assert [str(newsletter.id)] == [task.id for task in place.tasks(BULK, 1)]


def test_what_is_confirmed_is_in_the_queue(place: Place, publisher: Publisher) -> None:
    """Exactly that, over many batches on one connection."""
    confirmed = [
        confirmed
        for size in (1, 50, 3, 100)
        for confirmed in publisher.publish([entry() for _ in range(size)]).confirmed
    ]
    tasks = place.tasks(TRANSACTIONAL, 154)

    assert sorted(map(str, confirmed)) == sorted(task.id for task in tasks)
    assert not place.receive(TRANSACTIONAL, 1, within=0.3)


def test_the_depth_of_a_queue_is_told(publisher: Publisher) -> None:
    """The sweeper compares it with what the ledger believes."""
    before = publisher.depth(TRANSACTIONAL)
    publisher.publish([entry() for _ in range(7)])

    assert before == publisher.depth(BULK) == 0
    assert until(lambda: publisher.depth(TRANSACTIONAL) == 7)


def test_a_connected_publisher_is_up(publisher: Publisher) -> None:
    """And stays so while it has nothing to do."""
    links = {publisher.keep_alive() for _ in range(3)}
    expected = {Link.UP}

    assert expected == links


def test_an_empty_batch_is_nothing(publisher: Publisher) -> None:
    """No message, no answer, no error."""
    published = publisher.publish([])

    assert not published.confirmed + published.unroutable
    assert published.error is None


@pytest.mark.parametrize("was_connected", [False, True])
def test_without_a_connection_nothing_is_confirmed(place: Place, was_connected: bool) -> None:  # noqa: FBT001
    """Before the first connect and after a close, publishing reports an error and promises nothing."""
    publisher = place.publisher()
    if was_connected:
        publisher.connect()
        publisher.close()
    published = publisher.publish([entry(), entry()])

    assert not published.confirmed
    assert published.error is not None
    assert publisher.keep_alive() is Link.DOWN


def test_an_interruption_is_reported_and_survived(place: Place, publisher: Publisher) -> None:
    """The batch is in doubt, the link is down; after a new connect everything works again."""
    publisher.publish([first := entry()])
    place.interrupt()
    lost = publisher.publish([entry(), entry()])
    link = publisher.keep_alive()
    place.resume()
    publisher.connect()
    published = publisher.publish([last := entry()])

    assert lost.error is not None
    assert not lost.confirmed
    assert link is Link.DOWN
    assert [last.id] == published.confirmed
    assert {str(first.id), str(last.id)} == {task.id for task in place.tasks(TRANSACTIONAL, 2)}


def test_an_idle_publisher_notices_an_interruption(place: Place, publisher: Publisher) -> None:
    """Without publishing anything."""
    place.interrupt()

    assert until(lambda: publisher.keep_alive() is Link.DOWN)

    place.resume()
    publisher.connect()

    assert publisher.keep_alive() is Link.UP


# What only RabbitMQ can do


def test_a_message_without_a_queue_is_unroutable(rabbit: RabbitMQPlace) -> None:
    """The gateway may be there first; the mailer's queues are not its business."""
    publisher = rabbit.publisher()
    publisher.connect()

    published = publisher.publish([one := entry(), other := entry()])

    assert sorted([one.id, other.id]) == sorted(published.unroutable)
    assert not published.confirmed
    assert published.error is None
    assert publisher.depth(TRANSACTIONAL) is None
    assert publisher.keep_alive() is Link.UP

    publisher.close()


def test_only_what_has_a_queue_is_confirmed(rabbit: RabbitMQPlace) -> None:
    """In one batch for two lanes, only one of which anybody serves."""
    rabbit.declare_mailer_queues()
    rabbit.server.delete_queue(BULK)
    publisher = rabbit.publisher()
    publisher.connect()
    batch = [entry(lane=lane) for lane in ("bulk", "transactional") * 10]

    published = publisher.publish(batch)
    again = publisher.publish(batch[1:2])
    publisher.close()

    assert [entry.id for entry in batch if entry.lane == "transactional"] == published.confirmed
    assert {entry.id for entry in batch if entry.lane == "bulk"} == set(published.unroutable)
    assert [batch[1].id] == again.confirmed
    assert not again.unroutable


def test_a_refused_message_is_not_confirmed(rabbit: RabbitMQPlace) -> None:
    """A full queue says no (basic.nack); what it holds was confirmed, and the connection stays."""
    with rabbit.connect() as connection:
        # A classic queue, because a quorum queue counts so late that it may hold a few more.
        full = {"x-max-length": 3, "x-overflow": "reject-publish"}
        queue = Queue(TRANSACTIONAL, Exchange(EXCHANGE, "topic"), TRANSACTIONAL, queue_arguments=full)
        queue(connection.default_channel).declare()
    publisher = rabbit.publisher()
    publisher.connect()

    publishings = [publisher.publish([entry()]) for _ in range(3)]
    refused = publisher.publish([entry() for _ in range(50)])
    publisher.close()
    confirmed = [i for published in (*publishings, refused) for i in published.confirmed]
    queued = {task.id for task in rabbit.tasks(TRANSACTIONAL, rabbit.depth(TRANSACTIONAL))}

    assert refused.error is None
    assert len(confirmed) < 53
    assert queued == set(map(str, confirmed))


def test_publishing_ends_in_time_under_an_alarm(rabbit: RabbitMQPlace) -> None:
    """A broker without memory takes nothing: neither one message nor megabytes hang longer than allowed."""
    rabbit.declare_mailer_queues()
    publisher = rabbit.publisher()
    publisher.connect()
    publisher.publish([entry()])
    rabbit.server.ctl("set_vm_memory_high_watermark", "0")
    try:
        took = []
        for batch in ([entry()], [sized(300_000) for _ in range(30)]):
            began = time.monotonic()
            published = publisher.publish(batch)
            took.append(time.monotonic() - began)

            assert not published.confirmed
            assert published.error is not None

            publisher.connect()
    finally:
        rabbit.server.ctl("set_vm_memory_high_watermark", "0.4")

    publisher.connect()
    (last,) = batch = [entry()]
    confirmed = publisher.publish(batch).confirmed
    publisher.close()

    assert max(took) < CONFIRM_TIMEOUT + 1
    assert [last.id] == confirmed


def test_a_publisher_is_blocked_under_an_alarm(rabbit: RabbitMQPlace) -> None:
    """The relay then leaves everything in the ledger, until the broker takes messages again."""
    rabbit.declare_mailer_queues()
    publisher = rabbit.publisher()
    publisher.connect()
    publisher.publish([entry()])
    rabbit.server.ctl("set_vm_memory_high_watermark", "0")
    try:
        publisher.publish([entry()])
        links = []
        for _ in range(3):
            if publisher.keep_alive() is Link.DOWN:
                publisher.connect()
            links.append(publisher.keep_alive())
    finally:
        rabbit.server.ctl("set_vm_memory_high_watermark", "0.4")
    if publisher.keep_alive() is Link.DOWN:
        publisher.connect()
    recovered = until(lambda: publisher.keep_alive() is Link.UP)
    publisher.close()

    assert {Link.BLOCKED} == set(links)
    assert recovered


def test_a_late_confirm_is_not_credited_to_another_message(rabbit: RabbitMQPlace) -> None:
    """What was published under the alarm is confirmed after it, when somebody else waits for confirms."""
    rabbit.declare_mailer_queues()
    rabbit.server.delete_queue(BULK)
    publisher = rabbit.publisher()
    publisher.connect()
    publisher.publish([entry()])
    rabbit.server.ctl("set_vm_memory_high_watermark", "0")
    try:
        doubtful = publisher.publish([entry() for _ in range(3)])
    finally:
        rabbit.server.ctl("set_vm_memory_high_watermark", "0.4")
    if publisher.keep_alive() is Link.DOWN:
        publisher.connect()
    published = publisher.publish([lost := entry(lane="bulk")])
    publisher.close()

    assert not doubtful.confirmed
    assert not published.confirmed
    assert lost.id in published.unroutable or published.error is not None


# The mailer reports


async def reads_batches(place: RabbitMQPlace) -> None:
    """Wait until some gateway does; what it declares last."""

    def is_read() -> bool:
        with place.connect() as connection:
            try:
                declared = connection.default_channel.queue_declare(BATCHES, passive=True)
            except NotFound:
                return False
            return bool(declared.consumer_count)

    assert await asyncio.to_thread(until, is_read)


async def report_many(reporter: BrokerReporter, numbers: Iterable[int], word: str = "sending") -> None:
    """At the same moment, as attempts that run beside each other do."""
    await asyncio.gather(*(reporter.report(event(word=word, attempt=number)) for number in numbers))


async def test_events_travel_together_where_a_gateway_reads_batches(rabbit: RabbitMQPlace) -> None:
    """A hundred in one message; what a lone attempt reports goes by itself."""
    with _reporting(rabbit) as reporter:
        async with recording(rabbit):
            await reads_batches(rabbit)
            await report_many(reporter, range(2))  # the mailer has seen that somebody reads them
        await reporter.report(event(attempt=2))
        await report_many(reporter, range(3, 203))
        waiting = {queue: await asyncio.to_thread(rabbit.depth, queue) for queue in (EVENTS, BATCHES)}
        async with recording(rabbit) as ledger:
            await ledger.wait_for(201)

    assert {EVENTS: 1, BATCHES: 2} == waiting
    assert list(range(2, 203)) == sorted(recorded.attempt for recorded in ledger.events)
    assert [0, 0] == [await asyncio.to_thread(rabbit.depth, queue) for queue in (EVENTS, BATCHES)]


async def test_events_travel_alone_where_only_older_gateways_read(rabbit: RabbitMQPlace) -> None:
    """The queue may be there already, or be gone since it was looked for."""
    async with recording(rabbit):  # of this version, before it was taken back
        await reads_batches(rabbit)
    with _reporting(rabbit) as reporter:
        await report_many(reporter, range(2))
        alone = await asyncio.to_thread(rabbit.depth, EVENTS)
        reporter._is_read = True
        rabbit.server.delete_queue(BATCHES)
        await report_many(reporter, range(2, 5))

    assert (2, 5) == (alone, await asyncio.to_thread(rabbit.depth, EVENTS))


async def test_a_mailer_without_the_right_to_batches_reports_events_alone(rabbit: RabbitMQPlace) -> None:
    """Where the rights are those of an older version."""
    async with recording(rabbit) as ledger:
        await reads_batches(rabbit)
        rights = ("pillarbox", "^gateway[.]events$", ".*")
        rabbit.server.ctl("set_topic_permissions", "--vhost", "pillarbox", "mailer", *rights)
        with _reporting(rabbit) as reporter:
            await report_many(reporter, range(3))
            await report_many(reporter, range(3, 6))
            await ledger.wait_for(6)
    rabbit.server.run_setup()

    assert list(range(6)) == sorted(recorded.attempt for recorded in ledger.events)


async def test_what_is_refused_keeps_nothing_else_of_its_batch_from_being_recorded(
    rabbit: RabbitMQPlace,
) -> None:
    """The batch is kept for a human; recording the rest of it twice does no harm."""
    events = tuple(event(word=word, attempt=n) for n, word in enumerate(("sending", "bad", "sent")))
    async with recording(rabbit, refuses="bad") as ledger:
        await reads_batches(rabbit)
        body, task = wire.body(RecordEvents(events=events).arguments()), RecordEvents.task
        await asyncio.to_thread(lambda: rabbit.put(BATCHES, body, task=task))
        await ledger.wait_for(2)
        await soon(lambda: rabbit.depth(DEAD) == 1)

    assert ["sending", "sent"] == ledger.words


@pytest.fixture
def reporter(place: Place) -> Iterator[BrokerReporter]:
    """The mailer's way to the gateway."""
    with _reporting(place) as reporter:
        yield reporter


class _reporting:  # noqa: N801 - reads as the function that it is
    """A reporter that lets go of its connection and thread, as the end of the process does."""

    def __init__(self, place: Place) -> None:
        self.reporter = BrokerReporter(place.mailer)

    def __enter__(self) -> BrokerReporter:
        return self.reporter

    def __exit__(self, *_: object) -> None:
        self.reporter._thread.submit(self.reporter._disconnect).result()
        self.reporter._thread.shutdown()


class Recording:
    """Stands in for the ledger: keeps events, or is away for some time."""

    def __init__(self, fails: int = 0, refuses: str = "") -> None:
        self.events: list[LedgerEvent] = []
        self.attempts: list[RecordWebhookAttempt] = []
        self.batches: list[int] = []
        self.refused = 0
        self._fails = fails
        self._refuses = refuses

    async def record(self, batch: Sequence[LedgerEvent]) -> None:
        """Take events over."""
        if self.refused < self._fails:
            self.refused += 1
            raise LedgerUnavailableError(unknown=True)
        if self._refuses in {event.event for event in batch}:
            raise EntryRefusedError
        self.batches.append(len(batch))
        self.events += batch

    async def record_attempts(self, batch: Sequence[RecordWebhookAttempt]) -> None:
        """Take over what became of webhooks."""
        self.attempts += batch

    @property
    def words(self) -> list[str]:
        """What was recorded, in order."""
        return [event.event for event in self.events]

    async def wait_for(self, count: int, within: float = PATIENCE) -> None:
        """Wait until so many events have come."""
        await soon(lambda: len(self.events) >= count, within)


async def soon(look: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until something is true; it must become so."""
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def recording(place: Place, fails: int = 0, refuses: str = "") -> AsyncIterator[Recording]:
    """A gateway's recorder at work."""
    ledger = Recording(fails, refuses)
    recorder = Recorder(place.gateway, Records(ledger.record, ledger.record_attempts))
    recorder.start()
    try:
        if place.is_amqp:  # the queue is the gateway's to declare
            await asyncio.to_thread(_wait_for_consumer, place)
        yield ledger
    finally:
        await recorder.close()


def _wait_for_consumer(place: Place) -> None:
    """The queue is there before it is bound to the exchange; once it is consumed it is both."""

    def is_consumed() -> bool:
        with place.connect() as connection:
            try:
                declared = connection.default_channel.queue_declare(EVENTS, passive=True)
            except NotFound:
                return False
            return bool(declared.consumer_count)

    assert until(is_consumed)


async def test_events_are_in_the_queue_once_reported(place: Place, reporter: BrokerReporter) -> None:
    """Whatever happens to the mailer then, the gateway will hear of it."""
    async with recording(place):  # a gateway that has been there
        pass
    await asyncio.gather(*(reporter.report(event()) for _ in range(30)))
    expected = 30

    assert expected == await asyncio.to_thread(place.depth, EVENTS)


async def test_celery_reads_what_is_reported(place: Place, reporter: BrokerReporter) -> None:
    """Events are Celery task messages like all others, without arguments in their headers."""
    async with recording(place):
        pass
    reported = event(word="deferred", attempt=2, provider="sendgrid", reason=CANARY)
    await reporter.report(reported)
    (task,) = await asyncio.to_thread(place.tasks, EVENTS, 1)

    assert RecordEvent.task == task.name
    assert reported == RecordEvent.model_validate(task.kwargs)
    assert CANARY not in repr([task.message.headers, task.message.properties])


async def test_what_became_of_a_webhook_goes_its_own_way(place: Place, reporter: BrokerReporter) -> None:
    """Through the same queue; the name of its task tells it from an event."""
    attempt = RecordWebhookAttempt(
        delivery_id=new_message_id(), attempt=2, at=datetime.now(UTC), status_code=503, retry_after=7.5
    )
    async with recording(place) as ledger:
        await reporter.report(attempt)
        await reporter.report(event())
        await ledger.wait_for(1)
        await soon(lambda: ledger.attempts)

    assert ([attempt], 1) == (ledger.attempts, len(ledger.events))


async def test_reported_events_are_recorded_whole(place: Place, reporter: BrokerReporter) -> None:
    """Each field of each event reaches the ledger."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    reported = RecordEvent(
        message_id=new_message_id(),
        event="deferred",
        at=at,
        attempt=3,
        provider="sendgrid",
        provider_message_id="14c5d75ce93",
        reason="HTTP 503: später",
        retry_at=at + timedelta(minutes=5),
        series=2,
    )
    async with recording(place) as ledger:
        await reporter.report(reported)
        await ledger.wait_for(1)
    (recorded,) = ledger.events
    # What a provider told is named by the event's key.
    names = set(RecordEvent.model_fields) - {"provider_event_id"}
    fields = {name: getattr(recorded, name) for name in names}

    assert reported == RecordEvent(**fields)
    assert "mailer" in recorded.actor


async def test_an_event_has_the_same_key_each_time(place: Place, reporter: BrokerReporter) -> None:
    """Series, attempt and event make it; so the ledger can tell a repetition from news."""
    message_id = new_message_id()
    told = ((0, 1, "deferred"), (0, 1, "deferred"), (0, 2, "deferred"), (0, 2, "sent"), (1, 2, "sent"))
    async with recording(place) as ledger:
        for series, attempt, word in told:
            await reporter.report(event(message_id, word, attempt=attempt, series=series))
        await ledger.wait_for(5)
    keys = {(recorded.series, recorded.attempt, recorded.event, recorded.key) for recorded in ledger.events}

    assert len(keys) == len({key for *_, key in keys}) == 4


async def test_many_events_are_recorded_in_batches(place: Place, reporter: BrokerReporter) -> None:
    """All of them, once, and in far fewer transactions; nothing is left in the queue."""
    async with recording(place) as ledger:
        await asyncio.gather(*(reporter.report(event(attempt=number)) for number in range(200)))
        await ledger.wait_for(200)
        await asyncio.sleep(0.1)

    assert list(range(200)) == sorted(recorded.attempt for recorded in ledger.events)
    assert len(ledger.batches) < 100
    assert 0 == await asyncio.to_thread(place.depth, EVENTS)


async def test_a_mention_arrives_too(place: Place, reporter: BrokerReporter) -> None:
    """Nobody waits for it, but it is sent."""
    async with recording(place) as ledger:
        reporter.mention(event(word="sending"))
        await ledger.wait_for(1)
    expected = ["sending"]

    assert expected == ledger.words


async def test_a_reporter_connects_again_by_itself(place: Place, reporter: BrokerReporter) -> None:
    """A connection that ended between two events is replaced, and no event is lost."""
    async with recording(place) as ledger:
        await reporter.report(event(word="sending"))
        await ledger.wait_for(1)
        await asyncio.to_thread(place.interrupt)
        await asyncio.to_thread(place.resume)
        await reporter.report(event(word="sent"))
        await ledger.wait_for(2)

    assert {"sending", "sent"} == set(ledger.words)


async def test_without_a_broker_an_event_is_unreported() -> None:
    """The attempt's task is then not acknowledged; a mention is simply let go."""
    with _reporting(Place(f"amqp://a:b@127.0.0.1:{free_port()}/x")) as reporter:
        reporter.mention(event(word="sending"))
        with pytest.raises(UnreportedError):
            await reporter.report(event())


async def test_a_report_waits_for_the_brokers_word(rabbit: RabbitMQPlace) -> None:
    """An event that is only on its way counts for nothing, and a broker that takes none costs no time."""
    async with recording(rabbit):
        pass
    with _reporting(rabbit) as reporter:
        await reporter.report(event())
        await asyncio.to_thread(rabbit.server.ctl, "set_vm_memory_high_watermark", "0")
        try:
            async with asyncio.timeout(2):
                for _ in range(3):
                    with pytest.raises(UnreportedError):
                        await reporter.report(event())
        finally:
            await asyncio.to_thread(rabbit.server.ctl, "set_vm_memory_high_watermark", "0.4")
        await asyncio.sleep(1)
        await reporter.report(event())

    assert await asyncio.to_thread(rabbit.depth, EVENTS) >= 2


async def test_an_event_without_a_queue_is_let_go(rabbit: RabbitMQPlace) -> None:
    """A mailer without any gateway delivers all the same; the claim keeps the truth."""
    rabbit.declare_mailer_queues()
    with _reporting(rabbit) as reporter:
        await reporter.report(event())
        async with recording(rabbit) as ledger:
            await reporter.report(event(word="failed"))
            await ledger.wait_for(1)
    expected = ["failed"]

    assert expected == ledger.words


# The gateway records


async def test_events_wait_while_the_ledger_is_away(place: Place, reporter: BrokerReporter) -> None:
    """Nothing is acknowledged before it is recorded; then everything is recorded, once."""
    async with recording(place, fails=2) as ledger:
        for number in range(5):
            await reporter.report(event(attempt=number))
        await ledger.wait_for(5)
    expected = list(range(5))

    assert ledger.refused == 2
    assert expected == sorted(recorded.attempt for recorded in ledger.events)
    assert 0 == await asyncio.to_thread(place.depth, EVENTS)


async def test_what_is_not_recorded_stays_in_the_broker(place: Place, reporter: BrokerReporter) -> None:
    """A gateway that stops while the ledger is away leaves the events to the next one."""
    async with recording(place, fails=1_000) as away:
        for number in range(3):
            await reporter.report(event(attempt=number))
        await soon(lambda: away.refused)
    async with recording(place) as ledger:
        await ledger.wait_for(3)
    expected = [0, 1, 2]

    assert not away.events
    assert expected == sorted(recorded.attempt for recorded in ledger.events)


async def test_a_recorder_connects_again_by_itself(place: Place, reporter: BrokerReporter) -> None:
    """And goes on where it was."""
    async with recording(place) as ledger:
        await reporter.report(event(word="sending"))
        await ledger.wait_for(1)
        await asyncio.to_thread(place.interrupt)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(place.resume)
        await reporter.report(event(word="sent"))
        await ledger.wait_for(2)
    expected = {"sending", "sent"}

    assert expected == set(ledger.words)


_TAKES_AND_DIES = """
import os, sys
from kombu import Connection, Consumer, Queue
from services.gateway.broker import broker

where = broker(sys.argv[1])
with Connection(where.url, transport_options=where.transport_options) as connection:
    with Consumer(connection, [Queue(sys.argv[2])], on_message=lambda _: os._exit(9), auto_declare=False):
        connection.drain_events(timeout=10)
"""


async def test_what_a_killed_gateway_had_of_redis_is_recorded_soon(redis: Redis) -> None:
    """Redis itself hands nothing out again; who reads there looks for what was forgotten."""
    place = RedisPlace(redis)
    with _reporting(place) as reporter:
        await reporter.report(event())
    command = [sys.executable, "-c", _TAKES_AND_DIES, redis.url, EVENTS]
    died = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=False)
    waiting = await asyncio.to_thread(place.depth, EVENTS)
    async with recording(place) as ledger:
        await ledger.wait_for(1, within=40)

    assert (9, 0, 1) == (died.returncode, waiting, len(ledger.events))


UNREADABLE = {
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe\x00",
    "nothing": b"",
    "a number": b"5",
    "null": b"null",
    "no task message": b'{"message_id": "1"}',
    "a list too short": b"[[], {}]",
    "no arguments": b"[[], null, {}]",
    "no event": json.dumps([[], {"message_id": str(uuid4()), "at": "2026-01-02T03:04:05Z"}, {}]).encode(),
    "a naive moment": json.dumps(
        [[], {"message_id": str(uuid4()), "event": "sent", "at": "2026-01-02T03:04:05"}, {}]
    ).encode(),
    "a lone surrogate": b'[[], {"message_id": "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b", "event": "\\ud800",'
    b' "at": "2026-01-02T03:04:05Z"}, {}]',
    "a deep nest": b"[" * 100_000,
    "a pickle": pickle.dumps([[], {}, {}]),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
async def test_an_unreadable_event_stops_nobody(rabbit: RabbitMQPlace, body: bytes) -> None:
    """It becomes a dead letter; the events before and behind it are recorded."""
    with _reporting(rabbit) as reporter:
        async with recording(rabbit) as ledger:
            await reporter.report(event(word="sending"))
            await asyncio.to_thread(rabbit.put, EVENTS, body, task=RecordEvent.task, id=str(uuid4()))
            await reporter.report(event(word="sent"))
            await ledger.wait_for(2, within=4)
            dead = await asyncio.to_thread(until, lambda: rabbit.depth(DEAD) == 1, 3)
    expected = {"sending", "sent"}

    assert expected == set(ledger.words)
    assert dead


async def test_an_unreadable_event_is_passed_over(place: Place, reporter: BrokerReporter) -> None:
    """On brokers without dead letters too, what comes behind it is recorded."""
    async with recording(place) as ledger:
        for body in (UNREADABLE["no JSON"], UNREADABLE["a pickle"]):
            await asyncio.to_thread(place.put, EVENTS, body, task=RecordEvent.task, id=str(uuid4()))
        await reporter.report(event(word="sent"))
        await ledger.wait_for(1)
    expected = ["sent"]

    assert expected == ledger.words


async def test_an_event_that_the_ledger_refuses_stops_nobody(place: Place, reporter: BrokerReporter) -> None:
    """Those that came in the same batch are recorded, and so are those behind it."""
    async with recording(place, refuses="opened") as ledger:
        events = [event(word="opened" if number == 5 else "sent", attempt=number) for number in range(10)]
        await asyncio.gather(*map(reporter.report, events))
        await ledger.wait_for(9)
    expected = [0, 1, 2, 3, 4, 6, 7, 8, 9]

    assert expected == sorted(recorded.attempt for recorded in ledger.events)
    assert 0 == await asyncio.to_thread(place.depth, EVENTS)
    assert not place.is_amqp or 1 == await asyncio.to_thread(place.depth, DEAD)


async def test_a_dead_event_can_be_read_by_a_human(rabbit: RabbitMQPlace) -> None:
    """It keeps its body and its routing key, and says where it died."""
    body = b'[[], {"event": "from the future"}, {}]'
    async with recording(rabbit):
        await asyncio.to_thread(rabbit.put, EVENTS, body, task=RecordEvent.task, id=str(uuid4()))
        (dead,) = await asyncio.to_thread(rabbit.receive, DEAD, 1)

    assert body == bytes(dead.body.encode() if isinstance(dead.body, str) else dead.body)
    assert EVENTS == dead.delivery_info["routing_key"]
    assert EVENTS == dead.headers["x-death"][0]["queue"]


# Pickle


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self._trace),)


def plant(place: Place, trace: Path) -> None:
    """Put a task message into the mailer's queue that leaves a trace when it is unpickled."""
    headers = wire.headers("mailer.send_welcome_email", str(uuid4()))
    bomb = pickle.dumps([[], {"email": Bomb(trace)}, {}])
    place.put(TRANSACTIONAL, bomb, "application/x-python-serialize", **headers)


def test_the_bomb_works(place: Place, tmp_path: Path) -> None:
    """Otherwise the next test would say nothing."""
    plant(place, tmp_path / "trace")
    (message,) = place.receive(TRANSACTIONAL, 1, accept=["pickle"])
    message.decode()

    assert (tmp_path / "trace").exists()


def test_pickle_is_refused(place: Place, publisher: Publisher, tmp_path: Path) -> None:
    """The mailer does not even look into it, and goes on with what is behind."""
    trace = tmp_path / "trace"
    plant(place, trace)
    email = SendEmail(
        message_id=new_message_id(),
        sender=Address(email="letters@example.com"),
        to=(Address(email="ann@example.org"),),
        subject="Hi",
        text="Hello",
    )
    publisher.publish([Entry(email.message_id, "default", "transactional", email.task, email.arguments())])
    letter = tmp_path / "outbox" / f"{email.message_id}.eml"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PILLARBOX_BROKER_URL": place.mailer_url,
        "PILLARBOX_CLAIMS_URL": f"sqlite:///{tmp_path}/claims.sqlite3",
        "PILLARBOX_OUTBOX_DIRECTORY": str(letter.parent),
    }
    command = [str(Path(sys.executable).parent / "celery"), "-A", "services.mailer.worker", "worker"]
    mailer = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        delivered = until(letter.exists, within=30)
    finally:
        mailer.terminate()
        mailer.wait(30)

    assert delivered
    assert not trace.exists()
