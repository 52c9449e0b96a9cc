"""What the gateway's user may do at RabbitMQ, tried out without leaving anything there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from amqp.exceptions import AccessRefused, AMQPError, NotFound
from kombu import Connection

from services.gateway.broker import Broker
from shared.signatures import EXCHANGE, MAILER_QUEUES, PostWebhook, RecordEvent, RecordEvents

_CONNECT_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 5.0


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
    """Connect, and try what the gateway does there.

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
            yield from _publishing(connection.connection)
            for queue in (*MAILER_QUEUES, PostWebhook.QUEUE):
                yield _queue(connection.connection, queue, "the mailer makes it when it starts")
            for queue in (RecordEvent.QUEUE, RecordEvents.QUEUE):
                yield _queue(connection.connection, queue, "the gateway makes it when it starts")
    except AccessRefused:
        raise BrokerAwayError("it refuses this user and password") from None
    except (OSError, *Connection(broker.url).connection_errors) as error:
        raise BrokerAwayError(type(error).__name__) from None


def _publishing(connection: Any) -> Iterator[Right]:
    for queue in (*MAILER_QUEUES, PostWebhook.QUEUE, RecordEvent.QUEUE, RecordEvents.QUEUE):

        def publish(channel: Any, key: str = queue) -> None:
            import amqp  # noqa: PLC0415 - as the publisher does, which is all that has it loaded

            # In a transaction that is rolled back: the right is looked at, and nothing is routed.
            channel.tx_select()
            channel.basic_publish(amqp.Message(b""), exchange=EXCHANGE, routing_key=key)
            channel.tx_rollback()

        yield _tried(connection, f"may publish to {queue}", publish)


def _queue(connection: Any, queue: str, maker: str) -> Right:
    def look(channel: Any) -> None:
        channel.queue_declare(queue, passive=True)

    found = _tried(connection, f"finds {queue}", look)
    if found.problem == NotFound.__name__:
        return Right(found.what, "it is not there yet", f"Nothing to do if {maker}.", is_grave=False)
    return found


def _tried(connection: Any, what: str, act: Callable[[Any], None]) -> Right:
    channel = connection.channel()
    try:
        act(channel)
    except AccessRefused:
        return Right(what, "its rights do not allow it", "Run deploy/rabbitmq/setup.sh once more.")
    except NotFound:
        if "publish" in what:
            return Right(
                what, "the exchange is not there yet", "Start the gateway, which makes it.", is_grave=False
            )
        return Right(what, NotFound.__name__)
    except AMQPError as error:
        return Right(what, type(error).__name__, "Look into the broker's log.")
    finally:
        with suppress(AMQPError, OSError):
            channel.close()
    return Right(what)
