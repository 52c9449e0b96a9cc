"""The recorder: takes the mailer's events off ``gateway.events`` and writes them to the ledger.

Events are acknowledged only after the ledger committed them.  While the ledger is away they are
kept here, up to the prefetch limit, and the rest waits in the broker.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from kombu import Connection, Consumer, Exchange, Queue
from pydantic_core import from_json

from services.gateway import embedded
from services.gateway.broker import HEARTBEAT_SECONDS, Broker
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.ledger.queries import LedgerEvent
from shared.signatures import DEAD_LETTER_EXCHANGE, EXCHANGE, RecordEvent

log = structlog.get_logger()

_PREFETCH = 500
_RECONNECT_SECONDS = 1.0
_IDLE_SECONDS = 1.0
_GATHER_SECONDS = 0.005
_ANSWER_SECONDS = 10.0
_QUORUM = {"x-queue-type": "quorum"}
_QUEUE_ARGUMENTS = {
    **_QUORUM,
    "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    "x-delivery-limit": 20,
}


class Recorder:
    """A consumer in a thread of its own; ``record`` runs on the gateway's event loop."""

    def __init__(self, broker: Broker, record: Callable[[Sequence[LedgerEvent]], Awaitable[None]]) -> None:
        embedded.install()
        self._broker = broker
        self._record = record
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._pending: list[tuple[Any, LedgerEvent]] = []

    def start(self) -> None:
        """Begin to consume, from the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """Stop consuming; what is not recorded yet stays in the broker."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._consume()
            except Exception as error:  # noqa: BLE001 - kombu raises what the driver raises; reconnect
                log.warning("recorder.disconnected", error=type(error).__name__)
                self._stopping.wait(_RECONNECT_SECONDS)

    def _consume(self) -> None:
        self._pending = []
        with Connection(
            self._broker.url,
            heartbeat=HEARTBEAT_SECONDS,
            connect_timeout=3,
            transport_options=self._broker.transport_options,
        ) as connection:
            connection.connect()
            if self._broker.is_amqp:
                # py-amqp would wait for ever for a broker that is there and does not answer.
                connection.connection.sock.settimeout(_ANSWER_SECONDS)
            channel = connection.channel()
            queue = self._declare(channel)
            consumer = Consumer(channel, [queue], on_message=self._receive, auto_declare=False)
            consumer.qos(prefetch_count=_PREFETCH)
            consumer.consume()
            log.info("recorder.consuming")
            while not self._stopping.is_set():
                self._gather(connection)
                if self._pending and not self._settle():
                    self._stopping.wait(_RECONNECT_SECONDS)

    def _declare(self, channel: Any) -> Queue:
        name = RecordEvent.QUEUE
        if not self._broker.is_amqp:
            queue = Queue(name)(channel)
            queue.queue_declare()
            return queue
        dead = Exchange(DEAD_LETTER_EXCHANGE, "topic", durable=True)
        dead_letters = Queue("gateway.dead", dead, routing_key="gateway.#", queue_arguments=_QUORUM)
        dead_letters(channel).declare()
        exchange = Exchange(EXCHANGE, "topic", durable=True)
        queue = Queue(name, exchange, routing_key=name, queue_arguments=_QUEUE_ARGUMENTS)(channel)
        queue.declare()
        return queue

    def _gather(self, connection: Connection) -> None:
        """Wait for a first event, then take what else is there already."""
        try:
            connection.drain_events(timeout=_GATHER_SECONDS if self._pending else _IDLE_SECONDS)
            while len(self._pending) < _PREFETCH:
                connection.drain_events(timeout=_GATHER_SECONDS)
        except TimeoutError:
            connection.heartbeat_check()

    def _receive(self, message: Any) -> None:
        try:
            self._pending.append((message, ledger_event(message.body)))
        except ValueError as error:
            log.error("signature.invalid", error=type(error).__name__)  # noqa: TRY400 - the body may hold addresses
            message.reject()  # to gateway.dead

    def _settle(self) -> bool:
        """Record and acknowledge what was gathered; False when the ledger is away."""
        try:
            self._wait_for(self._record([event for _, event in self._pending]))
        except LedgerUnavailableError:
            log.warning("ledger.unavailable", during="record")
            return False
        except EntryRefusedError:
            return self._settle_one_by_one()
        for message, _ in self._pending:
            message.ack()
        self._pending.clear()
        return True

    def _settle_one_by_one(self) -> bool:
        """Record what can be recorded; an event the database refuses must not stop the others."""
        while self._pending:
            message, event = self._pending[0]
            try:
                self._wait_for(self._record([event]))
                message.ack()
            except LedgerUnavailableError:
                return False
            except EntryRefusedError:
                log.error("event.refused", message_id=str(event.message_id))  # noqa: TRY400 - it may hold addresses
                message.reject()  # to gateway.dead
            self._pending.pop(0)
        return True

    def _wait_for(self, awaitable: Awaitable[None]) -> None:
        assert self._loop is not None  # noqa: S101 - start() sets it before this thread runs
        asyncio.run_coroutine_threadsafe(_as_coroutine(awaitable), self._loop).result()


def ledger_event(body: bytes | str) -> LedgerEvent:
    """Read a ``gateway.record_event`` task message (Celery protocol 2).

    Raises:
        ValueError: It is no such thing (pydantic's ValidationError is one too).
    """
    try:
        _, arguments, _ = from_json(body)  # unlike the standard library's it bounds the nesting
        event = RecordEvent.model_validate(arguments)
    except (TypeError, KeyError) as error:
        raise ValueError from error
    return LedgerEvent(
        message_id=event.message_id,
        key=f"{event.attempt}:{event.event}",
        event=event.event,
        actor="mailer",
        at=event.at,
        attempt=event.attempt,
        provider=event.provider,
        provider_message_id=event.provider_message_id,
        reason=event.reason and event.reason.replace("\0", ""),  # PostgreSQL keeps no NUL in a text
        retry_at=event.retry_at,
    )


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable
