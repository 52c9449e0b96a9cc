"""What becomes of a message that no mailer can process: an alarm, and the truth in the ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kombu import Exchange, Queue
from structlog.testing import capture_logs

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.metrics import Metrics
from services.gateway.recording.pending import Records
from services.gateway.recording.recorder import ALARMS, Recorder
from services.gateway.relay import wire
from shared.signatures import DEAD_LETTER_EXCHANGE, EXCHANGE, MAILER_QUEUES, RecordEvent
from tests.contract.brokers import RabbitMQPlace, until
from tests.contract.ledgers import BEGINNING, Gateway, event, gateway
from tests.servers.rabbitmq import VHOST, RabbitMQ

LIMIT = 2
PATIENCE_SECONDS = 20
CANARY = "canary@example.org"
BULK = MAILER_QUEUES[1]
QUORUM = {"x-queue-type": "quorum"}
OLD_RIGHTS = [r"^(pillarbox(\.dead)?|gateway\.(events|dead))$"] * 2 + [
    r"^(pillarbox(\.dead)?|gateway\.events)$"
]


@pytest.fixture
def rabbit(rabbitmq: RabbitMQ) -> RabbitMQPlace:
    """RabbitMQ after a mailer has been there, whose queue knows poison soon."""
    place = RabbitMQPlace(rabbitmq)
    arguments = QUORUM | {
        "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-delivery-limit": LIMIT,
    }
    with place.connect() as connection:
        channel = connection.default_channel
        dead = Exchange(DEAD_LETTER_EXCHANGE, "topic", durable=True)
        Queue("mailer.dead", dead, routing_key="#.mailer.#", queue_arguments=QUORUM)(channel).declare()
        # A message that was delayed keeps the delay in front of its routing key.
        lane = Queue(BULK, Exchange(EXCHANGE, "topic", durable=True), f"#.{BULK}", queue_arguments=arguments)
        lane(channel).declare()
    return place


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's migrated ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


@asynccontextmanager
async def recording(
    rabbit: RabbitMQPlace,
    record: Any,
    queue: str = ALARMS,
    seen: Callable[[str | None], object] = lambda _: None,
) -> AsyncIterator[list[Any]]:
    """A gateway's recorder at work; what is logged meanwhile."""
    recorder = Recorder(rabbit.gateway, Records(record, record), on_dead_letter=seen)
    with capture_logs() as lines:
        recorder.start()
        try:
            await soon(lambda: consumers(rabbit, queue))
            yield lines
        finally:
            await recorder.close()


def consumers(rabbit: RabbitMQPlace, queue: str) -> int:
    """How many consume a queue."""
    with rabbit.connect() as connection:
        try:
            return int(connection.default_channel.queue_declare(queue, passive=True).consumer_count)
        except connection.channel_errors:
            return 0


async def soon(look: Callable[[], object]) -> None:
    """Wait until something is true; it must become so."""
    assert await asyncio.to_thread(until, look)


