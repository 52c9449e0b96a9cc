"""Events that were taken off the broker and are not recorded yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.ledger.queries import LedgerEvent

log = structlog.get_logger()

Record = Callable[[Sequence[LedgerEvent]], Awaitable[None]]


class Pending:
    """Kept with their broker messages, in a thread of their own; *record* runs on the loop."""

    def __init__(self, record: Record, loop: asyncio.AbstractEventLoop) -> None:
        self._record = record
        self._loop = loop
        self._kept: list[tuple[Any, LedgerEvent]] = []

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, message: Any, event: LedgerEvent) -> None:
        """Keep an event, and what is to be acknowledged once it is recorded."""
        self._kept.append((message, event))

    def settle(self) -> bool:
        """Record and acknowledge what is kept; False when the ledger is away."""
        try:
            self._wait_for([event for _, event in self._kept])
        except LedgerUnavailableError:
            log.warning("ledger.unavailable", during="record")
            return False
        except EntryRefusedError:
            return self._settle_one_by_one()
        for message, _ in self._kept:
            message.ack()
        self._kept.clear()
        return True

    def _settle_one_by_one(self) -> bool:
        """Record what can be recorded; an event the database refuses must not stop the others."""
        while self._kept:
            message, event = self._kept[0]
            try:
                self._wait_for([event])
                message.ack()
            except LedgerUnavailableError:
                return False
            except EntryRefusedError:
                log.error("event.refused", message_id=str(event.message_id))  # noqa: TRY400 - it may hold addresses
                message.reject()  # to gateway.dead
            self._kept.pop(0)
        return True

    def _wait_for(self, events: Sequence[LedgerEvent]) -> None:
        asyncio.run_coroutine_threadsafe(_recorded(self._record, events), self._loop).result()


async def _recorded(record: Record, events: Sequence[LedgerEvent]) -> None:
    await record(events)
