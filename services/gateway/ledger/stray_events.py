"""The rows of strays: what providers told of messages that nobody knows (yet).

A provider may be quicker than the mailer, whose own word of what the provider calls a message then
comes later.  Others are of messages that never were ours: an account may serve somebody else, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.reporting_tables import stray_events
from services.gateway.ledger.schema import messages, moment_in
from shared.signatures import RecordEvent

_COLUMNS = (stray_events.c.sequence, stray_events.c.arguments)


@dataclass(frozen=True, slots=True)
class Stray:
    """An event that waits for its message, and its place in the table."""

    sequence: int
    event: LedgerEvent


async def set_aside(connection: AsyncConnection, events: Iterable[LedgerEvent]) -> None:
    """Keep events for a while."""
    rows = [
        {
            "message_id": event.message_id,
            "provider_message_id": event.provider_message_id,
            "arguments": event.told().arguments(),
        }
        for event in events
    ]
    if rows:
        await connection.execute(sa.insert(stray_events).values(received_at=moment_in(0)), rows)


async def awaiting(connection: AsyncConnection, theirs: Collection[str]) -> list[Stray]:
    """Take those that wait for messages that providers call so; others who want them leave them alone."""
    if not theirs:
        return []
    query = sa.select(*_COLUMNS).where(stray_events.c.provider_message_id.in_(theirs))
    return await _taken(connection, query.order_by(stray_events.c.sequence))


async def at_hand(connection: AsyncConnection, *, after: int, limit: int) -> tuple[Sequence[int], int | None]:
    """Look at the next *limit* behind a place: which of their messages are known by now?

    The second is where to go on; None at the end.
    """
    some = sa.select(stray_events.c.sequence).where(stray_events.c.sequence > after)
    places = (await connection.scalars(some.order_by(stray_events.c.sequence).limit(limit))).all()
    if not places:
        return [], None
    ours = sa.exists().where(messages.c.id == stray_events.c.message_id)
    theirs = sa.exists().where(messages.c.provider_message_id == stray_events.c.provider_message_id)
    is_known = sa.case((stray_events.c.message_id.is_(None), theirs), else_=ours)
    within = stray_events.c.sequence.between(places[0], places[-1])
    known = (await connection.scalars(sa.select(stray_events.c.sequence).where(within, is_known))).all()
    return known, places[-1] if len(places) == limit else None


async def take(connection: AsyncConnection, sequences: Collection[int]) -> list[Stray]:
    """Take some of them; others who want them leave them alone."""
    query = sa.select(*_COLUMNS).where(stray_events.c.sequence.in_(sequences))
    return await _taken(connection, query.order_by(stray_events.c.sequence))


async def forget(connection: AsyncConnection, sequences: Collection[int]) -> None:
    """Remove those that have found their messages."""
    if sequences:
        await connection.execute(sa.delete(stray_events).where(stray_events.c.sequence.in_(sequences)))


async def drop(connection: AsyncConnection, seconds: float, *, limit: int) -> int:
    """Remove those that have waited for longer than *seconds*, the oldest first; return how many."""
    old = older_than(seconds).order_by(stray_events.c.received_at).limit(limit)
    free = old.with_for_update(skip_locked=True)
    gone = await connection.execute(sa.delete(stray_events).where(stray_events.c.sequence.in_(free)))
    return gone.rowcount


def older_than(seconds: float) -> sa.Select[int]:
    """Select those that have waited for longer."""
    since = sa.select(moment_in(sa.literal(-seconds, sa.Float))).scalar_subquery()
    return sa.select(stray_events.c.sequence).where(stray_events.c.received_at <= since)


async def _taken(connection: AsyncConnection, query: sa.Select[Any]) -> list[Stray]:
    locked = query.with_for_update(skip_locked=True, of=stray_events)
    rows: Sequence[Any] = (await connection.execute(locked)).all()
    return [Stray(row.sequence, LedgerEvent.of(RecordEvent.parse(row.arguments))) for row in rows]
