"""What the mailer's user may do at RabbitMQ, tried out without leaving anything there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from amqp.exceptions import AccessRefused, AMQPError, NotFound
from kombu import Connection

from services.mailer.broker import Broker
from shared.signatures import EXCHANGE, MAILER_QUEUES, PostWebhook, RecordEvent, RecordEvents, RecordMailer

_CONNECT_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 5.0
_RIGHTS: Final = "Run deploy/rabbitmq/setup.sh once more."


class BrokerAwayError(Exception):
    """There is no way in; says why, without the URL."""


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that has to be possible, and whether it is."""

    what: str
    problem: str | None = None
    advice: str = ""
    is_grave: bool = True
    """Whether something does not work for it."""


def try_rights(broker: Broker) -> Iterator[Right]:
    """Connect, and try what a mailer does there.

    Raises:
        BrokerAwayError: There is no way in.
    """
    options = {**broker.transport_options}
    try:
        with Connection(
            broker.url, connect_timeout=_CONNECT_SECONDS, transport_options=options
        ) as connection:
            connection.connect()
            if not broker.is_amqp:
                connection.default_channel.queue_declare(RecordEvent.QUEUE)
                yield Right("connects")
                return
            connection.connection.sock.settimeout(_ANSWER_SECONDS)
            yield Right("connects")
            for key in (RecordEvent.QUEUE, RecordEvents.QUEUE, RecordMailer.QUEUE, *MAILER_QUEUES):
                yield _tried(connection.connection, f"may publish to {key}", _publishing(key))
            for queue in (*MAILER_QUEUES, PostWebhook.QUEUE):
                yield _tried(connection.connection, f"may read {queue}", _reading(queue))
    except AccessRefused:
        raise BrokerAwayError("it refuses this user and password") from None
    except (OSError, *Connection(broker.url).connection_errors) as error:
        raise BrokerAwayError(type(error).__name__) from None


def _publishing(key: str) -> Callable[[Any], None]:
    def act(channel: Any) -> None:
        import amqp  # noqa: PLC0415 - its message class; kombu has its own only

        # In a transaction that is rolled back: the right is looked at, and nothing is routed.
        channel.tx_select()
        channel.basic_publish(amqp.Message(b""), exchange=EXCHANGE, routing_key=key)
        channel.tx_rollback()

    return act


def _reading(queue: str) -> Callable[[Any], None]:
    def act(channel: Any) -> None:
        _, messages, _ = channel.queue_declare(queue, passive=True)
        # What is taken out of a queue counts as an attempt at it, even if it goes back.
        if not messages and (message := channel.basic_get(queue)) is not None:
            channel.basic_reject(message.delivery_tag, requeue=True)

    return act


def _tried(connection: Any, what: str, act: Callable[[Any], None]) -> Right:
    channel = connection.channel()
    try:
        act(channel)
    except AccessRefused:
        return Right(what, "its rights do not allow it", _RIGHTS)
    except NotFound:
        return Right(
            what, "that is not there yet", "Start a mailer and a gateway, which make it.", is_grave=False
        )
    except AMQPError as error:
        return Right(what, type(error).__name__, "Look into the broker's log.")
    finally:
        with suppress(AMQPError, OSError):
            channel.close()
    return Right(what)
