"""What mailers tell of themselves: fetched now and then, off a queue that may lose it.

The queue is the gateway's own, and keeps a minute of it.  It is looked at rather than consumed: on the
embedded broker each queue that is consumed has the folder listed once more for every event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from kombu import Connection, Exchange, Queue
from pydantic_core import from_json

from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.logs import places
from shared.seals import Seals, Verdict
from shared.signatures import EXCHANGE, RecordMailer

log = structlog.get_logger()

Tell = Callable[[Sequence[RecordMailer]], Awaitable[None]]
"""Where it is written, on the gateway's event loop."""

_AT_ONCE: Final = 500
_TOO_OLD: Final = timedelta(minutes=10)
_ARGUMENTS: Final = {
    "x-queue-type": "quorum",
    "x-message-ttl": 60_000,
    "x-max-length": 10_000,
    "x-overflow": "drop-head",
}


class Presence:
    """The queue, on a recorder's connection and in its thread; looked at ``every`` so many seconds."""

    def __init__(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        tell: Tell,
        *,
        seals: Seals,
        every: float,
        is_amqp: bool,
    ) -> None:
        self._seals = seals
        self._every = every
        self._loop = loop
        self._tell = tell
        self._next = 0.0
        self._channel: Any = connection.channel()
        if is_amqp:
            exchange, name = Exchange(EXCHANGE, "topic", durable=True), RecordMailer.QUEUE
            queue = Queue(name, exchange, routing_key=name, queue_arguments=_ARGUMENTS)(self._channel)
            try:
                queue.declare()
            except connection.channel_errors as error:
                # The rights are those of an older version.
                log.error("mailers.unwatched", error=type(error).__name__)  # noqa: TRY400 - the type says it
                self._channel = None

    def look(self) -> None:
        """Pass on what has come, if it is time to."""
        if self._channel is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._every
        if told := self._take():
            asyncio.run_coroutine_threadsafe(self._pass_on(told), self._loop).result()

    def _take(self) -> list[RecordMailer]:
        told = []
        since = datetime.now(UTC) - _TOO_OLD  # on Redis and on disks nothing expires
        for _ in range(_AT_ONCE):
            message = self._channel.basic_get(RecordMailer.QUEUE, no_ack=True)
            if message is None:
                break
            verdict = self._seals.judge(message.headers, message.body)
            if verdict is not Verdict.GENUINE:
                log.error("seal.refused", verdict=verdict)
            elif (one := _read(message.body)) is not None and one.at > since:
                told.append(one)
        return told

    async def _pass_on(self, told: Sequence[RecordMailer]) -> None:
        try:
            await self._tell(told)
        except LedgerUnavailableError:
            pass  # there is more where that came from
        except Exception as error:  # noqa: BLE001 - a bug here must not end the recording of events
            log.error("mailers.unrecorded", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()


def _read(body: bytes | str) -> RecordMailer | None:
    try:
        _, arguments, _ = from_json(body)
        return RecordMailer.model_validate(arguments)
    except (ValueError, TypeError):
        log.warning("signature.invalid", task=RecordMailer.task)
        return None
