"""Messages that a human brings back, or gives up: replayed, released, dropped.

What is sent once more begins a new series of attempts: the same message under the same id, as if
it had just been accepted.  Its row is locked, looked at and changed in one transaction, so of two
who ask for the same thing one gets it, and the other is told that it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.endings import follow_endings
from services.gateway.ledger.release import left_out, recipients_in, suppressed_among
from services.gateway.ledger.renewal import Obstacle, Skipped, change, note, notes, obstacle_of, renewed
from services.gateway.ledger.schema import events, messages, moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.states import ACCEPTED, DROPPED, LAST, progress
from shared.signatures import Event

_BYTES: Final = 16_000_000
"""Bodies that one transaction rewrites."""

_ROW = (
    *(messages.c.id, messages.c.tenant, messages.c.lane, messages.c.task, messages.c.summary),
    *(messages.c.status, messages.c.progress, messages.c.series, messages.c.queued_at, messages.c.purged_at),
    *(messages.c.expires_at, messages.c.trace, moment_in(0).label("now")),
    sa.func.length(messages.c.arguments).label("size"),
)
_HELD = (
    *(messages.c.id, messages.c.accepted_at, messages.c.attempts),
    *(messages.c.provider, messages.c.reason),
)
_PATIENCE: Final = 5.0
_BEGIN = (
    sa.update(messages)
    .where(messages.c.id == sa.bindparam("of"))
    .values(
        status=ACCEPTED,
        series=sa.bindparam("begun", type_=sa.Integer),
        progress=sa.bindparam("reached", type_=sa.BigInteger),
        arguments=sa.bindparam("content", type_=sa.LargeBinary),
        summary=sa.bindparam("shown", type_=sa.LargeBinary),
        reason=sa.bindparam("because", type_=sa.Text),
        queued_at=None,
        due_at=moment_in(sa.bindparam("wait", type_=sa.Float)),
    )
)


@dataclass(frozen=True, slots=True)
class Again:
    """What became of some messages; those that are not here were too much for one transaction."""

    entries: list[Entry]
    """Committed to be sent once more."""
    skipped: list[Skipped]


class Replays:
    """Each method is one transaction, and raises what :class:`Sessions` raises.

    ``lease`` is how long, in seconds, the relay has before the sweeper looks; ``on_committed``
    hands messages to the relay.
    """

    def __init__(
        self, sessions: Sessions, *, lease: float, on_committed: Callable[[Sequence[Entry]], object]
    ) -> None:
        self._sessions = sessions
        self._lease = lease
        self._on_committed = on_committed

    async def again(self, tenant: str, ids: Sequence[UUID], event: str) -> Again:
        """Send the tenant's messages once more, from the newest on as many as one transaction should hold.

        *event* is ``replayed``, or ``released`` for those that must be held.
        """
        async with self._sessions.writing() as connection:
            rows = await _locked(connection, tenant, ids)
            skipped = [
                Skipped(one, Obstacle.NOT_FOUND) for one in set(ids).difference(row.id for row in rows)
            ]
            able = []
            for row in _within_budget(rows):
                if obstacle := obstacle_of(row, event):
                    skipped.append(Skipped(row.id, obstacle, row.status))
                else:
                    able.append(row)
            entries = await self._begin(connection, able, event) if able else []
        begun = {entry.id for entry in entries}
        skipped += [Skipped(row.id, Obstacle.SUPPRESSED, row.status) for row in able if row.id not in begun]
        self._on_committed(entries)
        return Again(entries, skipped)

    async def drop(self, tenant: str, message_id: UUID) -> Skipped | None:
        """Give up a held message, unless it turns out to have been sent; None if that is done."""
        async with self._sessions.writing() as connection:
            rows = await _locked(connection, tenant, [message_id])
            if not rows:
                return Skipped(message_id, Obstacle.NOT_FOUND)
            (row,) = rows
            if row.status != Event.HELD:
                return Skipped(message_id, Obstacle.NOT_HELD, row.status)
            # Above whatever else a mailer may have to say of this series.
            values = {"status": Event.FAILED, "progress": progress(DROPPED, LAST, row.series)}
            end = sa.update(messages).where(messages.c.id == message_id)
            await connection.execute(end.values(**values, reason=DROPPED, due_at=None))
            await connection.execute(sa.insert(events).values(**note(row, DROPPED, row.series)))
            await follow_endings(connection, [message_id], Event.FAILED, DROPPED)
        return None

    async def held(self, tenant: str) -> Sequence[Any]:
        """Return what there is to know of the tenant's held messages, the oldest first."""
        query = sa.select(*_HELD).where(messages.c.tenant == tenant, messages.c.status == Event.HELD)
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            return (await connection.execute(query.order_by(messages.c.id))).all()

    async def _begin(self, connection: AsyncConnection, rows: Sequence[Any], event: str) -> list[Entry]:
        """Begin the next series of those that still have somebody to write to."""
        arguments = await _arguments(connection, [row.id for row in rows])
        recipients = {row.id: recipients_in(row.task, row.summary or arguments[row.id]) for row in rows}
        everybody = {who for some in recipients.values() for who in some}
        suppressed = await suppressed_among(connection, rows[0].tenant, everybody)
        pairs = [
            (row, entry)
            for row in rows
            if (entry := renewed(row, arguments[row.id], left_out(recipients[row.id], suppressed, row.lane)))
        ]
        if pairs:
            await connection.execute(_BEGIN, [change(*pair) | {"wait": self._lease} for pair in pairs])
            happened = [one for row, entry in pairs for one in notes(row, entry, event)]
            await connection.execute(sa.insert(events).values(happened))
        return [entry for _, entry in pairs]


async def _locked(connection: AsyncConnection, tenant: str, ids: Sequence[UUID]) -> list[Any]:
    """The tenant's messages among *ids*, the newest first."""
    its = sa.select(*_ROW).where(messages.c.id.in_(ids), messages.c.tenant == tenant)
    # Locked in the order that record() locks in, or the two would deadlock.
    rows = (await connection.execute(its.order_by(messages.c.id).with_for_update())).all()
    return list(reversed(rows))


async def _arguments(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, bytes]:
    query = sa.select(messages.c.id, messages.c.arguments).where(messages.c.id.in_(ids))
    return {row.id: row.arguments for row in await connection.execute(query)}


def _within_budget(rows: Iterable[Any]) -> list[Any]:
    """The first rows whose bodies can be rewritten together; at least one."""
    some: list[Any] = []
    total = 0
    for row in rows:
        total += row.size
        if some and total > _BYTES:
            break
        some.append(row)
    return some
