"""What happens to tenants' messages, in an order in which nothing is ever skipped.

On PostgreSQL a row gets its sequence when it is inserted, and is seen when its transaction commits,
which may be after a larger sequence was seen.  So rows are ordered by their transaction first, and
of those only transactions are read below which none is under way any more: ``pg_snapshot_xmin``.
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
SQLite has one writer, so there sequences are committed in their order.

A database that was restored from a dump into another server counts transactions anew.  What it
restored is therefore set to transaction 0, where sequences alone count; it is known by rows that
claim to be of a transaction still to come.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

import sqlalchemy as sa

from services.gateway.ledger.schema import events
from services.gateway.ledger.sessions import Sessions

PAGE: Final = 200
"""Events that are read at once."""

_AT_ONCE: Final = 10_000
_PATIENCE: Final = 5.0
_WRITTEN: Final = re.compile(r"(\d{1,19})-(\d{1,19})", re.ASCII)
_LARGEST: Final = 2**63 - 1
_XMIN, _XMAX = (
    sa.literal_column(f"pg_snapshot_{end}(pg_current_snapshot())::text::bigint", sa.BigInteger)
    for end in ("xmin", "xmax")
)
_LAST = sa.func.coalesce(sa.select(sa.func.max(events.c.sequence)).scalar_subquery(), 0)
_COLUMNS = [
    *(events.c.sequence, sa.func.coalesce(events.c.transaction_id, 0).label("transaction_id")),
    *(events.c.message_id, events.c.event, events.c.actor, events.c.at, events.c.attempt),
    *(events.c.provider, events.c.provider_message_id, events.c.recipient, events.c.reason),
    events.c.retry_at,
]


class Position(NamedTuple):
    """A place in the feed: right behind an event."""

    transaction_id: int
    """0 where sequences alone count."""
    sequence: int

    def __str__(self) -> str:
        return f"{self.transaction_id}-{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` wrote.

        Raises:
            ValueError: It is no such thing.
        """
        numbers = _WRITTEN.fullmatch(text)
        if numbers is None or max(map(int, numbers.groups())) > _LARGEST:
            raise ValueError("is no place in the stream")
        return cls(*map(int, numbers.groups()))


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One thing that happened to a message."""

    position: Position
    message_id: UUID
    event: str
    actor: str
    at: datetime
    attempt: int
    provider: str | None
    provider_message_id: str | None
    recipient: str | None
    reason: str | None
    retry_at: datetime | None


class Feed:
    """Each method is one transaction, and raises what :class:`Sessions` raises."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def open(self, tenant: str, position: Position | None) -> Position:
        """Return where to begin: at *position*, which after a restore is another place, or at the end."""
        if not self._sessions.is_sqlite:
            await self._forget_restored(tenant)
        if position is None:
            return await self.end()
        if self._sessions.is_sqlite:
            return Position(0, position.sequence)
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            its = sa.select(events.c.transaction_id).where(events.c.sequence == position.sequence)
            to_come, stored = (await connection.execute(sa.select(_XMAX, its.scalar_subquery()))).one()
        # Its number may have come up again here, but then the row says that it was restored.
        is_older = position.transaction_id >= to_come or stored == 0
        return Position(0, position.sequence) if is_older else position

    async def end(self) -> Position:
        """Return the place before which everything is known."""
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            return await self._horizon(connection)

    async def since(self, tenant: str, position: Position) -> Sequence[FeedEvent]:
        """Return the tenant's next events behind *position*, at most ``PAGE`` of them."""
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            # First, so that the rows are read when all transactions before it have ended.
            end = await self._horizon(connection)
            query = sa.select(*_COLUMNS).where(events.c.tenant == tenant, *self._between(position, end))
            query = query.order_by(events.c.transaction_id, events.c.sequence).limit(PAGE)
            return [_read(row) for row in await connection.execute(query)]

    async def news(self, tenants: Collection[str], position: Position) -> tuple[frozenset[str], Position]:
        """Return who among *tenants* has events behind *position*, and the place that this goes up to."""
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            end = await self._horizon(connection)
            query = sa.select(events.c.tenant).where(events.c.tenant.in_(tenants))
            query = query.where(*self._between(position, end)).distinct()
            return frozenset((await connection.scalars(query)).all()), end

    async def _horizon(self, connection: Any) -> Position:
        known = sa.literal(0) if self._sessions.is_sqlite else _XMIN - 1
        return Position(*(await connection.execute(sa.select(known, _LAST))).one())

    def _between(self, position: Position, end: Position) -> tuple[sa.ColumnElement[bool], ...]:
        """What is behind *position*, and known for good; written as the index has it."""
        if self._sessions.is_sqlite:
            return (
                events.c.transaction_id.is_(None),
                events.c.sequence > position.sequence,
                events.c.sequence <= end.sequence,
            )
        place = sa.tuple_(events.c.transaction_id, events.c.sequence)
        return (
            place > sa.tuple_(*(sa.literal(number, sa.BigInteger) for number in position)),
            events.c.transaction_id <= end.transaction_id,
        )

    async def _forget_restored(self, tenant: str) -> None:
        """Set events to 0 that another server wrote: what is not newer than one of a transaction to come."""
        to_come = sa.select(_XMAX).scalar_subquery()
        strange = (events.c.tenant == tenant, events.c.transaction_id >= to_come)
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            last = await connection.scalar(sa.select(sa.func.max(events.c.sequence)).where(*strange))
        if last is None:
            return  # as always, but after a restore
        # In the order of transactions, so that whoever goes on after a crash finds what is left to do.
        restored = (
            sa.select(events.c.sequence)
            .where(events.c.tenant == tenant, events.c.transaction_id > 0, events.c.sequence <= last)
            .order_by(events.c.transaction_id, events.c.sequence)
            .limit(_AT_ONCE)
        )
        forget = sa.update(events).where(events.c.sequence.in_(restored)).values(transaction_id=0)
        changed = _AT_ONCE
        while changed == _AT_ONCE:
            async with self._sessions.writing() as connection:
                changed = (await connection.execute(forget)).rowcount


def _read(row: Any) -> FeedEvent:
    fields = row._asdict()
    position = Position(fields.pop("transaction_id"), fields.pop("sequence"))
    return FeedEvent(position, **fields)
