"""How what RabbitMQ sends is read: all that has come, in one look at the socket.

py-amqp looks three times for each frame, of which a message has three, and changes the socket's timeout
twice for each.  All of these let go of the interpreter, which the event loop in the other thread takes:
in a mailer under load that was a quarter of a message's processor time.
"""

from __future__ import annotations

from contextlib import suppress
from struct import unpack_from
from typing import Any

from amqp.exceptions import RecoverableConnectionError

_PORTION_BYTES = 65_536
_HEAD_BYTES, _END_BYTES, _END = 7, 1, 0xCE


def take(link: Any, timeout: float) -> None:
    """Handle every frame that has come to *link*, a py-amqp connection; wait for some for *timeout* seconds.

    What comes while the link waits for the answer to a method of its own is handled there, by py-amqp.

    Raises:
        TimeoutError: Nothing came.
        OSError: The connection is gone.
        amqp.exceptions.AMQPError: The broker closed a channel or the connection, and says why.
    """
    transport = link.transport
    frame = _next_frame(transport)
    if frame is None:
        with transport.having_timeout(timeout):
            portion = transport._quick_recv(_PORTION_BYTES)  # noqa: SLF001 - TCP's as well as TLS's
        if not portion:
            transport.connected = False
            raise ConnectionResetError("the broker closed the connection")
        transport._read_buffer += portion  # noqa: SLF001 - where py-amqp itself looks first
        frame = _next_frame(transport)
    while frame is not None:
        link.on_inbound_frame(frame)
        frame = _next_frame(transport)


def on_readable(link: Any, _: Any) -> None:
    """Do what kombu does where its event loop says that something has come, but for all of it at once."""
    if not link.connected:
        raise RecoverableConnectionError("the socket was disconnected")
    with suppress(TimeoutError):
        take(link, 0)


def _next_frame(transport: Any) -> tuple[int, int, bytes] | None:
    """Cut the first frame off what was read, if it is whole (AMQP 0-9-1, section 4.2.3)."""
    read: bytes = transport._read_buffer  # noqa: SLF001
    if len(read) < _HEAD_BYTES:
        return None
    kind, channel, size = unpack_from(">BHI", read)
    end = _HEAD_BYTES + size
    if len(read) < end + _END_BYTES:
        return None
    if read[end] != _END:
        raise ConnectionAbortedError("the broker sent what is no frame")
    transport._read_buffer = read[end + _END_BYTES :]  # noqa: SLF001
    return kind, channel, read[_HEAD_BYTES:end]
