"""Accepted messages, counted into the statistics afterwards: the accept path writes nothing for that.

Messages are counted in the order of their ids, a slice at a time.  A mark says below which id all
are counted; it moves in the transaction that adds a slice, and only if it still stands where the
slice begins.  So a slice is counted once, whoever else counts, and whenever a process dies.  Webhooks
are told here, once as well, of messages that were suppressed as they were accepted.

A message is committed after its id was made.  One that is not yet to be seen must not be passed:
so nothing younger than :data:`MARGIN` is counted here, and whoever asks has that part counted anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.identifiers import first_id_of, moment_of
from services.gateway.latencies import UNMEASURED
from services.gateway.ledger.endings import known_message
from services.gateway.ledger.reporting_tables import roll_ups
from services.gateway.ledger.schema import events, messages, moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.statistics import Key, add, hour_of
from services.gateway.ledger.webhook_fan_out import Happened, fan_out
from services.gateway.states import ACCEPTED
from shared.signatures import Event

MARGIN: Final = timedelta(minutes=15)
"""How long after its id was made a message is certainly committed.

That takes a second or two; the rest is for a gateway's clock, which ids are made by, that is slow.
"""

_NEWS: Final = timedelta(hours=6)
_ROWS: Final = 500
_PATIENCE: Final = 5.0
_SUBJECT: Final = "messages"
_NONE: Final = UUID(int=0)
_READ: Final[tuple[sa.ColumnElement[Any], ...]] = (
    *(messages.c.id, messages.c.tenant, messages.c.accepted_at, messages.c.scheduled_at),
    sa.func.coalesce(messages.c.summary, b"").label("content"),
)


class RollUp:
    """Each step raises what :class:`Sessions` raises."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def step(self) -> int:
        """Count a slice of messages; return how many, 0 if there are no more or somebody else was faster."""
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            mark = await mark_of(connection)
            rows = await _slice(connection, mark, await _horizon(connection))
            if not rows:
                return 0  # as mostly, and no reason to ask for the right to write
            ended = await _ended_at_once(connection, rows)
        below = UUID(int=rows[-1].id.int + 1)
        async with self._sessions.writing() as connection:
            if not await self._moved(connection, mark, below):
                return 0
            await fan_out(connection, _news(rows, ended))
            await add(connection, _counts(rows, ended))
        return len(rows)

    async def _moved(self, connection: AsyncConnection, mark: UUID, below: UUID) -> bool:
        """Move the mark, unless somebody else has; nobody else can until the transaction ends."""
        begun = self._sessions.insert(roll_ups).values(subject=_SUBJECT, below=_NONE)
        if mark == _NONE:
            await connection.execute(begun.on_conflict_do_nothing())
        change = sa.update(roll_ups).where(roll_ups.c.subject == _SUBJECT, roll_ups.c.below == mark)
        return (await connection.execute(change.values(below=below))).rowcount == 1


async def mark_of(connection: AsyncConnection) -> UUID:
    """The id below which all messages are counted."""
    query = sa.select(roll_ups.c.below).where(roll_ups.c.subject == _SUBJECT)
    return (await connection.execute(query)).scalar_one_or_none() or _NONE


async def _horizon(connection: AsyncConnection) -> UUID:
    now: datetime = (await connection.execute(sa.select(moment_in(0)))).scalar_one()
    return first_id_of(now, shift=-MARGIN)


async def _slice(connection: AsyncConnection, mark: UUID, horizon: UUID) -> Sequence[sa.Row[Any]]:
    between = (messages.c.id >= mark, messages.c.id < horizon)
    query = sa.select(*_READ).where(*between).order_by(messages.c.id).limit(_ROWS)
    return (await connection.execute(query)).all()


async def _ended_at_once(connection: AsyncConnection, rows: Iterable[sa.Row[Any]]) -> set[UUID]:
    """Messages that ended as they were accepted, with nobody to send to; no recorder hears of those."""
    key = events.c.key == Event.SUPPRESSED
    query = sa.select(events.c.message_id).where(key, events.c.message_id.in_([row.id for row in rows]))
    return set(await connection.scalars(query))


def _news(rows: Iterable[sa.Row[Any]], ended_at_once: Collection[UUID]) -> list[Happened]:
    """What webhooks are told of those that ended at once; of what is old, as after an upgrade, nothing."""
    since = datetime.now(UTC) - _NEWS
    return [
        Happened(row.id, row.tenant, Event.SUPPRESSED, row.accepted_at)
        for row in rows
        if row.id in ended_at_once and row.accepted_at > since
    ]


def _counts(rows: Iterable[sa.Row[Any]], ended_at_once: Collection[UUID]) -> Counter[Key]:
    counts: Counter[Key] = Counter()
    for row in rows:
        hour = hour_of(moment_of(row.id))
        for tag in {"", *known_message(row).tags()}:
            for event in (ACCEPTED, Event.SUPPRESSED)[: 1 + (row.id in ended_at_once)]:
                counts[row.tenant, tag, hour, "", event, UNMEASURED] += 1
    return counts
