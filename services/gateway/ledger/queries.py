"""Everything the gateway asks of the ledger, or writes to it, but the hot insert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.recording import OnAdded, Recording
from services.gateway.ledger.release import without_suppressed
from services.gateway.ledger.schema import BEGINNING, NOW, events, messages, moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.states import ACCEPTED, QUEUED, SCHEDULED, beginning

_MOST_DOUBLINGS = 6
_SWEEP_BYTES = 16_000_000
_ENTRY = (*(messages.c[name] for name in ("id", "tenant", "lane", "task", "arguments", "trace")),)


# Rows are locked in the order that record() locks in, or the two would deadlock.  It is not waited for that
# the commit is on the disk: what a crash of the database forgets here is published again by the sweeper.
_MARK_QUEUED = f"""
WITH hasty AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), noted AS MATERIALIZED (
    SELECT id FROM messages WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
)
UPDATE messages SET
    publications = publications + 1,
    queued_at = coalesce(queued_at, clock_timestamp()),
    status = CASE WHEN progress = series::bigint * {beginning(1)} THEN '{QUEUED}' ELSE status END,
    due_at = CASE WHEN progress = series::bigint * {beginning(1)}
                  THEN clock_timestamp() + $2::double precision * interval '1 second' ELSE due_at END
FROM noted, hasty
WHERE messages.id = noted.id
"""  # noqa: S608 - nothing but our own words


class Ledger:
    """The ledger's questions and answers; every method is one transaction.

    Each raises what :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """

    def __init__(
        self, sessions: Sessions, *, silent_after: float, on_added: OnAdded = lambda *_: None
    ) -> None:
        self._sessions = sessions
        self._silent_after = silent_after
        self._recording = Recording(sessions, silent_after=silent_after, on_added=on_added)

    async def find(self, tenant: str, message_id: UUID) -> sa.Row[Any] | None:
        """Return the tenant's message, or None."""
        query = sa.select(messages).where(messages.c.id == message_id, messages.c.tenant == tenant)
        async with self._sessions.reading() as connection:
            return (await connection.execute(query)).one_or_none()

    async def timeline(self, message_id: UUID) -> Sequence[sa.Row[Any]]:
        """Return what was recorded of a message, in the order of its happening."""
        query = sa.select(events).where(events.c.message_id == message_id)
        async with self._sessions.reading() as connection:
            return (await connection.execute(query.order_by(events.c.at, events.c.sequence))).all()

    async def ping(self) -> None:
        """Make sure that the database answers and has our tables."""
        async with self._sessions.reading() as connection:
            await connection.execute(sa.select(messages.c.id).limit(0))

    async def mark_queued(self, ids: Iterable[UUID]) -> None:
        """Note that the broker confirmed these; from now on the mailer is expected to speak."""
        if not self._sessions.is_sqlite:
            async with self._sessions.writing() as connection:
                await connection.exec_driver_sql(_MARK_QUEUED, (list(ids), self._silent_after))
            return
        untouched = messages.c.progress == BEGINNING
        statement = (
            sa.update(messages)
            .where(messages.c.id.in_(list(ids)))
            .values(
                publications=messages.c.publications + 1,
                queued_at=sa.func.coalesce(messages.c.queued_at, moment_in(0)),
                status=sa.case((untouched, QUEUED), else_=messages.c.status),
                # The mailer may have been quicker than this note: its word stands.
                due_at=sa.case((untouched, moment_in(self._silent_after)), else_=messages.c.due_at),
            )
        )
        async with self._sessions.writing() as connection:
            await connection.execute(statement)

    async def take_unpublished(self, lanes: Iterable[str], *, limit: int, lease: float) -> list[Entry]:
        """Take due messages that were never confirmed; nobody else gets them for ``lease`` seconds.

        Of those that were scheduled, recipients that are suppressed by now are left out.
        """
        due = sa.select(messages.c.id).where(messages.c.queued_at.is_(None), messages.c.lane.in_(list(lanes)))
        return await self._take(due, limit=limit, lease=lease)

    async def take_silent(self, lane: str, *, limit: int) -> list[Entry]:
        """Take due messages that were confirmed once but of which nobody has heard since."""
        due = sa.select(messages.c.id).where(messages.c.queued_at.is_not(None), messages.c.lane == lane)
        return await self._take(due, limit=limit, lease=self._silent_after)

    async def believed_in_broker(self, lane: str) -> tuple[int, int]:
        """Count the lane's messages that should wait in its queue now, and those silent for too long."""
        query = sa.select(sa.func.count()).where(messages.c.lane == lane, messages.c.queued_at.is_not(None))
        # Apart, because the first is counted in an index alone, and it may be a million.
        overdue = query.where(messages.c.due_at <= NOW)
        waiting = query.where(messages.c.due_at > NOW, messages.c.status == QUEUED)
        counts = sa.select(
            overdue.scalar_subquery().label("overdue"), waiting.scalar_subquery().label("waiting")
        )
        async with self._sessions.reading(patience=10) as connection:
            row = (await connection.execute(counts)).one()
        return row.overdue + row.waiting, row.overdue

    async def record(self, batch: Sequence[LedgerEvent]) -> None:
        """Append events and move their messages on; doubled events change nothing."""
        await self._recording.record(batch)

    async def _take(self, due: sa.Select[tuple[UUID]], *, limit: int, lease: float) -> list[Entry]:
        due = (
            due.add_columns(sa.func.length(messages.c.arguments), messages.c.status)
            # What is purged has no body left to send; it is not due, and if it were it must not leave.
            .where(messages.c.due_at <= NOW, messages.c.purged_at.is_(None))
            # What has expired is not published any more: see ``Schedule.expire``.
            .where(sa.or_(messages.c.expires_at.is_(None), messages.c.expires_at > moment_in(0)))
            .order_by(messages.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        # Each further publish of the same message waits twice as long, up to 64 times.
        doublings = sa.case(
            (messages.c.publications < _MOST_DOUBLINGS, messages.c.publications),
            else_=_MOST_DOUBLINGS,
        )
        patience = sa.literal(1, sa.Integer).bitwise_lshift(doublings)
        statement = (
            sa.update(messages)
            .values(
                due_at=moment_in(lease * sa.cast(patience, sa.Float)),
                # From here on it can leave at any moment, so it cannot be canceled any more.
                status=sa.case((messages.c.status == SCHEDULED, ACCEPTED), else_=messages.c.status),
            )
            .returning(*_ENTRY)
        )
        async with self._sessions.writing() as connection:
            found = (await connection.execute(due)).all()
            ids = _within_budget(found)
            rows = (await connection.execute(statement.where(messages.c.id.in_(ids)))).all() if ids else []
            taken = [Entry(*row) for row in rows]
            scheduled = {row.id for row in found if row.status == SCHEDULED}.intersection(ids)
            return await without_suppressed(connection, taken, scheduled) if scheduled else taken


def _within_budget(sizes: Iterable[Any]) -> list[UUID]:
    """The first messages that together fit the memory of one sweep; at least one."""
    ids: list[UUID] = []
    total = 0
    for message_id, size, _ in sizes:
        total += size
        if ids and total > _SWEEP_BYTES:
            break
        ids.append(message_id)
    return ids
