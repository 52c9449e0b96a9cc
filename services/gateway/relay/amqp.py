"""Publishing to RabbitMQ: many messages per socket write, confirms settled in bulk.

A confirm-mode channel that times out or errs is thrown away with its connection, because a late
ack would be credited to the next message that gets the same delivery tag.
https://www.rabbitmq.com/docs/confirms
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from struct import pack
from typing import Any
from uuid import UUID

import amqp
from amqp.basic_message import Message
from kombu import Connection, Exchange

from services.gateway import failpoints
from services.gateway.broker import HEARTBEAT_SECONDS, Broker
from services.gateway.reading import take
from services.gateway.relay import wire
from services.gateway.relay.publisher import Link, Publishable, Published
from shared.seals import HEADER, PLACEHOLDER, Seals
from shared.signatures import EXCHANGE

_CONNECT_TIMEOUT = 3.0
_PLACEHOLDER = "00000000-0000-0000-0000-000000000000"
_TRACE_PLACEHOLDER = "x" * 55
"""As long as every traceparent of version 00 is."""
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, b"\xce"
_BASIC, _PUBLISH = 60, 40
_MANDATORY = 1
_PERSISTENT = 2
_FRAME_OVERHEAD = 8


class BlockedError(Exception):
    """The broker asked publishers to wait."""


class AmqpPublisher:
    """One connection, one confirm-mode channel, the mandatory flag on every message."""

    def __init__(self, broker: Broker, *, confirm_timeout: float, seals: Seals | None = None) -> None:
        self._broker = broker
        self._timeout = confirm_timeout
        self._seals = seals or Seals()
        self._properties: dict[tuple[str, bool], bytes] = {}
        self._kombu: Connection | None = None
        self._connection: Any = None
        self._channel: Any = None
        self._published = 0
        self._unconfirmed: dict[int, UUID] = {}
        self._unroutable: list[UUID] = []
        self._refused: set[UUID] = set()
        self._blocked = False

    def connect(self) -> None:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        self.close()
        self._kombu = kombu = Connection(
            self._broker.url,
            heartbeat=HEARTBEAT_SECONDS,
            connect_timeout=_CONNECT_TIMEOUT,
            transport_options={
                "on_blocked": self._on_blocked,
                "on_unblocked": self._on_unblocked,
            },
        )
        kombu.connect()
        self._connection = kombu.connection
        # From here on nothing waits longer, also where py-amqp itself would wait for ever.
        self._connection.sock.settimeout(self._timeout)
        Exchange(EXCHANGE, "topic", durable=True)(kombu.default_channel).declare()
        self._channel = self._connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)
        self._published = 0
        self._unconfirmed = {}
        self._blocked = False

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        sent = [entry.id for entry in batch]
        self._unroutable = []
        self._refused = set()
        error: Exception | None = None
        self._unconfirmed = dict(enumerate(sent, self._published + 1))
        self._published += len(sent)
        try:
            if failpoints.armed:
                failpoints.passed("r.before_publish")
            frames = b"".join([self._frames(entry) for entry in batch])
            self._connection.transport.write(frames)
            self._connection.bytes_sent += len(frames)
            self._await_confirms()
        except BlockedError as caught:
            error = caught  # the connection is kept: a new one would not be told that it is blocked
        except Exception as caught:  # noqa: BLE001 - whatever it is, this channel cannot be trusted again
            error = caught
            self.close()
        doubtful = {*self._unconfirmed.values(), *self._unroutable, *self._refused}
        self._unconfirmed = {}
        return Published([i for i in sent if i not in doubtful], self._unroutable, error)

    def keep_alive(self) -> Link:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        if self._connection is None:
            return Link.DOWN
        try:
            self._read_what_came()
            self._connection.heartbeat_tick()
        except Exception:  # noqa: BLE001 - any error here means that the link is gone
            self.close()
            return Link.DOWN
        return Link.BLOCKED if self._blocked else Link.UP

    def depth(self, queue: str) -> int | None:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        if self._connection is None:
            raise ConnectionError("not connected to the broker")
        try:
            with self._connection.channel() as channel:
                return int(channel.queue_declare(queue, passive=True).message_count)
        except amqp.exceptions.NotFound:
            return None
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        if self._connection is not None:
            self._connection.collect()  # closes the socket; a handshake could hang under an alarm
        self._connection = self._channel = None

    def _read_what_came(self) -> None:
        with suppress(TimeoutError):
            while True:
                take(self._connection, 0.001)

    def _await_confirms(self) -> None:
        deadline = time.monotonic() + self._timeout
        while self._unconfirmed:
            if self._blocked:
                raise BlockedError
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                msg = "the broker did not confirm in time"
                raise TimeoutError(msg)
            take(self._connection, remaining)

    def _frames(self, entry: Publishable) -> bytes:
        """The three kinds of frame that make one ``basic.publish`` (AMQP 0-9-1, 4.2)."""
        channel = self._channel.channel_id
        exchange, key = EXCHANGE.encode(), entry.queue.encode()
        method = pack(">HHH", _BASIC, _PUBLISH, 0) + pack(
            f">B{len(exchange)}sB{len(key)}sB", len(exchange), exchange, len(key), key, _MANDATORY
        )
        body = wire.body(entry.arguments)
        header = pack(">HHQ", _BASIC, 0, len(body)) + self._header_properties(entry, body)
        chunk = self._connection.frame_max - _FRAME_OVERHEAD
        parts = [_frame(_METHOD, channel, method), _frame(_HEADER, channel, header)]
        parts += [_frame(_BODY, channel, body[i : i + chunk]) for i in range(0, len(body), chunk)]
        return b"".join(parts)

    def _header_properties(self, entry: Publishable, body: bytes) -> bytes:
        """The serialised properties, and among them the seal, where there are keys."""
        written = self._written_properties(entry)
        if not self._seals:
            return written
        seal = self._seals.seal({"task": entry.task, "id": str(entry.id)}, body)
        return written.replace(PLACEHOLDER.encode(), seal.encode())

    def _written_properties(self, entry: Publishable) -> bytes:
        """Built once per task, since only ids and seals differ, at equal length."""
        trace = entry.trace
        if trace is not None and len(trace) != len(_TRACE_PLACEHOLDER):  # it has a state
            return self._serialized(wire.headers(entry.task, str(entry.id), trace), str(entry.id))
        kind = entry.task, trace is not None
        template = self._properties.get(kind)
        if template is None:
            headers = wire.headers(entry.task, _PLACEHOLDER, trace and _TRACE_PLACEHOLDER)
            template = self._properties[kind] = self._serialized(headers, _PLACEHOLDER)
        written = template.replace(_PLACEHOLDER.encode(), str(entry.id).encode())
        return written if trace is None else written.replace(_TRACE_PLACEHOLDER.encode(), trace.encode())

    def _serialized(self, headers: dict[str, Any], message_id: str) -> bytes:
        message = Message(
            "",
            content_type=wire.CONTENT_TYPE,
            content_encoding=wire.CONTENT_ENCODING,
            application_headers=headers | {HEADER: PLACEHOLDER} if self._seals else headers,
            delivery_mode=_PERSISTENT,
            correlation_id=message_id,
        )
        properties: bytes = message._serialize_properties()  # noqa: SLF001 - there is no other way
        return properties

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:  # noqa: FBT001 - AMQP's signature
        if not multiple:
            self._unconfirmed.pop(delivery_tag, None)
            return
        for tag in [tag for tag in self._unconfirmed if tag <= delivery_tag]:
            del self._unconfirmed[tag]

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:  # noqa: FBT001 - AMQP's signature
        """A full queue refuses its own messages; those of the other lane must not suffer for it."""
        tags = [tag for tag in self._unconfirmed if tag <= delivery_tag] if multiple else [delivery_tag]
        self._refused.update(self._unconfirmed.pop(tag) for tag in tags if tag in self._unconfirmed)

    def _on_return(self, _error: Exception, _exchange: str, _key: str, message: Any) -> None:
        self._unroutable.append(UUID(message.properties["correlation_id"]))

    def _on_blocked(self, _reason: str) -> None:
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return pack(">BHI", kind, channel, len(payload)) + payload + _END
