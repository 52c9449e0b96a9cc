"""The sweeper: publishes again whatever the ledger knows and the broker may not.

Three kinds of message are due: those whose publish was never confirmed (a crash, an outage, a
full buffer); those whose scheduled time has come; those confirmed but silent for too long (a
purged or rebuilt broker).  What expired while it waited is ended instead.  Several gateways share
the work: rows are taken with ``SKIP LOCKED``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from services.gateway import failpoints
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.schedule import Schedule
from services.gateway.logs import places
from services.gateway.relay.relay import Relay
from shared.signatures import Lane, RecordEvent, RecordEvents

log = structlog.get_logger()

_BATCH = 500


class Sweeper:
    """Looks into the ledger every ``interval`` seconds, and at once again while there is work."""

    def __init__(
        self,
        ledger: Ledger,
        schedule: Schedule,
        relay: Relay,
        *,
        interval: float,
        lease: float,
        silent_after: float,
        on_found: Callable[[str, int], object] = lambda *_: None,
    ) -> None:
        self._ledger = ledger
        self._schedule = schedule
        self._relay = relay
        self._interval = interval
        self._lease = lease
        self._silent_after = silent_after
        self._on_found = on_found
        self._next_silence_check = 0.0
        self._missed: dict[Lane, int] = {}
        self._task: asyncio.Task[None] | None = None
        self.depths: dict[Lane, int | None] = {}
        """How many broker messages waited in each lane's queue at the last look; None without a queue."""

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop sweeping; what is due stays due."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                if expired := await self._schedule.expire(limit=_BATCH):
                    log.info("sweep.expired", messages=len(expired))
                busy = self._relay.connected and await self._sweep()
            except LedgerUnavailableError:
                log.warning("ledger.unavailable", during="sweep")
                busy = False
            except Exception as error:  # noqa: BLE001 - the broker went away meanwhile, or a bug: sweep again
                log.error("sweep.failed", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()
                busy = False
            await asyncio.sleep(0.05 if busy else self._interval)

    async def _sweep(self) -> bool:
        """Publish what is due; True when there may be more of it at once."""
        self.depths = depths = {lane: await self._relay.depth(f"mailer.{lane}") for lane in Lane}
        # Without a queue a message would only come back; it is better off in the ledger.
        lanes = [lane for lane, depth in depths.items() if depth is not None]
        found = 0
        if lanes and (room := min(self._relay.room, _BATCH)) > 0:
            entries = await self._ledger.take_unpublished(lanes, limit=room, lease=self._lease)
            found = len(entries)
            if failpoints.armed and entries:
                await failpoints.reached("s.after_take")
            if taken := self._relay.offer(entries):
                log.info("sweep.unpublished", messages=len(taken))
                self._on_found("unpublished", len(taken))
        if self._relay.settled and time.monotonic() >= self._next_silence_check:
            self._next_silence_check = time.monotonic() + self._silent_after / 10
            # News that nobody has read yet is no silence: repeating what it is about would only make more.
            news = await self._relay.depth(RecordEvent.QUEUE) or 0
            # How many there are in each batch is not told, so that it is taken to be full.
            news += (await self._relay.depth(RecordEvents.QUEUE) or 0) * RecordEvents.MOST
            for lane in lanes:
                await self._sweep_silent(lane, (depths[lane] or 0) + news)
        return found > 0 and self._relay.room > 0

    async def _sweep_silent(self, lane: Lane, depth: int) -> None:
        """Publish silent messages again, but no more than the broker has lost, which holds *depth*.

        While the mailer is scaled to zero everything is silent and nothing is lost: the queue then
        holds at least as many messages as the ledger believes, and none is published twice.  When it
        comes back it takes many at once, and its first word of them arrives a moment later: only what
        was missed at the look before as well is lost.
        """
        believed, overdue = await self._ledger.believed_in_broker(lane)
        missed = min(believed - depth, overdue)
        lost = min(missed, self._missed.get(lane, 0))
        self._missed[lane] = missed
        if lost <= 0:
            return
        entries = await self._ledger.take_silent(lane, limit=max(0, min(lost, self._relay.room, _BATCH)))
        if taken := self._relay.offer(entries):
            log.warning("sweep.silent", lane=lane, messages=len(taken))
            self._on_found("silent", len(taken))
            await self._ledger.record([self._republished(entry) for entry in taken])

    def _republished(self, entry: Entry) -> LedgerEvent:
        now = datetime.now(UTC)
        because = f"Nothing was heard of it for {self._silent_after:g} s, and the broker holds too few."
        return LedgerEvent(
            entry.id, f"republished:{now.timestamp():.0f}", "republished", "gateway", now, reason=because
        )
