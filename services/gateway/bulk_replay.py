"""Sending many messages once more: page by page, and each page in transactions of a moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog

from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.listing import Listing
from services.gateway.ledger.paging import Page
from services.gateway.ledger.renewal import Skipped
from services.gateway.ledger.replays import Replays
from services.gateway.states import REPLAYED

log = structlog.get_logger()

SAMPLE: Final = 10
"""Messages that a dry run names."""

_AT_ONCE: Final = 100
_LONGEST_SECONDS: Final = 5.0
"""After so long a page ends, though there is more of it: its caller is waiting."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent once more."""

    count: int
    sample: list[UUID]
    """The newest of them."""


@dataclass(slots=True)
class Done:
    """What became of a page."""

    replayed: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    next: UUID | None = None
    """What to go on behind; None at the end."""


@dataclass(frozen=True, slots=True)
class BulkReplay:
    """Finds messages, and has them sent once more.

    Both methods raise :class:`LedgerUnavailableError` if the ledger is away and nothing was done.
    """

    listing: Listing
    replays: Replays

    async def preview(self, tenant: str, filters: Filters) -> Preview:
        """Count what fits the filters, and touch nothing."""
        count = await self.listing.count(tenant, filters)
        sample, _ = await self.listing.ids(tenant, filters, Page(SAMPLE))
        return Preview(count, sample)

    async def page(self, tenant: str, filters: Filters, *, limit: int, after: UUID | None = None) -> Done:
        """Send at most *limit* messages once more: of those that fit the newest, or the next ones *after*."""
        waiting, has_more = await self.listing.ids(tenant, filters, Page(limit, after=after))
        done, end = Done(), time.monotonic() + _LONGEST_SECONDS
        while waiting and time.monotonic() < end:
            try:
                again = await self.replays.again(tenant, waiting[:_AT_ONCE], REPLAYED)
            except LedgerUnavailableError:
                if done.next is None:
                    raise
                log.warning("ledger.unavailable", during="replay")
                return done  # of what was done its caller must hear
            done.replayed += len(again.entries)
            done.skipped += again.skipped
            looked_at = len(again.entries) + len(again.skipped)
            done.next = waiting[looked_at - 1]
            waiting = waiting[looked_at:]
        if not waiting and not has_more:
            done.next = None
        return done