async def becomes(box: Gateway, message: Entry, status: str) -> None:
    """Wait until a message has a status; it must come to that.

    What a recorder that begins has taken and said, it need not have recorded: it may be told to stop first.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await box.row(message)).status != status:  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(0.02)


async def queued(box: Gateway, **arguments: Any) -> Entry:
    """A message that waits in the broker, as the ledger believes."""
    message_id = new_message_id()
    content = json.dumps({"email": CANARY, "message_id": str(message_id), **arguments}).encode()
    entry = Entry(message_id, "default", "bulk", "mailer.send_welcome_email", content)
    await box.append(entry)
    await box.ledger.mark_queued([entry.id])
    return entry


def publish(rabbit: RabbitMQPlace, entry: Entry, key: str = BULK) -> None:
    """Publish a message as the relay does."""
    message_id = str(entry.id)
    with rabbit.connect() as connection:
        connection.Producer(auto_declare=False).publish(
            wire.body(entry.arguments),
            exchange=EXCHANGE,
            routing_key=key,
            content_type="application/json",
            content_encoding="utf-8",
            headers=wire.headers(entry.task, message_id),
            correlation_id=message_id,
        )


def take(rabbit: RabbitMQPlace, *, reject: bool = False) -> None:
    """Take the next message of the lane as a mailer that rejects it, or that dies of it."""
    with rabbit.connect() as connection:
        channel, found = connection.default_channel, []

        def look() -> bool:
            found.append(channel.basic_get(BULK))
            return found[-1] is not None

        assert until(look)
        if reject:
            channel.basic_reject(found[-1].delivery_tag, requeue=False)


def poison(rabbit: RabbitMQPlace) -> None:
    """Let mailers die of the next message until the broker gives it up."""
    for _ in range(LIMIT + 1):
        take(rabbit)


def alarms(lines: list[Any]) -> list[Any]:
    """What was said of dead letters."""
    return [line for line in lines if line["event"] == "message.dead_lettered"]


async def test_poison_ends_as_failed(rabbit: RabbitMQPlace, box: Gateway) -> None:
    """Nobody publishes it again, whoever looks for it is told why, and it is kept for a human."""
    message = await queued(box)
    async with recording(rabbit, box.ledger.record) as lines:
        await asyncio.to_thread(publish, rabbit, message)
        await asyncio.to_thread(poison, rabbit)
        await soon(lambda: alarms(lines))
        await becomes(box, message, "failed")
    row = await box.row(message)
    (told,) = alarms(lines)
    (kept,) = await asyncio.to_thread(rabbit.receive, "mailer.dead", 1)

    assert ("failed", None) == (row.status, row.due_at)
    assert row.reason.startswith("poison: ")
    assert ["failed"] == [happened.event for happened in await box.ledger.timeline(message.id)]
    assert ("error", str(message.id), message.task, BULK, "delivery_limit", 1) == tuple(
        told[name] for name in ("log_level", "message_id", "task", "queue", "reason", "count")
    )
    assert CANARY not in repr(lines)
    assert str(message.id) == kept.properties["correlation_id"]
    assert 0 == await asyncio.to_thread(rabbit.depth, ALARMS)


async def test_poison_of_a_later_series(rabbit: RabbitMQPlace, box: Gateway) -> None:
    """Its failure is that of its series, and a copy of an earlier one changes nothing any more."""
    message = await queued(box)
    await box.ledger.record([event(message.id, "failed")])
    (again,) = (await box.replays.again("default", [message.id], "replayed")).entries
    recorded: list[LedgerEvent] = []

    async def record(batch: Sequence[LedgerEvent]) -> None:
        await box.ledger.record(batch)
        recorded.extend(batch)

    async with recording(rabbit, record):
        for copy, status in ((message, "accepted"), (again, "failed")):
            await asyncio.to_thread(publish, rabbit, copy)
            await asyncio.to_thread(poison, rabbit)
            await soon(lambda copy=copy: len(recorded) == (1 if copy is message else 2))  # type: ignore[misc]

            assert status == (await box.row(message)).status


async def test_what_a_mailer_rejects_is_an_alarm_and_no_event(rabbit: RabbitMQPlace, box: Gateway) -> None:
    """The mailer has reported it, with a better reason."""
    message, metrics = await queued(box), Metrics()
    async with recording(rabbit, box.ledger.record, seen=metrics.dead_letter) as lines:
        await asyncio.to_thread(publish, rabbit, message)
        await asyncio.to_thread(lambda: take(rabbit, reject=True))
        await soon(lambda: alarms(lines))
        await soon(lambda: rabbit.depth(ALARMS) == 0)

    assert ["rejected"] == [line["reason"] for line in alarms(lines)]
    assert 1 == metrics.registry.get_sample_value("pillarbox_dead_letters_seen_total", {"reason": "rejected"})
    assert "queued" == (await box.row(message)).status
    assert not await box.ledger.timeline(message.id)


async def test_a_retried_message_is_poison_too(rabbit: RabbitMQPlace, box: Gateway) -> None:
    """Though the delay is in front of its routing key."""
    message = await queued(box)
    async with recording(rabbit, box.ledger.record) as lines:
        await asyncio.to_thread(publish, rabbit, message, f"0.0.1.{BULK}")
        await asyncio.to_thread(poison, rabbit)
        await soon(lambda: alarms(lines))
        await becomes(box, message, "failed")


async def test_poison_waits_while_the_ledger_is_away(rabbit: RabbitMQPlace, box: Gateway) -> None:
    """Like any event it is acknowledged when it is recorded."""
    message, tries = await queued(box), 0

    async def record(batch: Any) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise LedgerUnavailableError(unknown=False)
        await box.ledger.record(batch)

    async with recording(rabbit, record):
        await asyncio.to_thread(publish, rabbit, message)
        await asyncio.to_thread(poison, rabbit)
        await soon(lambda: tries == 3)
        await soon(lambda: rabbit.depth(ALARMS) == 0)

    assert "failed" == (await box.row(message)).status


async def test_a_gateway_that_was_away_hears_of_it_later(rabbit: RabbitMQPlace, box: Gateway) -> None:
    """Its queue is there once it has been there."""
    message = await queued(box)
    async with recording(rabbit, box.ledger.record):
        pass
    await asyncio.to_thread(publish, rabbit, message)
    await asyncio.to_thread(poison, rabbit)
    async with recording(rabbit, box.ledger.record) as lines:
        await soon(lambda: alarms(lines))
        await becomes(box, message, "failed")


async def test_a_dead_letter_that_is_nonsense_stops_nobody(rabbit: RabbitMQPlace, box: Gateway) -> None:
    """It is an alarm, and the events and dead letters behind it are read."""
    message = await queued(box)
    async with recording(rabbit, box.ledger.record) as lines:
        await asyncio.to_thread(rabbit.put, BULK, b"\xff{", "application/x-nonsense")
        await asyncio.to_thread(poison, rabbit)
        await asyncio.to_thread(publish, rabbit, message)
        await asyncio.to_thread(poison, rabbit)
        await soon(lambda: len(alarms(lines)) == 2)
        await becomes(box, message, "failed")

    assert [None, str(message.id)] == [line["message_id"] for line in alarms(lines)]


async def test_with_an_older_versions_rights_events_are_recorded(rabbit: RabbitMQPlace) -> None:
    """A gateway that is deployed before setup.sh was run again says so, and does its work."""
    recorded: list[Any] = []

    async def record(batch: Any) -> None:
        recorded.extend(batch)

    report = RecordEvent(message_id=new_message_id(), event="sent", at=BEGINNING).arguments()
    await asyncio.to_thread(rabbit.server.ctl, "set_permissions", "--vhost", VHOST, "gateway", *OLD_RIGHTS)
    try:
        async with recording(rabbit, record, RecordEvent.QUEUE) as lines:
            await soon(lambda: any(line["event"] == "dead_letters.unwatched" for line in lines))
            await asyncio.to_thread(rabbit.put, RecordEvent.QUEUE, wire.body(report))
            await soon(lambda: recorded)
    finally:
        await asyncio.to_thread(rabbit.server.run_setup)

    assert not [line for line in lines if line["event"] == "recorder.disconnected"]
