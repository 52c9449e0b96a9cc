"""Where streams of message ids meet.

A stream is what one filter lets through, in the order of an index.  A page under several filters
is looked for in windows: the stream that is the thinnest just here gives its next ids, and each of
them is looked up in the others.  So a page costs as much as the rarest of its filters, whatever
the database believes of its tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_FIRST: Final = 256
"""Ids in the first window; each further one has twice as many."""
_MOST: Final = 16_384

Condition = Callable[[sa.ColumnElement[UUID]], sa.ColumnElement[bool]]
"""What must hold of a message, given its id."""


@dataclass(frozen=True, slots=True)
class Span:
    """The ids above ``low`` and below ``high``, and the end to begin from."""

    low: UUID
    high: UUID
    newest_first: bool = True

    def beyond(self, edge: UUID) -> Span:
        """What is left after a window that ended with *edge*."""
        return replace(self, high=edge) if self.newest_first else replace(self, low=edge)

    def ends_before(self, edge: UUID | None) -> bool:
        """Whether nothing is left after a window that ended with *edge*; None if it had no end."""
        return edge is None or (edge <= self.low if self.newest_first else edge >= self.high)

    def farther(self, edge: UUID | None) -> tuple[bool, int]:
        """A key to sort edges by, the farthest from the beginning first."""
        return edge is not None, 0 if edge is None else edge.int if self.newest_first else -edge.int


@dataclass(frozen=True, slots=True)
class Stream:
    """The rows of an index that have *values* in its first columns; its last column is the id."""

    index: tuple[sa.Column[Any], ...]
    values: tuple[str, ...]

    def take(self, span: Span, count: int | None) -> sa.Select[UUID]:
        """Select the next ids from the beginning of *span*; its other end is for the caller to see to.

        Without a *count* all of them.
        """
        return self._from(span).limit(count)

    def edge(self, span: Span, count: int) -> sa.ScalarSelect[UUID]:
        """Give the last id that :meth:`take` would select, or NULL if there are fewer."""
        return self._from(span).offset(count - 1).limit(1).scalar_subquery()

    def holds(self, message_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
        """Whether the stream has the id: one look into the index.

        The OFFSET keeps PostgreSQL from making a join of it, and a range in place of an equality
        SQLite from taking the primary key and reading the row.
        """
        row = self.index[0].table.alias()
        *columns, ids = (row.c[column.name] for column in self.index)
        same = (column == value for column, value in zip(columns, self.values, strict=True))
        look = sa.select(sa.literal(1)).where(*same, ids >= message_id, ids <= message_id)
        return look.offset(0).exists()

    def _from(self, span: Span) -> sa.Select[UUID]:
        # Were all values given as equalities, PostgreSQL would know the result to be in the order of the
        # primary key, too, and sometimes walk a million rows of others along that.
        *columns, last, ids = self.index
        *values, value = self.values
        place = sa.tuple_(last, ids)
        query = sa.select(ids.label("id")).where(
            *(column == given for column, given in zip(columns, values, strict=True))
        )
        if span.newest_first:
            begun = place < sa.tuple_(sa.literal(value, last.type), sa.literal(span.high, ids.type))
            return query.where(begun, last >= value).order_by(last.desc(), ids.desc())
        begun = place > sa.tuple_(sa.literal(value, last.type), sa.literal(span.low, ids.type))
        return query.where(begun, last <= value).order_by(last, ids)


async def meet(
    connection: AsyncConnection,
    streams: Sequence[Stream],
    conditions: Sequence[Condition],
    span: Span,
    count: int,
) -> list[UUID]:
    """Return the first *count* ids of *span* that all streams have and all conditions hold of."""
    found: list[UUID] = []
    alone = len(streams) == 1 and not conditions
    reach = count if alone else _FIRST
    while True:
        edges = [None] if alone else await _edges(connection, streams, span, reach)
        edge, driver = min(zip(edges, streams, strict=True), key=lambda pair: span.farther(pair[0]))
        others = [stream.holds for stream in streams if stream is not driver]
        window = _window(driver, [*others, *conditions], span, reach).limit(count - len(found))
        found += (await connection.scalars(window)).all()
        if len(found) == count or span.ends_before(edge):
            return found
        assert edge is not None  # noqa: S101 - for the type checker: see ends_before
        span, reach = span.beyond(edge), min(2 * reach, _MOST)


async def count(
    connection: AsyncConnection, streams: Sequence[Stream], conditions: Sequence[Condition], span: Span
) -> int:
    """Count the ids of *span* that all streams have and all conditions hold of."""
    edges = [None] if len(streams) == 1 else await _edges(connection, streams, span, _MOST)
    _, driver = min(zip(edges, streams, strict=True), key=lambda pair: span.farther(pair[0]))
    others = [stream.holds for stream in streams if stream is not driver]
    window = _window(driver, [*others, *conditions], span, None).order_by(None).subquery()
    return (await connection.execute(sa.select(sa.func.count()).select_from(window))).scalar_one()


async def _edges(
    connection: AsyncConnection, streams: Sequence[Stream], span: Span, reach: int
) -> Sequence[UUID | None]:
    query = sa.select(*(stream.edge(span, reach).label(f"edge_{n}") for n, stream in enumerate(streams)))
    return (await connection.execute(query)).one()


def _window(
    driver: Stream, conditions: Sequence[Condition], span: Span, reach: int | None
) -> sa.Select[UUID]:
    ids = driver.take(span, reach).subquery("window").c.id
    query = sa.select(ids).where(ids > span.low, ids < span.high, *(holds(ids) for holds in conditions))
    return query.order_by(ids.desc() if span.newest_first else ids)
