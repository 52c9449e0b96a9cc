"""The intake: how a worker takes messages from its lanes, and when it does not.

Celery's own consumer, but for three things.  Each lane has slots of its own, so that a newsletter
never takes the place of a password reset.  A lane whose accounts are all ill is not consumed: its
messages stay in the broker.  And what is no task message becomes a dead letter with an alarm.
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

from shared.signatures import MAILER_QUEUES, Lane, PostWebhook

log = structlog.get_logger()

_LOOK_SECONDS = 0.25


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
        return super().ensure_connected(conn)

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
