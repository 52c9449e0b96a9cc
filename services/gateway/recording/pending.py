"""Reports that were taken off the broker and are not recorded yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from services.gateway import failpoints
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.recording.reports import Report
from shared.signatures import RecordWebhookAttempt

log = structlog.get_logger()

_AT_ONCE: Final = 200
"""Reports in one transaction.  They take the event loop some 12 ms, in pieces; in larger pieces whoever waits
for a 202 would feel them, and in smaller ones the transactions would cost more than what is in them."""


@dataclass(frozen=True, slots=True)
class Records:
    """Where each kind of report is written; both run on the gateway's event loop.

    They raise :class:`LedgerUnavailableError` or :class:`EntryRefusedError`.
    """

    events: Callable[[Sequence[LedgerEvent]], Awaitable[None]]
    attempts: Callable[[Sequence[RecordWebhookAttempt]], Awaitable[None]]

    async def write(self, reports: Sequence[Report]) -> None:
        """Write reports of either kind; those of the first may be written, though the others are not."""
        if events := [one for one in reports if isinstance(one, LedgerEvent)]:
            await self.events(events)
        if attempts := [one for one in reports if isinstance(one, RecordWebhookAttempt)]:
            await self.attempts(attempts)


def one_by_one(messages: Sequence[Any]) -> None:
    """Acknowledge broker messages."""
    for message in messages:
        message.ack()


def all_at_once(messages: Sequence[Any]) -> None:
    """Acknowledge broker messages of RabbitMQ: the last of a channel, and with it all that came before.

    On each channel they are the oldest that are not settled, in the order in which they came.
    """
    for last in {message.channel: message for message in messages}.values():
        last.ack(multiple=True)


class Pending:
    """Kept with their broker messages, in a thread of their own."""

    def __init__(
        self,
        records: Records,
        loop: asyncio.AbstractEventLoop,
        acknowledge: Callable[[Sequence[Any]], object] = one_by_one,
    ) -> None:
        self._records = records
        self._loop = loop
        self._acknowledge = acknowledge
        self._kept: deque[tuple[Any, Sequence[Report]]] = deque()
        self._count = 0

    def __len__(self) -> int:
        """How many reports are kept."""
        return self._count

    def add(self, message: Any, reports: Sequence[Report]) -> None:
        """Keep reports, and what is to be acknowledged once they are recorded."""
        self._kept.append((message, reports))
        self._count += len(reports)

    def settle(self) -> bool:
        """Record and acknowledge what is kept; False when the ledger is away."""
        while self._kept:
            some = self._oldest()
            if failpoints.armed:
                failpoints.passed("e.before_record")
            try:
                self._wait_for([report for _, reports in some for report in reports])
            except LedgerUnavailableError:
                log.warning("ledger.unavailable", during="record")
                return False
            except EntryRefusedError:
                if not self._settle_one_by_one(len(some)):
                    return False
            else:
                if failpoints.armed:
                    failpoints.passed("e.before_ack")
                self._acknowledge([message for message, _ in some])
                for _ in some:
                    self._let_go()
        return True

    def _oldest(self) -> list[tuple[Any, Sequence[Report]]]:
        """As many messages as make a transaction, but one at least."""
        some: list[tuple[Any, Sequence[Report]]] = []
        count = 0
        for message, reports in self._kept:
            count += len(reports)
            if some and count > _AT_ONCE:
                break
            some.append((message, reports))
        return some

    def _let_go(self) -> None:
        _, reports = self._kept.popleft()
        self._count -= len(reports)

    def _settle_one_by_one(self, count: int) -> bool:
        """Record what can be recorded; a report the database refuses must not stop the others."""
        for _ in range(count):
            message, reports = self._kept[0]
            try:
                # All of them are tried.
                taken = [self._is_taken(report) for report in reports]
            except LedgerUnavailableError:
                return False
            if not all(taken):
                message.reject()  # to gateway.dead; what is recorded already does no harm there
            else:
                message.ack()
            self._let_go()
        return True

    def _is_taken(self, report: Report) -> bool:
        try:
            self._wait_for([report])
        except EntryRefusedError:
            log.error("event.refused", message_id=_named(report))  # noqa: TRY400 - it may hold addresses
            return False
        return True

    def _wait_for(self, reports: Sequence[Report]) -> None:
        asyncio.run_coroutine_threadsafe(self._records.write(reports), self._loop).result()


def _named(report: Report) -> str | None:
    named = report.message_id if isinstance(report, LedgerEvent) else report.delivery_id
    return str(named) if named else None
