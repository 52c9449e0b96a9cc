"""How both services read what RabbitMQ sends them: whole, in order, and all that has come at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from amqp.basic_message import Message
from amqp.exceptions import RecoverableConnectionError
from kombu import Connection
from kombu.asynchronous import Hub

from services.gateway.reading import take as gateway_take
from services.mailer.reading import on_readable
from services.mailer.reading import take as mailer_take
from tests.contract.brokers import Reads
from tests.servers.rabbitmq import RabbitMQ


@contextmanager
def consuming(
    rabbitmq: RabbitMQ,
    count: int,
    *,
    size: int = 100,
    fails_at: int | None = None,
    asks_at: int | None = None,
) -> Iterator[tuple[Any, list[int]]]:
    """Consume *count* messages on a py-amqp connection to whose socket all have come, and none was read."""
    with Connection(rabbitmq.admin_url) as connection:
        connection.connect()
        channel, received = connection.channel(), list[int]()
        queue = channel.queue_declare(exclusive=True).queue
        for number in range(count):
            channel.basic_publish(Message(str(number).zfill(size)), routing_key=queue)

        def receive(message: Any) -> None:
            assert size == len(message.body)
            received.append(int(message.body[-4:]))
            if received[-1] == fails_at:
                raise ZeroDivisionError
            if received[-1] == asks_at:
                channel.basic_qos(0, 1, a_global=False)

        channel.basic_consume(queue, no_ack=True, callback=receive, nowait=True, consumer_tag="tests")
        link, last = connection.connection, str(count - 1).zfill(size).encode()
        while count and size < 1000 and last not in link.sock.recv(65_536, socket.MSG_PEEK):
            time.sleep(0.01)
        yield link, received


@pytest.mark.parametrize("take", [gateway_take, mailer_take])
def test_a_hundred_messages_are_taken_in_one_read(rabbitmq: RabbitMQ, take: Callable[..., None]) -> None:
    """If they have come: the heads, headers and bodies of all of them."""
    with consuming(rabbitmq, 100) as (link, received):
        reads = Reads(link.transport)

        take(link, timeout=0)

        assert (100, 1) == (len(received), reads.count)

        with pytest.raises(TimeoutError):
            take(link, timeout=0.01)


@pytest.mark.parametrize("take", [gateway_take, mailer_take])
def test_what_was_read_outlives_an_error(rabbitmq: RabbitMQ, take: Callable[..., None]) -> None:
    """Whoever fails at one message is handed the others next, although nothing more comes."""
    with consuming(rabbitmq, 3, fails_at=1) as (link, received):
        with pytest.raises(ZeroDivisionError):
            take(link, timeout=0)
        reads = Reads(link.transport)

        take(link, timeout=0)

        assert ([0, 1, 2], 0) == (received, reads.count)


@pytest.mark.parametrize("take", [gateway_take, mailer_take])
def test_an_answer_that_is_waited_for_leaves_nothing_unread(
    rabbitmq: RabbitMQ, take: Callable[..., None]
) -> None:
    """What came before the answer is handled in its turn; what is between two frames is not lost."""
    with consuming(rabbitmq, 10, asks_at=4) as (link, received):
        take(link, timeout=0)

        assert list(range(10)) == received


@pytest.mark.parametrize("take", [gateway_take, mailer_take])
def test_a_message_larger_than_a_read_comes_whole(rabbitmq: RabbitMQ, take: Callable[..., None]) -> None:
    """It has several frames, which are cut anywhere."""
    with consuming(rabbitmq, 2, size=1_000_000) as (link, received):
        while len(received) < 2:
            take(link, timeout=5)

        assert [0, 1] == received


@pytest.mark.parametrize("take", [gateway_take, mailer_take])
def test_a_broker_that_is_gone_is_an_error(rabbitmq: RabbitMQ, take: Callable[..., None]) -> None:
    """As it would be where py-amqp reads by itself."""
    with consuming(rabbitmq, 0) as (link, _):
        link.sock.shutdown(socket.SHUT_RD)

        with pytest.raises(ConnectionResetError):
            take(link, timeout=5)

        assert not link.transport.connected


@pytest.mark.parametrize("take", [gateway_take, mailer_take])
def test_a_frame_that_does_not_end_where_it_says_is_an_error(take: Callable[..., None]) -> None:
    """Whatever follows it cannot be understood any more."""
    transport = SimpleNamespace(_read_buffer=b"\x08\x00\x00\x00\x00\x00\x00\x00")

    with pytest.raises(ConnectionAbortedError):
        take(SimpleNamespace(transport=transport), timeout=0)


def test_an_event_loop_hands_over_all_that_has_come(rabbitmq: RabbitMQ) -> None:
    """In one turn, which has one look at the socket."""
    with consuming(rabbitmq, 50) as (link, received):
        hub, reads = Hub(), Reads(link.transport)
        hub.add_reader(link.sock, on_readable, link, hub)

        next(hub.create_loop())
        hub.close()

        assert (50, 1) == (len(received), reads.count)


def test_an_event_loop_may_find_nothing(rabbitmq: RabbitMQ) -> None:
    """Nor does it wait then; a connection that is known to be gone is an error, as kombu has it."""
    with consuming(rabbitmq, 0) as (link, received):
        on_readable(link, None)

        assert not received

        link.transport.connected = False
        with pytest.raises(RecoverableConnectionError):
            on_readable(link, None)
        link.transport.connected = True  # it is closed as any other
