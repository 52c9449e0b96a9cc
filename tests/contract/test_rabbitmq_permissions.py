"""What the users that ``deploy/rabbitmq/setup.sh`` makes can do, and what they cannot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from amqp import Message
from amqp.exceptions import AccessRefused
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    calculate_routing_key,
    declare_native_delayed_delivery_exchanges_and_queues,
)

from services.gateway.broker import broker as gateway_broker
from services.gateway.recording.recorder import ALARMS
from services.gateway.relay.rights import try_rights as gateway_rights
from services.mailer.broker import broker as mailer_broker
from services.mailer.broker_rights import BrokerAwayError
from services.mailer.broker_rights import try_rights as mailer_rights
from shared.signatures import (
    DEAD_LETTER_EXCHANGE,
    EXCHANGE,
    MAILER_QUEUES,
    PostWebhook,
    RecordEvent,
    RecordEvents,
    RecordMailer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.rabbitmq import RabbitMQ

EVENTS, BATCHES = RecordEvent.QUEUE, RecordEvents.QUEUE
WEBHOOKS = PostWebhook.QUEUE
PRESENCE = RecordMailer.QUEUE
CONSUMED = (*MAILER_QUEUES, WEBHOOKS)
QUORUM = {"x-queue-type": "quorum"}
WORK = QUORUM | {
    "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    "x-delivery-limit": 20,
}
OWNER = dict.fromkeys((EVENTS, BATCHES, PRESENCE, ALARMS, "gateway.dead"), "gateway") | dict.fromkeys(
    (*CONSUMED, "mailer.dead"), "mailer"
)
FOREIGN = [(user, queue) for queue, owner in OWNER.items() for user in ("gateway", "mailer") if user != owner]
DELAYED = calculate_routing_key(1, MAILER_QUEUES[0])


def work(name: str) -> Queue:
    """A queue that a service consumes."""
    return Queue(name, Exchange(EXCHANGE, type="topic"), routing_key=name, queue_arguments=WORK)


def dead(name: str, binding_key: str) -> Queue:
    """A queue that keeps what nobody could process."""
    exchange = Exchange(DEAD_LETTER_EXCHANGE, type="topic")
    return Queue(name, exchange, routing_key=binding_key, queue_arguments=QUORUM)


def connect(rabbitmq: RabbitMQ, user: str) -> Connection:
    """Log in, with publisher confirms, without which a refusal is noticed one call too late."""
    return Connection(rabbitmq.url(user), transport_options={"confirm_publish": True})


def attempt(rabbitmq: RabbitMQ, user: str, method: str, *arguments: Any) -> Any:
    """Call one AMQP method as a user.

    Raises:
        amqp.exceptions.AccessRefused: The user may not.
    """
    with connect(rabbitmq, user) as connection:
        return getattr(connection.default_channel, method)(*arguments)


def publish(rabbitmq: RabbitMQ, user: str, exchange: str, routing_key: str) -> None:
    """Publish one persistent message that must reach a queue, and wait for the confirm."""
    with connect(rabbitmq, user) as connection:
        message = Message("{}", delivery_mode=2)
        connection.default_channel.basic_publish_confirm(message, exchange, routing_key, mandatory=True)


def move(rabbitmq: RabbitMQ, user: str, queue: str, *, reject: bool = False) -> str:
    """Acknowledge or reject the next message of a queue, and return its routing key."""
    deadline = time.monotonic() + 5
    with connect(rabbitmq, user) as connection:
        channel = connection.default_channel
        while (message := channel.basic_get(queue)) is None:
            assert time.monotonic() < deadline, f"nothing came to {queue}"
            time.sleep(0.02)
        if reject:
            channel.basic_reject(message.delivery_tag, requeue=False)
        else:
            channel.basic_ack(message.delivery_tag)
        return str(message.delivery_info["routing_key"])


@pytest.fixture(scope="module", autouse=True)
def broker(rabbitmq: RabbitMQ) -> Iterator[RabbitMQ]:
    """The broker after both services have declared what they consume, each with its own user."""
    rabbitmq.fresh()
    with connect(rabbitmq, "gateway") as gateway:
        for queue in (
            work(EVENTS),
            work(BATCHES),
            work(PRESENCE),
            dead("gateway.dead", "gateway.#"),
            dead(ALARMS, "#.mailer.#"),
        ):
            queue(gateway.default_channel).declare()
    with connect(rabbitmq, "mailer") as mailer:
        declare_native_delayed_delivery_exchanges_and_queues(mailer, "quorum")
        # A message that was delayed keeps the delay in front of its routing key.
        for queue in (*map(work, CONSUMED), dead("mailer.dead", "#.mailer.#")):
            queue(mailer.default_channel).declare()
        for name in MAILER_QUEUES:
            bind_queue_to_native_delayed_delivery_exchange(mailer, work(name))
    yield rabbitmq
    rabbitmq.fresh()


@pytest.mark.parametrize("queue", CONSUMED)
def test_gateway_sends_to_mailer_and_sees_the_depth(broker: RabbitMQ, queue: str) -> None:
    """The gateway publishes mail and webhooks, and may ask how much waits there."""
    publish(broker, "gateway", EXCHANGE, queue)
    passively = True
    assert 1 == attempt(broker, "gateway", "queue_declare", queue, passively).message_count
    assert queue == move(broker, "mailer", queue)


@pytest.mark.parametrize("user", ["mailer", "gateway"])
@pytest.mark.parametrize("queue", [EVENTS, BATCHES])
def test_events_reach_gateway(broker: RabbitMQ, user: str, queue: str) -> None:
    """Events come from the mailer, and from the gateway itself, which receives the webhooks.

    Either looks first whether anybody reads batches.
    """
    publish(broker, user, EXCHANGE, queue)
    passively = True
    assert 1 == attempt(broker, user, "queue_declare", queue, passively).message_count
    assert queue == move(broker, "gateway", queue)


def test_a_mailer_tells_of_itself(broker: RabbitMQ) -> None:
    """On a queue that only the gateway reads; and the gateway has nothing to tell there."""
    publish(broker, "mailer", EXCHANGE, PRESENCE)

    assert PRESENCE == move(broker, "gateway", PRESENCE)
    with pytest.raises(AccessRefused):
        publish(broker, "gateway", EXCHANGE, PRESENCE)


def test_mailer_delays_a_message(broker: RabbitMQ) -> None:
    """A message with a delay of one second arrives after one second."""
    began = time.monotonic()
    publish(broker, "mailer", "celery_delayed_27", DELAYED)
    assert DELAYED == move(broker, "mailer", MAILER_QUEUES[0])
    assert 0.9 < time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("exchange", "key", "queue"),
    [
        (EXCHANGE, MAILER_QUEUES[1], MAILER_QUEUES[1]),
        ("celery_delayed_27", DELAYED, MAILER_QUEUES[0]),
        (EXCHANGE, EVENTS, EVENTS),
    ],
)
def test_rejected_message_is_kept(broker: RabbitMQ, exchange: str, key: str, queue: str) -> None:
    """A rejected message, delayed or not, lies in its owner's dead letters under its own key."""
    publish(broker, "mailer", exchange, key)
    move(broker, OWNER[queue], queue, reject=True)
    assert key == move(broker, "admin", f"{OWNER[queue]}.dead")
    # Of what the mailer rejected the gateway gets a copy, so that it can raise an alarm.
    assert queue == EVENTS or key == move(broker, "gateway", ALARMS)


