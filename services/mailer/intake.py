"""The intake: how a worker takes messages from its lanes, and when it does not.

Celery's own consumer, but for five things.  Each lane has slots of its own, so that a newsletter
never takes the place of a password reset.  A lane whose accounts are all ill is not consumed: its
messages stay in the broker.  What is no task message, or not ours, becomes a dead letter with an alarm.
No message that RabbitMQ hands out waits here for a moment that another mailer's clock told.  And what
RabbitMQ sends is read in few and large portions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from celery import bootsteps
from celery.worker.consumer import Consumer
from celery.worker.consumer.tasks import Tasks
from celery.worker.strategy import default

from services.mailer.reading import on_readable
from shared.seals import Verdict
from shared.signatures import MAILER_QUEUES, Lane, PostWebhook

log = structlog.get_logger()

_LOOK_SECONDS = 0.25
_ID_LENGTH = 36
_WRITTEN = ("application/json", "utf-8")


class LaneConsumer(Consumer):
    """What ``worker_consumer`` names; the app tells it what it cannot know: see ``Mailer``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial_prefetch_count = self.max_prefetch_count

    @property
    def max_prefetch_count(self) -> int:
        """Messages at once: on RabbitMQ for each lane, elsewhere for all of them together."""
        return int(self.app.slots if self.app.is_amqp else self.app.slots * len(MAILER_QUEUES))

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, however long that takes, and be seen to live meanwhile."""
        connect, health = conn.ensure_connection, self.app.health

        def ensure(*args: Any, callback: Callable[[], None], **options: Any) -> Any:
            def once_more() -> None:
                health.round()
                callback()

            return connect(*args, callback=once_more, **options)

        conn.ensure_connection = ensure
        health.round()
        connected = super().ensure_connected(conn)
        if self.app.is_amqp:
            connected.transport.on_readable = on_readable
        return connected

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Let only what is sealed get as far as a task, where there are keys."""
        receive: Callable[[Any], Any] = super().create_task_handler(*args, **options)
        seals = self.app.seals

        def receive_sealed(message: Any) -> Any:
            verdict = seals.judge(message.headers, message.body)
            if (message.content_type, message.content_encoding) != _WRITTEN:
                verdict = Verdict.FORGED  # whoever writes otherwise is none of ours
            if verdict is Verdict.GENUINE:
                return receive(message)
            return self._distrust(message, verdict)

        return receive_sealed if seals else receive

    def _distrust(self, message: Any, verdict: Verdict) -> None:
        """Refuse what is not sealed as it should be; nothing that it says of a message is told as true.

        What is genuine, but stale, the gateway publishes once more if it still waits for it.
        """
        told = str((message.headers or {}).get("id"))[:_ID_LENGTH]
        log.error("seal.refused", message_id=told, verdict=verdict)
        if verdict is Verdict.STALE and (message.delivery_info or {}).get("routing_key") != PostWebhook.QUEUE:
            with suppress(ValueError):
                self.app.on_stale(UUID(told))
        message.reject_log_error(logging.getLogger(__name__), self.connection_errors)

    def on_decode_error(self, message: Any, _: Exception) -> None:
        """Refuse what cannot be decoded."""
        self._refuse(message)

    def on_invalid_task(self, _body: Any, message: Any, _error: Exception) -> None:
        """Refuse what is no JSON (pickle would run code), or no Celery task message."""
        self._refuse(message)

    def on_unknown_message(self, _body: Any, message: Any) -> None:
        """Refuse what names no task."""
        self._refuse(message)

    def _refuse(self, message: Any) -> None:
        """RabbitMQ keeps it as a dead letter; the gateway hears of it where it says what message it was."""
        told = message.properties.get("correlation_id") or message.headers.get("id")
        log.error("signature.invalid", message_id=told, content_type=message.content_type)
        # A webhook's id is that of no message; the gateway misses its attempt in time.
        if (message.delivery_info or {}).get("routing_key") != PostWebhook.QUEUE:
            with suppress(TypeError, ValueError, AttributeError):
                self.app.on_unreadable(UUID(told))
        message.reject_log_error(logging.getLogger(__name__), self.connection_errors)


def strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., None]:
    """Celery's own way with a task message, but that on RabbitMQ none waits here for a moment that it names.

    The broker has kept it for as long as it had to.  The moment was told by the clock of whoever deferred it,
    and where that was ahead of ours the message would lie in our memory, unacknowledged, until then.
    """
    receive: Callable[..., None] = default(task, app, consumer, **options)
    if not app.is_amqp:
        return receive  # there nobody else makes it wait

    def receive_at_once(message: Any, *more: Any, **further: Any) -> None:
        message.headers.pop("eta", None)
        receive(message, *more, **further)

    return receive_at_once


class PausingStep(bootsteps.StartStopStep):
    """Stops to consume a lane, and begins again, as the lane's accounts fare."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._paused: set[Lane] = set()
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Begin to look, on a connection on which all lanes are consumed."""
        self._paused.clear()
        self._timer = consumer.timer.call_repeatedly(
            _LOOK_SECONDS, consumer.call_soon, (self._look, consumer)
        )

    def stop(self, _: Any) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, consumer: Any) -> None:
        consumer.app.health.round()
        if consumer.task_consumer is None:
            return
        for lane in Lane:
            paused = consumer.app.is_paused(lane)
            if paused == (lane in self._paused):
                continue
            queue = consumer.app.amqp.queues[f"mailer.{lane}"]
            if queue.name not in consumer.app.amqp.queues.consume_from:
                continue  # this mailer was told to leave the lane to others (Celery's -Q or -X)
            if paused:
                self._paused.add(lane)
                consumer.task_consumer.cancel_by_queue(queue.name)
                log.warning("lane.paused", lane=lane)
            else:
                self._paused.discard(lane)
                consumer.task_consumer.add_queue(queue)
                consumer.task_consumer.consume()
                log.warning("lane.resumed", lane=lane)
        if consumer.app.is_amqp:
            # TLS may have taken from the socket what came with an answer, and nothing tells of it any more.
            consumer.connection.transport.on_readable(consumer.connection.connection, consumer.hub)
