"""What happened lately, in slots of ten seconds: the statistics are by the hour, people look by the minute.

The counts grow as those of the statistics do, but apart from the events that they count: what a gateway
has not written yet when it dies is missing here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from services.gateway.ledger.dashboard_tables import activity
from services.gateway.ledger.schema import moment_in
from services.gateway.ledger.sessions import Sessions

SLOT: Final = timedelta(seconds=10)
KEPT_SECONDS: Final = 3900.0
"""An hour, and what somebody needs to look at the end of it."""

Count = tuple[str, int, str, int]
"""What is counted: tenant, slot (in its own length since 1970), event, and bucket of latency."""

_PATIENCE: Final = 2.0


class RecentActivity:
    """The table; every method is one transaction.

    Each raises what :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def add(self, counts: Mapping[Count, int]) -> None:
        """Add to the counts, in one order, since other gateways do the same."""
        insert = self._sessions.insert(activity)
        upsert = insert.on_conflict_do_update(
            index_elements=list(activity.primary_key.columns),
            set_={"count": activity.c.count + insert.excluded.count},
        )
        rows = [_row(count, counts[count]) for count in sorted(counts)]
        async with self._sessions.writing() as connection:
            await connection.execute(upsert, rows)

    async def forget(self) -> None:
        """Remove what is too old to be shown."""
        async with self._sessions.writing() as connection:
            await connection.execute(sa.delete(activity).where(activity.c.slot < moment_in(-KEPT_SECONDS)))

    async def since(self, tenant: str, begin: datetime) -> list[tuple[int, str, int, int]]:
        """Return a tenant's counts from a moment on: slot, event, bucket and how often."""
        columns = sa.select(activity.c.slot, activity.c.event, activity.c.bucket, activity.c.count)
        query = columns.where(activity.c.tenant == tenant, activity.c.slot >= begin)
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            rows = (await connection.execute(query)).all()
        return [(slot_of(at), event, bucket, count) for at, event, bucket, count in rows]


def slot_of(at: datetime) -> int:
    """The slot that a moment is in."""
    return int(at.timestamp() // SLOT.total_seconds())


def beginning_of(slot: int) -> datetime:
    """When a slot begins."""
    return datetime.fromtimestamp(slot * SLOT.total_seconds(), UTC)


def _row(count: Count, number: int) -> dict[str, Any]:
    tenant, slot, event, bucket = count
    return {
        "tenant": tenant,
        "slot": beginning_of(slot),
        "event": event,
        "bucket": bucket,
        "count": number,
    }