@pytest.mark.parametrize(("user", "queue"), FOREIGN)
@pytest.mark.parametrize("method", ["basic_get", "basic_consume", "queue_purge", "queue_delete"])
def test_queue_of_the_other_service_is_closed(broker: RabbitMQ, user: str, queue: str, method: str) -> None:
    """Neither service reads, empties or deletes what the other one consumes."""
    with pytest.raises(AccessRefused):
        attempt(broker, user, method, queue)


@pytest.mark.parametrize("user", ["gateway", "mailer"])
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("basic_get", ("{user}.dead",)),
        ("queue_purge", ("{user}.dead",)),
        ("queue_declare", ("another",)),
        ("queue_declare", ("",)),
        ("exchange_declare", ("celery.pidbox", "fanout")),
        ("queue_bind", ("{user}.dead", EXCHANGE, "#")),
        ("queue_bind", (EVENTS, EXCHANGE, "mailer.#")),
        ("queue_bind", (PRESENCE, EXCHANGE, "mailer.#")),
        ("queue_bind", (ALARMS, EXCHANGE, "#.mailer.#")),
        ("queue_bind", (MAILER_QUEUES[0], EXCHANGE, "gateway.#")),
        ("queue_bind", (WEBHOOKS, EXCHANGE, "gateway.#")),
    ],
)
def test_no_right_too_many(broker: RabbitMQ, user: str, method: str, arguments: tuple[str, ...]) -> None:
    """Nobody reads dead letters, declares anything else, or listens in on the other's messages."""
    with pytest.raises(AccessRefused):
        attempt(broker, user, method, *(argument.format(user=user) for argument in arguments))


def test_mailer_publishes_no_webhook(broker: RabbitMQ) -> None:
    """The gateway keeps account of the attempts; what posts them is not to make any up."""
    with pytest.raises(AccessRefused):
        publish(broker, "mailer", EXCHANGE, WEBHOOKS)


def test_rejected_webhook_is_kept(broker: RabbitMQ) -> None:
    """As mail is, and the gateway gets its copy."""
    publish(broker, "gateway", EXCHANGE, WEBHOOKS)
    move(broker, "mailer", WEBHOOKS, reject=True)

    assert WEBHOOKS == move(broker, "admin", "mailer.dead")
    assert WEBHOOKS == move(broker, "gateway", ALARMS)


@pytest.mark.parametrize("user", ["gateway", "mailer"])
@pytest.mark.parametrize(
    ("exchange", "key"),
    [(EXCHANGE, "mailer.dead"), (EXCHANGE, "another"), (DEAD_LETTER_EXCHANGE, EVENTS), ("", EVENTS)],
)
def test_no_other_way_to_publish(broker: RabbitMQ, user: str, exchange: str, key: str) -> None:
    """Nobody forges dead letters, uses other keys, or goes round the exchange."""
    with pytest.raises(AccessRefused):
        publish(broker, user, exchange, key)


def test_each_services_doctor_tells_enough_rights_from_too_few(broker: RabbitMQ) -> None:
    """What it tries leaves nothing behind."""
    gateway = list(gateway_rights(gateway_broker(broker.gateway_url)))
    mailer = list(mailer_rights(mailer_broker(broker.mailer_url)))
    foreign = gateway_rights(gateway_broker(broker.mailer_url))

    assert {f"may publish to {WEBHOOKS}"} == {right.what for right in foreign if right.problem}
    assert ([], []) == ([x.what for x in gateway if x.problem], [x.what for x in mailer if x.problem])
    assert {f"may read {queue}" for queue in CONSUMED} <= {right.what for right in mailer}
    assert [0] * len(OWNER) == [broker.queue_depth(queue) for queue in OWNER]


def test_a_doctor_knows_a_wrong_password(broker: RabbitMQ) -> None:
    """And does not repeat it."""
    with pytest.raises(BrokerAwayError, match="it refuses this user and password"):
        list(mailer_rights(mailer_broker(broker.url("mailer", "wrong"))))
