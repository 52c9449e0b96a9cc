"""Dead letters: what nobody could process and RabbitMQ keeps in ``mailer.dead``, looked at by a human.

Nothing is taken out before it is certain to be elsewhere: a dead letter that is put back into its lane
is acknowledged only after RabbitMQ has confirmed its copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kombu import Connection, Producer

from services.mailer.broker import Broker
from shared.signatures import EXCHANGE, MAILER_QUEUES, PostWebhook

QUEUE = "mailer.dead"
_CONFIRM_SECONDS = 10
_OURS_ALONE = frozenset({"x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason",
                         "x-last-death-exchange", "x-last-death-queue", "x-last-death-reason",
                         "x-delivery-count"})  # fmt: skip
"""Headers that RabbitMQ adds, and that say nothing of a message that gets another chance."""


class DeadLettersError(Exception):
    """They cannot be reached; says why."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One of them; its body is only for those who ask."""

    message_id: str
    """Ours, which is the Celery task id too; empty if it has none."""
    task: str
    lane: str
    """The queue that it came from, and goes back to."""
    reason: str
    """RabbitMQ's word: ``rejected``, ``delivery_limit``, ``expired`` or ``maxlen``."""
    died_at: str
    body: str


class DeadLetters:
    """The queue, over a connection of its own; needs a user who may read it, which the mailer's may not."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def all(self, limit: int) -> list[DeadLetter]:
        """Look at up to ``limit`` of them; all stay where they are.

        Raises:
            DeadLettersError: They cannot be reached.
        """
        with self._channel() as channel:
            return [_letter(message) for message in _taken(channel, limit)]

    def put_back(self, wanted: str | None, limit: int) -> list[DeadLetter]:
        """Put them, or the one of that message id, back into their lanes; return which.

        Raises:
            DeadLettersError: They cannot be reached, or a copy was not confirmed.
        """
        done: list[DeadLetter] = []
        with self._channel() as channel:
            producer = Producer(channel, auto_declare=False)
            for message in _taken(channel, limit):
                letter = _letter(message)
                if wanted is not None and letter.message_id != wanted:
                    continue
                if letter.lane not in {*MAILER_QUEUES, PostWebhook.QUEUE}:
                    continue  # there is no way back to a queue that nobody knows
                producer.publish(
                    message.body,
                    exchange=EXCHANGE,
                    routing_key=letter.lane,
                    mandatory=True,
                    headers={k: v for k, v in message.headers.items() if k not in _OURS_ALONE},
                    content_type=message.content_type,
                    content_encoding=message.content_encoding,
                    correlation_id=letter.message_id,
                    timeout=_CONFIRM_SECONDS,
                )
                message.ack()
                done.append(letter)
        return done

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        if not self._broker.is_amqp:
            raise DeadLettersError("Only RabbitMQ keeps dead letters.")
        options = {**self._broker.transport_options, "confirm_publish": True}
        try:
            with Connection(self._broker.url, connect_timeout=3, transport_options=options) as connection:
                yield connection.default_channel
        except (OSError, *Connection(self._broker.url).connection_errors) as error:
            raise DeadLettersError(f"The broker cannot be reached: {type(error).__name__}.") from error
        except Connection(self._broker.url).channel_errors as error:
            raise DeadLettersError(_explained(error)) from error


def _taken(channel: Any, limit: int) -> Iterator[Any]:
    """Take messages one by one; what is not acknowledged goes back when the connection ends."""
    for _ in range(limit):
        message = channel.basic_get(QUEUE)
        if message is None:
            return
        yield channel.message_to_python(message)


def _letter(message: Any) -> DeadLetter:
    deaths = message.headers.get("x-death") or [{}]
    keys = deaths[0].get("routing-keys") or [message.delivery_info.get("routing_key", "")]
    died_at = deaths[0].get("time")
    return DeadLetter(
        message_id=str(message.properties.get("correlation_id") or message.headers.get("id") or ""),
        task=str(message.headers.get("task", "")),
        lane=".".join(
            str(keys[0]).split(".")[-2:]
        ),  # a retried message's key begins with Celery's delay bits
        reason=str(deaths[0].get("reason", "")),
        died_at=died_at.isoformat() if died_at is not None else "",
        body=bytes(message.body).decode(errors="replace")
        if isinstance(message.body, bytes | memoryview)
        else str(message.body),
    )


def _explained(error: Exception) -> str:
    code = getattr(error, "reply_code", None)
    if code == 403:
        return f"This user may not read {QUEUE}: take an administrator's, the mailer's own may not either."
    if code == 404:
        return f"There is no {QUEUE}: no mailer has ever started here."
    return f"The broker refuses: {type(error).__name__}."
