"""Takes what the gateway is to hear to the broker: what many attempts report at once is published in one go.

On RabbitMQ an event counts as reported when the broker has confirmed it.  A broker without the
gateway's queue has no gateway that listens; the claim keeps the truth then, and the event is let go.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import structlog
from amqp.exceptions import AccessRefused
from kombu import Connection, Producer

from services.mailer import frames
from services.mailer.batching import Batching
from services.mailer.broker import Broker
from services.mailer.delivery.ports import UnreportedError
from services.mailer.reading import take
from shared.seals import HEADER, Seals
from shared.signatures import RecordEvent, RecordEvents, Signature

log = structlog.get_logger()

_CONFIRM_SECONDS = 10.0
_TRIES = 3
_IDLE_SECONDS = 5.0
"""After so long without an event the connection is looked at before it is trusted."""
_LOOK_SECONDS = 10.0
"""How long it is believed whether batches are read."""


class BrokerReporter:
    """Publishes signatures from one thread of its own."""

    def __init__(
        self,
        broker: Broker,
        *,
        seals: Seals | None = None,
        on_reported: Callable[[Sequence[Signature]], object] = lambda _: None,
    ) -> None:
        self._broker = broker
        self._seals = seals or Seals()
        self._on_reported = on_reported
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reporter")
        self._publishing = Batching[Signature, None](self._publish)
        self._connection: Connection | None = None
        self._producer: Any = None  # for Redis and the embedded broker
        self._frames: frames.Frames | None = None  # for RabbitMQ
        self._unconfirmed: set[int] = set()
        self._published = 0
        self._blocked = False
        self._used = 0.0
        self._looked_until, self._is_read, self._is_returned = 0.0, False, False  # the queue of batches
        self._mentions: set[asyncio.Task[None]] = set()

    async def report(self, signature: Signature) -> None:
        """See :class:`~services.mailer.delivery.ports.Reporter`.

        Raises:
            UnreportedError: The broker did not take it, even on a new connection.
        """
        await self._publishing(signature)

    def mention(self, event: RecordEvent) -> None:
        """See :class:`~services.mailer.delivery.ports.Reporter`."""
        task = asyncio.get_running_loop().create_task(self._try(event))
        self._mentions.add(task)  # the loop itself keeps no reference
        task.add_done_callback(self._mentions.discard)

    async def _try(self, event: RecordEvent) -> None:
        try:
            await self._publishing(event)
        except UnreportedError:
            log.warning("event.unreported", event_name=event.event, message_id=str(event.message_id))

    async def _publish(self, signatures: Sequence[Signature]) -> list[None]:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._publish_all, signatures)
        self._on_reported(signatures)
        return [None] * len(signatures)

    def _publish_all(self, signatures: Sequence[Signature]) -> None:
        for tries in range(_TRIES):
            try:
                self._connect()
                if self._frames is not None:
                    self._publish_confirmed(self._frames, signatures)
                else:
                    self._put(signatures)
            except UnreportedError:
                raise  # the connection is kept: a new one would not be told that it is blocked
            except Exception as error:
                self._disconnect()
                if tries == _TRIES - 1:
                    raise UnreportedError from error
                if isinstance(error, AccessRefused) and self._is_read:
                    # The rights are those of an older version: batches are not this mailer's to publish.
                    self._looked_until, self._is_read = math.inf, False
                    log.warning("batches.refused")
                time.sleep(tries)  # at once the first time: the old connection may just have ended
            else:
                self._used = time.monotonic()
                return

    def _put(self, signatures: Sequence[Signature]) -> None:
        for signature in signatures:
            body, headers = frames.body(signature), frames.headers(signature.task, str(uuid4()))
            if self._seals:
                headers[HEADER] = self._seals.seal(headers, body)
            self._producer.publish(
                body,
                exchange="",
                routing_key=signature.queue,
                headers=headers,
                content_type=frames.CONTENT_TYPE,
                content_encoding=frames.CONTENT_ENCODING,
            )

    def _publish_confirmed(self, writer: frames.Frames, signatures: Sequence[Signature]) -> None:
        gathered = together(signatures) if len(signatures) > 1 and self._batches_are_read() else signatures
        self._is_returned = False
        self._write(writer, gathered)
        self._await_confirms()
        if self._is_returned:  # the queue is gone since it was looked for
            self._looked_until, self._is_read = time.monotonic() + _LOOK_SECONDS, False
            self._write(writer, signatures)
            self._await_confirms()

    def _batches_are_read(self) -> bool:
        """Whether some gateway consumes batches: one of an older version does not."""
        now = time.monotonic()
        if now > self._looked_until:
            assert self._connection is not None  # noqa: S101 - _connect() has just made it
            self._looked_until, self._is_read = now + _LOOK_SECONDS, False
            with suppress(*self._connection.channel_errors), self._connection.connection.channel() as channel:
                self._is_read = channel.queue_declare(RecordEvents.QUEUE, passive=True).consumer_count > 0
        return self._is_read

    def _write(self, writer: frames.Frames, signatures: Sequence[Signature]) -> None:
        assert self._connection is not None  # noqa: S101 - _connect() has just made it
        link = self._connection.connection
        written = b"".join([writer.publish(signature) for signature in signatures])
        self._unconfirmed = set(range(self._published + 1, self._published + len(signatures) + 1))
        self._published += len(signatures)
        link.transport.write(written)
        link.bytes_sent += len(written)

    def _await_confirms(self) -> None:
        deadline = time.monotonic() + _CONFIRM_SECONDS
        while self._unconfirmed:
            if self._blocked:
                raise UnreportedError
            assert self._connection is not None  # noqa: S101 - _connect() has just made it
            take(self._connection.connection, max(0.001, deadline - time.monotonic()))

    def _connect(self) -> None:
        if self._alive():
            if self._blocked:
                raise UnreportedError
            return
        self._disconnect()
        connection = Connection(
            self._broker.url,
            heartbeat=0,  # nobody would serve it between two events
            connect_timeout=3,
            transport_options={**self._broker.transport_options, **self._on_alarm()},
        )
        connection.connect()
        if self._broker.is_amqp:
            # py-amqp would wait for ever for a broker that is there and does not answer.
            connection.connection.sock.settimeout(_CONFIRM_SECONDS)
        channel = connection.channel()
        self._frames = None
        if self._broker.is_amqp:
            self._frames = frames.Frames(channel.channel_id, connection.connection.frame_max, self._seals)
            channel.confirm_select()
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(_on_nack)
            channel.events["basic_return"].add(self._on_return)
        self._producer = Producer(channel, auto_declare=False)
        self._unconfirmed, self._published, self._blocked = set(), 0, False
        self._connection = connection

    def _alive(self) -> bool:
        if self._connection is None:
            return False
        idle = time.monotonic() - self._used > _IDLE_SECONDS
        if not self._broker.is_amqp or not (idle or self._blocked):
            return True
        try:
            while True:
                take(self._connection.connection, 0.001)
        except TimeoutError:
            return True
        except Exception:  # noqa: BLE001 - any error here means that the link is gone
            return False

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.collect()
        self._connection = None

    def _on_alarm(self) -> dict[str, Any]:
        """How RabbitMQ's memory and disk alarms are noticed: it then reads nothing that is published."""
        if not self._broker.is_amqp:
            return {}
        return {"on_blocked": self._block, "on_unblocked": self._unblock}

    def _block(self, _reason: str) -> None:
        self._blocked = True

    def _unblock(self) -> None:
        self._blocked = False

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:  # noqa: FBT001 - AMQP's signature
        if multiple:
            self._unconfirmed = {tag for tag in self._unconfirmed if tag > delivery_tag}
        else:
            self._unconfirmed.discard(delivery_tag)

    def _on_return(self, _error: Exception, _exchange: str, routing_key: str, _message: Any) -> None:
        if routing_key == RecordEvents.QUEUE:
            self._is_returned = True
        else:
            log.warning("event.unroutable", queue=routing_key)


def _on_nack(_delivery_tag: int, _multiple: bool) -> None:  # noqa: FBT001 - AMQP's signature
    msg = "the broker refused an event"
    raise ConnectionError(msg)


def together(signatures: Sequence[Signature]) -> list[Signature]:
    """Put events into batches, at the end, and leave everything else as it is."""
    events = [one for one in signatures if isinstance(one, RecordEvent)]
    others = [one for one in signatures if not isinstance(one, RecordEvent)]
    most = RecordEvents.MOST
    starts = range(0, len(events), most)
    return [*others, *(RecordEvents(events=tuple(events[start : start + most])) for start in starts)]
