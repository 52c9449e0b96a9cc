"""Publishing to the brokers that kombu only imitates AMQP on: Redis and the embedded one.

There are no confirms and no routing: a message is put straight into its queue, and the answer to
that (Redis' reply, the file system's) is all the confirmation there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kombu import Connection, Producer

from services.gateway import embedded, failpoints
from services.gateway.broker import Broker
from services.gateway.relay import wire
from services.gateway.relay.publisher import Link, Publishable, Published
from shared.seals import HEADER, Seals


class VirtualPublisher:
    """One kombu producer on the default exchange."""

    def __init__(self, broker: Broker, seals: Seals | None = None) -> None:
        embedded.install()
        self._seals = seals or Seals()
        self._broker = broker
        self._connection: Connection | None = None
        self._producer: Any = None

    def connect(self) -> None:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        self.close()
        connection = Connection(self._broker.url, transport_options=self._broker.transport_options)
        connection.connect()
        self._producer = Producer(connection.channel(), auto_declare=False)
        self._connection = connection

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        published = Published()
        try:
            if failpoints.armed:
                failpoints.passed("r.before_publish")
            for entry in batch:
                message_id, body = str(entry.id), wire.body(entry.arguments)
                headers = wire.headers(entry.task, message_id, entry.trace)
                if self._seals:
                    headers[HEADER] = self._seals.seal(headers, body)
                self._producer.publish(
                    body,
                    exchange="",
                    routing_key=entry.queue,
                    content_type=wire.CONTENT_TYPE,
                    content_encoding=wire.CONTENT_ENCODING,
                    headers=headers,
                    correlation_id=message_id,
                    reply_to="",
                )
                published.confirmed.append(entry.id)
        except Exception as error:  # noqa: BLE001 - the rest of the batch is published again later
            published.error = error
            self.close()
        return published

    def keep_alive(self) -> Link:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        if self._connection is None:
            return Link.DOWN
        try:
            self.depth("gateway.events")
        except Exception:  # noqa: BLE001 - any error here means that the broker is gone
            self.close()
            return Link.DOWN
        return Link.UP

    def depth(self, queue: str) -> int | None:
        """See :class:`~services.gateway.relay.publisher.Publisher`; a queue exists as soon as it is used."""
        if self._producer is None:
            raise ConnectionError("not connected to the broker")
        return int(self._producer.channel._size(queue))  # noqa: SLF001 - a declare would bind it too

    def close(self) -> None:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        if self._connection is not None:
            self._connection.collect()
        self._connection = self._producer = None
