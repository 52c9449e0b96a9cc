"""Counts what happens while it happens, and writes it down every few seconds for the dashboard.

What is accepted and what is recorded is counted here by the batch; the ledger adds up what all gateways
have counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from services.gateway.latencies import UNMEASURED, bucket
from services.gateway.ledger.activity import SLOT, Count, RecentActivity
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.logs import places
from services.gateway.states import ACCEPTED
from shared.signatures import Event, Feedback

log = structlog.get_logger()

SHOWN: Final = frozenset(
    {Event.SENT, Event.FAILED, Feedback.DELIVERED, Feedback.BOUNCED, Feedback.COMPLAINED}
)
"""The events that are counted here; of the first it is counted, too, how long it took."""

_FORGET_SECONDS: Final = 300.0
_MOST: Final = 20_000
"""Counts that are kept while the ledger is away; after that the oldest are worth nothing any more."""


class Activity:
    """Runs beside the handlers; ``interval`` is how many seconds lie between two writes."""

    def __init__(self, recent: RecentActivity, *, interval: float = 2.0) -> None:
        self._recent = recent
        self._interval = interval
        self._counts: Counter[Count] = Counter()
        self._forget_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write down what is counted."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Write down the rest, if that can be done now."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            await self._write()

    def accepted(self, entries: Sequence[Entry]) -> None:
        """Count what was committed."""
        slot = _now()
        for tenant, count in Counter(entry.tenant for entry in entries).items():
            self._counts[tenant, slot, ACCEPTED, UNMEASURED] += count

    def happened(self, added: Iterable[tuple[KnownMessage, LedgerEvent]]) -> None:
        """Count events that are new, as of now: mailers' clocks differ."""
        slot = _now()
        for message, event in added:
            if event.event in SHOWN:
                self._counts[message.tenant, slot, event.event, _bucket(message, event)] += 1

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self._write()

    async def _write(self) -> None:
        counts, self._counts = self._counts, Counter()
        try:
            if counts:
                await self._recent.add(counts)
            if time.monotonic() >= self._forget_at:
                self._forget_at = time.monotonic() + _FORGET_SECONDS
                await self._recent.forget()
        except LedgerUnavailableError:
            if len(counts) < _MOST:
                self._counts += counts
        except Exception as error:  # noqa: BLE001 - a bug here must not end the counting for ever
            log.error("activity.failed", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()


def _now() -> int:
    return int(time.time() // SLOT.total_seconds())


def _bucket(message: KnownMessage, event: LedgerEvent) -> int:
    if event.event != Event.SENT:
        return UNMEASURED
    begun = max(message.accepted_at, message.scheduled_at or message.accepted_at)
    return bucket((event.at - begun).total_seconds())
