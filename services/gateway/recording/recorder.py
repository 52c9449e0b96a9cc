"""The recorder: takes off its queues what was reported, and writes it to the ledger.

Reports are acknowledged only after the ledger committed them.  While the ledger is away they are
kept here, up to the prefetch limit, and the rest waits in the broker.

What mailers tell of themselves comes on a queue beside that one: see ``presence``.

RabbitMQ gives it a copy of the mailer's dead letters, too.  Each is an alarm; one that the broker
gave up by itself has had no event from any mailer, and gets one here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from kombu import Connection, Consumer, Exchange, Queue

from services.gateway import embedded
from services.gateway.broker import HEARTBEAT_SECONDS, Broker
from services.gateway.reading import take
from services.gateway.recording.dead_letters import read_dead_letter
from services.gateway.recording.pending import Pending, Records, all_at_once, one_by_one
from services.gateway.recording.presence import Presence, Tell
from services.gateway.recording.reports import read_reports
from shared.seals import Seals, Verdict
from shared.signatures import DEAD_LETTER_EXCHANGE, EXCHANGE, RecordEvent, RecordEvents

log = structlog.get_logger()

ALARMS = "gateway.alarms"
"""The queue with copies of the mailer's dead letters."""

_PREFETCH = 500
_BATCHES_PREFETCH = 20
"""Each holds up to a hundred events."""
_ALARMS_PREFETCH = 4
"""They come with their bodies, attachments and all."""
_RECONNECT_SECONDS = 1.0
_IDLE_SECONDS = 1.0
_GATHER_SECONDS = 0.05
"""Nobody waits for what is recorded, and a transaction costs more than what is in it: there is no hurry."""
_LONGEST_GATHER_SECONDS = 0.5
"""Where recording takes longer, gathering does so too: a slow ledger is asked for fewer transactions, and a
broker that hands out one message at a time (Redis) has the time for more of them."""
_SILENCE_SECONDS = 0.005
_ANSWER_SECONDS = 10.0
_QUORUM = {"x-queue-type": "quorum"}
_QUEUE_ARGUMENTS = {
    **_QUORUM,
    "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    "x-delivery-limit": 20,
}
# What no gateway can take is let go: the mailer's own queue has it, too.
_ALARM_ARGUMENTS = {**_QUORUM, "x-delivery-limit": 20}


