"""Tells the gateway every few seconds that this mailer is there, on a connection of its own.

Nobody waits for it, and it must never be in the way of what is reported of messages: a user of RabbitMQ
who has not the right to the queue yet gets a connection closed, and it had better be this one.  On brokers
that bound no queue, nothing more is put where nobody takes it away.
"""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from uuid import uuid4

import structlog
from kombu import Connection, Producer

from services.mailer import frames
from services.mailer.broker import Broker
from services.mailer.presence import Presence
from shared.seals import HEADER, Seals
from shared.signatures import EXCHANGE, Signature

log = structlog.get_logger()

_ANSWER_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
_MOST_WAITING: Final = 50
_TRIES: Final = 2


class Announcer:
    """Publishes from one thread of its own."""

    def __init__(self, broker: Broker, presence: Presence, seals: Seals | None = None) -> None:
        self._broker = broker
        self._seals = seals or Seals()
        self._presence = presence
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="announcer")
        self._connection: Connection | None = None
        self._producer: Any = None

    async def announce_for_ever(self) -> None:
        """Tell it again and again; less often while the broker does not take it."""
        every = wait = self._presence.every
        was_heard = True
        while every:
            is_heard = await self._announce(self._presence.look(), complain=was_heard)
            wait = every if is_heard else min(2 * wait, _LONGEST_PAUSE_SECONDS)
            was_heard = is_heard
            # Mailers that start together do not do so at the same moment.
            await asyncio.sleep(wait * random.uniform(0.9, 1.0))  # noqa: S311 - jitter, not a secret

    async def say_goodbye(self) -> None:
        """Tell it for the last time."""
        if self._presence.every:
            await self._announce(self._presence.look(ends=True), complain=False)

    async def _announce(self, signature: Signature, *, complain: bool) -> bool:
        error = await asyncio.get_running_loop().run_in_executor(self._thread, self._publish, signature)
        if error is not None and complain:
            log.warning("mailer.unheard", error=type(error).__name__)
        return error is None

    def _publish(self, signature: Signature) -> Exception | None:
        error: Exception | None = None
        for _ in range(_TRIES):  # the connection may have ended since the last time
            try:
                self._put(signature)
            except Exception as raised:  # noqa: BLE001 - kombu raises what the driver raises
                error = raised
                self._disconnect()
            else:
                return None
        return error

    def _put(self, signature: Signature) -> None:
        if self._connection is None:
            self._connect()
        queue = signature.queue
        if not self._broker.is_amqp and self._producer.channel._size(queue) >= _MOST_WAITING:  # noqa: SLF001 - a declare would bind it too
            return
        body = frames.body(signature)
        headers = frames.headers(signature.task, str(uuid4()))
        if self._seals:
            headers[HEADER] = self._seals.seal(headers, body)
        self._producer.publish(
            body,
            exchange=EXCHANGE if self._broker.is_amqp else "",
            routing_key=queue,
            headers=headers,
            content_type=frames.CONTENT_TYPE,
            content_encoding=frames.CONTENT_ENCODING,
            delivery_mode=1,
        )

    def _connect(self) -> None:
        options = dict(self._broker.transport_options)
        if self._broker.is_amqp:
            # Or a refusal would be noticed at the next call only.
            options |= {"confirm_publish": True, "confirm_timeout": _ANSWER_SECONDS}
        connection = Connection(self._broker.url, heartbeat=0, connect_timeout=3, transport_options=options)
        self._connection = connection
        connection.connect()
        if self._broker.is_amqp:
            # py-amqp would wait for ever for a broker that is there and does not answer.
            connection.connection.sock.settimeout(_ANSWER_SECONDS)
        self._producer = Producer(connection.channel(), auto_declare=False)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.collect()
        self._connection = self._producer = None
