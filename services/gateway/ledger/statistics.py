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
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
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

# A million rows of one hour can be spread over the tags of a tenant: one statement for a whole batch.
_ADD = """
INSERT INTO statistics AS held (tenant, hour, tag, provider, event, bucket, count)
SELECT tenant, hour, tag, provider, event, bucket, count
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[])
  AS more (tenant, hour, tag, provider, event, bucket, count)
ORDER BY tenant, hour, tag, provider, event, bucket
ON CONFLICT (tenant, hour, tag, provider, event, bucket) DO UPDATE SET count = held.count + excluded.count
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


class Key(NamedTuple):
    """What a count is of; the fields are the columns of the primary key."""

    tenant: str
    hour: datetime
    tag: str
    """Empty for all messages, tagged or not."""
    provider: str
    event: str
    bucket: int


async def count(connection: AsyncConnection, counted: Iterable[Counted]) -> None:
    """Add events to the counts, within the transaction that records them.

    Whatever else the transaction locks it has to lock before.  Events that are not among
    :data:`COUNTED` are left out.
    """
    counts: Counter[Key] = Counter()
    for one in counted:
        if one.event in _COUNTED:
            counts.update(_keys(one))
    await add(connection, counts)


async def add(connection: AsyncConnection, counts: Mapping[Key, int]) -> None:
    """Add to the counts, and lock their rows until the transaction ends."""
    if not counts:
        return
    rows = [(*key, number) for key, number in counts.items()]
    if connection.dialect.name == "sqlite":
        names = [column.name for column in statistics.columns]
        await connection.execute(_upsert(), [dict(zip(names, row, strict=True)) for row in rows])
    else:
        await connection.exec_driver_sql(_ADD, tuple(map(list, zip(*rows, strict=True))))


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour that a moment is in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _keys(one: Counted) -> list[Key]:
    number = UNMEASURED
    if one.event in _MEASURED:
        begun = max(one.accepted_at, one.scheduled_at or one.accepted_at)
        number = bucket((one.at - begun).total_seconds())
    hour, provider = hour_of(one.at), one.provider or ""
    return [Key(one.tenant, hour, tag, provider, one.event, number) for tag in {"", *one.tags}]


def _upsert() -> Any:
    insert = sqlite.insert(statistics)
    more = statistics.c.count + insert.excluded.count
    return insert.on_conflict_do_update(
        index_elements=list(statistics.primary_key), set_={"count": sa.cast(more, sa.BigInteger)}
    )