class Recorder:
    """A consumer in a thread of its own."""

    def __init__(
        self,
        broker: Broker,
        records: Records,
        *,
        seals: Seals | None = None,
        on_dead_letter: Callable[[str | None], object] = lambda _: None,
        tell_of_mailers: Tell | None = None,
        presence_interval: float = 2.0,
    ) -> None:
        embedded.install()
        self._broker = broker
        self._seals = seals or Seals()
        self._records = records
        self._on_dead_letter = on_dead_letter
        self._tell_of_mailers = tell_of_mailers
        self._presence_interval = presence_interval
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._reads_batches = False

    @property
    def reads_batches(self) -> bool:
        """Whether what is published as :class:`.RecordEvents` is read here."""
        return self._reads_batches

    def start(self) -> None:
        """Begin to consume, from the running loop."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="recorder", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Stop consuming; what is not recorded yet stays in the broker."""
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping.is_set():
            try:
                pending = Pending(self._records, loop, all_at_once if self._broker.is_amqp else one_by_one)
                self._record_what_comes(pending, loop)
            except Exception as error:  # noqa: BLE001 - kombu raises what the driver raises; reconnect
                log.warning("recorder.disconnected", error=type(error).__name__)
                self._stopping.wait(_RECONNECT_SECONDS)

    def _record_what_comes(self, pending: Pending, loop: asyncio.AbstractEventLoop) -> None:
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
                self._reads_batches = _consume_amqp(connection, pending, self._seals, self._on_dead_letter)
            else:
                channel = connection.channel()
                queue = Queue(RecordEvent.QUEUE)(channel)
                queue.queue_declare()
                _consume(channel, queue, _reports(pending, self._seals), _PREFETCH)
            drain = partial(take, connection.connection) if self._broker.is_amqp else connection.drain_events
            presence = self._presence(connection, loop)
            log.info("recorder.consuming")
            took = 0.0
            while not self._stopping.is_set():
                try:
                    _gather(drain, pending, min(max(_GATHER_SECONDS, took), _LONGEST_GATHER_SECONDS))
                except TimeoutError:
                    connection.heartbeat_check()
                begun = time.monotonic()
                if len(pending) and not pending.settle():
                    self._stopping.wait(_RECONNECT_SECONDS)
                elif presence is not None:
                    presence.look()
                took = time.monotonic() - begun

    def _presence(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> Presence | None:
        if self._tell_of_mailers is None:
            return None
        every, is_amqp = self._presence_interval, self._broker.is_amqp
        tell, seals = self._tell_of_mailers, self._seals
        return Presence(connection, loop, tell, seals=seals, every=every, is_amqp=is_amqp)


def _consume_amqp(
    connection: Connection, pending: Pending, seals: Seals, on_dead_letter: Callable[[str | None], object]
) -> bool:
    """Say whether batches are consumed, too."""
    channel = connection.channel()
    dead = Exchange(DEAD_LETTER_EXCHANGE, "topic", durable=True)
    Queue("gateway.dead", dead, routing_key="gateway.#", queue_arguments=_QUORUM)(channel).declare()
    queue = _queue(RecordEvent.QUEUE)(channel)
    queue.declare()
    _consume(channel, queue, _reports(pending, seals), _PREFETCH)
    # As the mailer binds its own: a retried message's key begins with Celery's delay bits.
    alarms = Queue(ALARMS, dead, routing_key="#.mailer.#", queue_arguments=_ALARM_ARGUMENTS)
    take = _dead_letters(pending, on_dead_letter)
    if error := _consume_if_allowed(connection, alarms, take, _ALARMS_PREFETCH):
        log.error("dead_letters.unwatched", error=error)
    batches = _queue(RecordEvents.QUEUE)
    error = _consume_if_allowed(connection, batches, _reports(pending, seals), _BATCHES_PREFETCH)
    if error:
        log.warning("batches.unread", error=error)
    return not error


def _queue(name: str) -> Queue:
    exchange = Exchange(EXCHANGE, "topic", durable=True)
    return Queue(name, exchange, routing_key=name, queue_arguments=_QUEUE_ARGUMENTS)


def _consume_if_allowed(
    connection: Connection, queue: Queue, on_message: Callable[[Any], None], prefetch: int
) -> str | None:
    """Return what is wrong if the rights are those of an older version; single events matter more."""
    channel = connection.channel()
    bound = queue(channel)
    try:
        bound.declare()
    except connection.channel_errors as error:
        return type(error).__name__
    _consume(channel, bound, on_message, prefetch)
    return None


def _consume(channel: Any, queue: Queue, on_message: Callable[[Any], None], prefetch: int) -> None:
    consumer = Consumer(channel, [queue], on_message=on_message, auto_declare=False)
    consumer.qos(prefetch_count=prefetch)
    consumer.consume()


def _gather(drain: Callable[..., object], pending: Pending, seconds: float) -> None:
    """Wait for a first event, then take for so many seconds what else comes."""
    drain(timeout=_SILENCE_SECONDS if len(pending) else _IDLE_SECONDS)
    until = time.monotonic() + seconds
    while len(pending) < _PREFETCH and (left := until - time.monotonic()) > 0:
        drain(timeout=left)


def _reports(pending: Pending, seals: Seals) -> Callable[[Any], None]:
    def receive(message: Any) -> None:
        verdict = seals.judge(message.headers, message.body)
        if verdict is not Verdict.GENUINE:
            log.error("seal.refused", verdict=verdict)
            message.reject()  # to gateway.dead
            return
        try:
            pending.add(message, read_reports(message.headers, message.body))
        except ValueError as error:
            log.error("signature.invalid", error=type(error).__name__)  # noqa: TRY400 - the body may hold addresses
            message.reject()  # to gateway.dead

    return receive


def _dead_letters(pending: Pending, on_dead_letter: Callable[[str | None], object]) -> Callable[[Any], None]:
    def receive(message: Any) -> None:
        letter = read_dead_letter(message.headers, message.properties, message.body)
        log.error("message.dead_lettered", **letter.told())
        on_dead_letter(letter.reason)
        if event := letter.event():
            pending.add(message, (event,))
        else:
            message.ack()  # whoever rejected it has reported it

    return receive
