"""The dispatcher: one signature for each attempt, and none twice without need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from services.gateway.ledger.database import migrate
from services.gateway.relay.dispatch import Dispatch
from services.gateway.relay.publisher import Link, Publishable, Published
from services.gateway.webhooks.dispatcher import WebhookDispatcher
from shared.signatures import PostWebhook, RecordWebhookAttempt
from tests.contract.ledgers import gateway
from tests.contract.webhooks import URL, World, world_of


@dataclass
class Broker:
    """A broker that takes what it is given, or nothing; how much waits in it is said by the test."""

    takes: bool = True
    waiting: int | None = 0
    news: int | None = 0
    taken: list[Publishable] = field(default_factory=list)

    def connect(self) -> None:
        """Be there."""

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """Confirm all of it, or none."""
        if not self.takes:
            return Published(unroutable=[each.id for each in batch])
        self.taken += batch
        return Published(confirmed=[each.id for each in batch])

    def keep_alive(self) -> Link:
        """Be there."""
        return Link.UP

    def depth(self, queue: str) -> int | None:
        """What the test says."""
        return {PostWebhook.QUEUE: self.waiting, RecordWebhookAttempt.QUEUE: self.news}[queue]

    def close(self) -> None:
        """Go."""

    async def ask_depth(self, queue: str) -> int | None:
        """The same, from the loop."""
        return self.depth(queue)


@dataclass(frozen=True)
class Running:
    """A dispatcher whose looks are made by the test."""

    world: World
    broker: Broker
    dispatcher: WebhookDispatcher


@pytest.fixture
async def running(database_url: str) -> AsyncIterator[Running]:
    """Without a task of its own; attempts are silent at once."""
    broker = Broker()
    dispatch = Dispatch(broker)
    async with gateway(database_url) as box:
        await migrate(box.engine)
        world = world_of(box)
        dispatcher = WebhookDispatcher(
            world.events,
            dispatch,
            broker.ask_depth,
            interval=60,
            silent_after=0,
            retention_days=30,
            purge_interval=60,
        )
        dispatch.start()
        async with asyncio.timeout(10):
            while not dispatch.connected:  # noqa: ASYNC110 - the line tells nobody
                await asyncio.sleep(0.001)
        yield Running(world, broker, dispatcher)
        await dispatch.close()


def told(broker: Broker) -> list[PostWebhook]:
    """What was published."""
    assert {(PostWebhook.task, PostWebhook.QUEUE)} >= {(each.task, each.queue) for each in broker.taken}
    return [PostWebhook.parse(each.arguments) for each in broker.taken]


async def test_an_attempt_is_a_signature(running: Running) -> None:
    """With everything that the mailer needs for it; once it is published there is nothing to do."""
    await running.world.subscribe()
    await running.world.happens("delivered")
    await running.dispatcher.look()
    await running.dispatcher.look()
    (signature,) = told(running.broker)[:1]

    assert (1, URL, ("whsec_one",)) == (signature.attempt, signature.url, signature.secrets)
    assert '{"type":"email.delivered",' in signature.payload
    assert ("attempting", 1) == (await running.world.state(signature.delivery_id))[:2]


async def test_nothing_is_asked_of_the_broker_while_nothing_is_due(running: Running) -> None:
    """Which is nearly always."""
    running.broker.waiting = None
    with capture_logs() as logs:
        await running.dispatcher.look()

    assert not logs


async def test_what_is_not_confirmed_is_published_again(running: Running) -> None:
    """As the same attempt."""
    await running.world.subscribe()
    await running.world.happens(count=2)
    running.broker.takes = False
    await running.dispatcher.look()
    running.broker.takes = True
    await running.dispatcher.look()

    assert [1, 1] == [signature.attempt for signature in told(running.broker)]


async def test_what_no_mailer_takes_waits_in_the_ledger(running: Running) -> None:
    """A mailer of an older version has no queue for it; the log says so, once."""
    await running.world.subscribe()
    await running.world.happens()
    running.broker.waiting = None
    with capture_logs() as logs:
        await running.dispatcher.look()
        await running.dispatcher.look()
    nothing = list(running.broker.taken)
    running.broker.waiting = 0
    await running.dispatcher.look()

    assert ["webhooks.unroutable"] == [line["event"] for line in logs]
    assert not nothing
    assert 1 == len(told(running.broker))


async def test_a_silent_attempt_is_published_again(running: Running) -> None:
    """The same one, with a word in the log: the broker has lost it."""
    await running.world.subscribe()
    await running.world.happens()
    await running.dispatcher.look()
    with capture_logs() as logs:
        await running.dispatcher.look()
    first, again = told(running.broker)

    assert first == again
    assert [("webhook.silent", "warning", 1)] == [
        (line["event"], line["log_level"], line["attempts"]) for line in logs
    ]


async def test_what_waits_for_a_mailer_is_not_published_again(running: Running) -> None:
    """While anything is in the queue, silence means that nobody works it off."""
    await running.world.subscribe()
    await running.world.happens()
    await running.dispatcher.look()
    running.broker.waiting = 1
    await running.dispatcher.look()
    await running.world.happens()
    await running.dispatcher.look()

    assert (
        2 == len({signature.delivery_id for signature in told(running.broker)}) == len(running.broker.taken)
    )


async def test_what_waits_to_be_recorded_is_not_published_again(running: Running) -> None:
    """It was posted, and its own news may be among what nobody has read yet."""
    await running.world.subscribe()
    await running.world.happens()
    await running.dispatcher.look()
    running.broker.news = 1
    await running.dispatcher.look()
    waiting = len(running.broker.taken)
    running.broker.news = None
    await running.dispatcher.look()

    assert (1, 2) == (waiting, len(running.broker.taken))


async def test_it_goes_on_at_once_while_there_is_more(running: Running) -> None:
    """A batch that is full is followed by another one."""
    await running.world.subscribe()
    await running.world.happens(count=201)

    assert await running.dispatcher.look()
    assert not await running.dispatcher.look()
    assert 201 == len({each.id for each in running.broker.taken})
