"""Webhooks are consumed on a channel of their own, beside the lanes.

So they have slots of their own, and a receiver that is slow takes none from mail.  And where this mailer
may not use the queue, because RabbitMQ still has the rights of an older version, mail is not touched by it:
a refusal ends the channel it happened on.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from kombu import Consumer
from kombu.common import ignore_errors

log = structlog.get_logger()

_LOOK_SECONDS = 60.0


class WebhookStep(bootsteps.StartStopStep):
    """Declares and consumes the queue at every connect; tries again where it may not."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._webhooks: Any = None
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Begin, on a connection on which the lanes are consumed already."""
        self._begin(consumer)
        self._timer = consumer.timer.call_repeatedly(
            _LOOK_SECONDS, consumer.call_soon, (self._begin, consumer)
        )

    def stop(self, consumer: Any) -> None:
        """Take no more of them; what was taken is finished, and acknowledged on the channel."""
        if self._timer is not None:
            self._timer.cancel()
        if self._webhooks is not None:
            ignore_errors(consumer, self._webhooks.cancel)
        self._webhooks = None

    def _begin(self, consumer: Any) -> None:
        if self._webhooks is not None or consumer.task_consumer is None:
            return
        app = consumer.app
        try:
            channel = consumer.connection.channel()
            channel.basic_qos(0, app.webhook_slots, False)  # noqa: FBT003 - AMQP's signature
            webhooks = Consumer(
                channel,
                [app.webhook_queue],
                on_message=consumer.create_task_handler(),
                on_decode_error=consumer.on_decode_error,
                accept=app.conf.accept_content,
            )
            webhooks.consume()
        except consumer.connection.channel_errors as error:
            log.error("webhooks.unserved", queue=app.webhook_queue.name, error=type(error).__name__)  # noqa: TRY400
        else:
            self._webhooks = webhooks
