"""One broker, seen from the gateway, from the mailer, and from the tests."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from amqp.exceptions import NotFound
from celery import Celery
from celery.worker.request import Request
from kombu import Connection, Consumer, Queue

from services.gateway import broker as gateway_broker
from services.gateway.relay.amqp import AmqpPublisher
from services.gateway.relay.publisher import Publisher
from services.gateway.relay.virtual import VirtualPublisher
from services.mailer import broker as mailer_broker
from shared.signatures import DEAD_LETTER_EXCHANGE, EXCHANGE, MAILER_QUEUES, RecordEvent, RecordEvents
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

CONFIRM_TIMEOUT = 2.0
PATIENCE = 10.0
_QUEUES = (
    *MAILER_QUEUES,
    "mailer.dead",
    RecordEvent.QUEUE,
    RecordEvents.QUEUE,
    "gateway.mailers",
    "gateway.dead",
    "gateway.alarms",
)

_celery = Celery("tests", set_as_current=False)


@_celery.task(shared=False)  # not for every Celery app of this process
def _any_task(**_: Any) -> None:
    """Stand for whatever task a message is for."""


class Place:
    """A broker under test."""

    is_amqp = False

    def __init__(self, gateway_url: str, mailer_url: str | None = None) -> None:
        self.mailer_url = mailer_url or gateway_url
        self.gateway = gateway_broker.broker(gateway_url)
        self.mailer = mailer_broker.broker(self.mailer_url)

    def publisher(self) -> Publisher:
        """The gateway's publisher for this broker, not connected yet."""
        if self.is_amqp:
            return AmqpPublisher(self.gateway, confirm_timeout=CONFIRM_TIMEOUT)
        return VirtualPublisher(self.gateway)

    def connect(self) -> Connection:
        """A connection of the tests' own."""
        return Connection(self.gateway.url, transport_options=self.gateway.transport_options)

    def receive(
        self, queue: str, count: int, within: float = PATIENCE, accept: Sequence[str] = ("json",)
    ) -> list[Any]:
        """Take messages off a queue until there are so many, or so many seconds have passed."""
        received: list[Any] = []

        def take(message: Any) -> None:
            received.append(message)
            message.ack()

        deadline = time.monotonic() + within
        with (
            self.connect() as connection,
            Consumer(connection, [Queue(queue)], on_message=take, accept=list(accept), auto_declare=False),
        ):
            while len(received) < count and time.monotonic() < deadline:
                try:
                    connection.drain_events(timeout=0.2)
                except TimeoutError:
                    continue
        return received

    def tasks(self, queue: str, count: int) -> list[Any]:
        """Take so many messages off a queue, as a Celery worker reads them."""
        messages = self.receive(queue, count)
        assert len(messages) == count
        return [Request(message, app=_celery, task=_any_task) for message in messages]

    def depth(self, queue: str) -> int:
        """How many messages wait in a queue."""
        with self.connect() as connection:
            return int(connection.default_channel._size(queue))

    def put(self, queue: str, body: bytes, content_type: str = "application/json", **headers: Any) -> None:
        """Put any message into a queue, past all our code."""
        with self.connect() as connection:
            connection.Producer(auto_declare=False).publish(
                body,
                exchange=EXCHANGE if self.is_amqp else "",
                routing_key=queue,
                content_type=content_type,
                content_encoding="binary" if content_type != "application/json" else "utf-8",
                headers=headers,
            )

    def interrupt(self) -> None:
        """Break every connection."""
        raise NotImplementedError

    def resume(self) -> None:
        """Let clients connect again."""

    def declare_mailer_queues(self) -> None:
        """Make the mailer's queues as its worker does when it connects."""


class RabbitMQPlace(Place):
    """RabbitMQ, where each service has a user of its own."""

    is_amqp = True

    def __init__(self, rabbitmq: RabbitMQ) -> None:
        super().__init__(rabbitmq.gateway_url, rabbitmq.mailer_url)
        self.server = rabbitmq
        with self.connect() as connection:
            for queue in _QUEUES:
                connection.default_channel.queue_delete(queue)
            for exchange in (EXCHANGE, DEAD_LETTER_EXCHANGE):
                connection.default_channel.exchange_delete(exchange)

    def connect(self) -> Connection:
        return Connection(self.server.admin_url, transport_options={"confirm_publish": True})

    def depth(self, queue: str) -> int:
        with self.connect() as connection:
            try:
                return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
            except NotFound:
                return 0

    def interrupt(self) -> None:
        self.server.ctl("close_all_connections", "--vhost", "pillarbox", "for a test")

    def declare_mailer_queues(self) -> None:
        from services.mailer import worker  # noqa: PLC0415 - it reads the environment when it is imported

        with Connection(self.mailer_url) as connection:
            for queue in (*(worker._queue(name, self.mailer) for name in MAILER_QUEUES), worker.DEAD_LETTERS):
                queue(connection.default_channel).declare()


class RedisPlace(Place):
    """Redis."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis.url)
        self.server = redis
        redis.fresh()

    def interrupt(self) -> None:
        self.server.stop()

    def resume(self) -> None:
        self.server.start()


class EmbeddedPlace(Place):
    """The embedded broker."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"filesystem://{folder}")
        self._folder = folder

    def interrupt(self) -> None:
        self._folder.rename(self._folder.with_suffix(".away"))

    def resume(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.with_suffix(".away").rename(self._folder)


def until(look: Callable[[], object], within: float = PATIENCE) -> bool:
    """Whether something becomes true within so many seconds."""
    deadline = time.monotonic() + within
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(found)


class Reads:
    """Counts how often the broker's socket is looked at."""

    def __init__(self, transport: Any) -> None:
        self.count = 0
        self._read = transport._quick_recv
        transport._quick_recv = self

    def __call__(self, most: int) -> Any:
        """Look, and count that."""
        self.count += 1
        return self._read(most)
