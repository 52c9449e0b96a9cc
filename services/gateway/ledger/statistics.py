"""What is counted of what happens: by tenant, hour, tag and account, and by how long it took.

Counts only grow, in the same transaction as the events that they count.  Several gateways add to
the same rows; each locks its rows in the order of their key, so they wait for each other and never
in a circle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.latencies import UNMEASURED, bucket
from services.gateway.ledger.reporting_tables import statistics
from shared.signatures import Event, Feedback

MEASURED: Final = (Event.SENT, Feedback.DELIVERED)
"""The events of which it is counted, too, how long they took."""

COUNTED: Final = (
    *MEASURED,
    *(Feedback.BOUNCED, Feedback.COMPLAINED, Event.FAILED, Event.SUPPRESSED, Event.EXPIRED),
    *(Feedback.OPENED, Feedback.CLICKED, Feedback.UNSUBSCRIBED),
)
"""The events that are counted, each time they happen."""

_COUNTED: Final = frozenset(COUNTED)
_MEASURED: Final = frozenset(MEASURED)

_COLUMNS: Final = ("tenant", "tag", "hour", "provider", "event", "bucket", "count")
_HOUR: Final = 3600

# One statement for a whole batch; ordered, so that recorders that add to the same rows wait for each other.
_ADD = """
INSERT INTO statistics AS held (tenant, tag, hour, provider, event, bucket, count)
SELECT tenant, tag, hour, provider, event, bucket, count
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::smallint[], $7::bigint[])
  AS more (tenant, tag, hour, provider, event, bucket, count)
ORDER BY tenant COLLATE "C", tag COLLATE "C", hour, provider COLLATE "C", event COLLATE "C", bucket
ON CONFLICT (tenant, tag, hour, provider, event, bucket) DO UPDATE SET count = held.count + excluded.count
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """An event of a message, with all that it is counted by."""

    tenant: str
    tags: tuple[str, ...]
    """The message's, each as ``name:value``."""
    provider: str | None
    """The account's name, where one was part of it."""
    event: str
    at: datetime
    accepted_at: datetime
    scheduled_at: datetime | None = None
    """Set for a message that was not to be sent before: its latency begins then."""


Key = tuple[str, str, int, str, str, int]
"""What a count is of: tenant, tag, hour, account's name, event and bucket.

The tag is empty for all messages, tagged or not.  The hour is in hours since 1970, because a batch
has thousands of keys, and a datetime takes long to make and to compare.
"""


async def count(connection: AsyncConnection, counted: Iterable[Counted]) -> None:
    """Add events to the counts, within the transaction that records them.

    Whatever else the transaction locks it has to lock before.  Events that are not among
    :data:`COUNTED` are left out.
    """
    counts: Counter[Key] = Counter()
    for one in counted:
        if one.event in _COUNTED:
            _tally(counts, one)
    await add(connection, counts)


async def add(connection: AsyncConnection, counts: Mapping[Key, int]) -> None:
    """Add to the counts, and lock their rows until the transaction ends."""
    if not counts:
        return
    hours = {number: datetime.fromtimestamp(number * _HOUR, UTC) for _, _, number, *_ in counts}
    rows = [(tenant, tag, hours[hour], *rest, n) for (tenant, tag, hour, *rest), n in counts.items()]
    if connection.dialect.name == "sqlite":
        await connection.execute(_upsert(), [dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    else:
        await connection.exec_driver_sql(_ADD, tuple(map(list, zip(*rows, strict=True))))


def hour_of(moment: datetime) -> int:
    """The hour that a moment is in, in hours since 1970."""
    return int(moment.timestamp() // _HOUR)


def _tally(counts: Counter[Key], one: Counted) -> None:
    number = UNMEASURED
    if one.event in _MEASURED:
        begun = max(one.accepted_at, one.scheduled_at or one.accepted_at)
        number = bucket((one.at - begun).total_seconds())
    hour, provider = hour_of(one.at), one.provider or ""
    for tag in {"", *one.tags}:
        counts[one.tenant, tag, hour, provider, one.event, number] += 1


def _upsert() -> Any:
    insert = sqlite.insert(statistics)
    keys = [column.name for column in statistics.primary_key]
    return insert.on_conflict_do_update(
        index_elements=keys, set_={"count": statistics.c.count + insert.excluded.count}
    )
