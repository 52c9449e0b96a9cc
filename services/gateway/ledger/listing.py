"""Pages of a tenant's messages, whatever they are filtered by, and without reading a body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.acceptance.entries import summarise
from services.gateway.identifiers import first_id_of
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import Moment, lookups, messages
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.streams import Condition, Span, Stream, meet

_MARGIN: Final = timedelta(hours=1)
"""How far a gateway's clock, which ids are made by, may be from the database's."""
_AT_ONCE: Final = 2
"""Pages read at once; the other connections are for those who send."""
_TURN_SECONDS: Final = 1.0
_PATIENCE: Final = 5.0

_OLDEST, _NEWEST = UUID(int=0), UUID(int=(1 << 128) - 1)
_LOOKUP = (lookups.c.tenant, lookups.c.kind, lookups.c.value, lookups.c.message_id)
_SHOWN = (
    *(messages.c.id, messages.c.task, messages.c.summary),
    *(messages.c.status, messages.c.accepted_at, messages.c.scheduled_at),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which messages are wanted; None stands for any."""

    status: str | None = None
    recipient: str | None = None
    """An address in comparable form, wherever it stands: to, cc or bcc."""
    tag: str | None = None
    """``name:value``"""
    since: datetime | None = None
    """Accepted then or later, by the clock of the database."""
    until: datetime | None = None
    """Accepted before that."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list shows of a message."""

    id: UUID
    task: str
    summary: bytes
    """The signature without bodies, as JSON."""
    status: str
    accepted_at: datetime
    scheduled_at: datetime | None


class Listing:
    """The tenants' messages, page by page."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def page(self, tenant: str, filters: Filters, page: Page) -> tuple[list[Listed], bool]:
        """Return a page of what fits all filters, the newest first, and whether there are more.

        Raises:
            LedgerUnavailableError: The database does not answer in time, or too many are asking.
        """
        async with self._turn(), self._sessions.reading(patience=_PATIENCE) as connection:
            conditions = [self._accepted(filters)] if filters.since or filters.until else []
            span = _span(filters, page)
            ids = await meet(connection, _streams(tenant, filters), conditions, span, page.limit + 1)
            shown = await _rows(connection, tenant, ids[: page.limit])
            return shown, len(ids) > page.limit

    def _accepted(self, filters: Filters) -> Condition:
        def holds(message_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
            row = messages.alias()
            at: sa.ColumnElement[Any] = row.c.accepted_at
            if self._sessions.is_sqlite:
                # A text there, to the millisecond, compared with one to the microsecond.
                at = sa.type_coerce(at, sa.Text).concat("000")
            look = sa.select(sa.literal(1)).where(row.c.id == message_id)
            if filters.since is not None:
                look = look.where(at >= sa.literal(filters.since, Moment))
            if filters.until is not None:
                look = look.where(at < sa.literal(filters.until, Moment))
            return look.offset(0).exists()

        return holds

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise LedgerUnavailableError(unknown=False) from error
        try:
            yield
        finally:
            self._turns.release()


def _streams(tenant: str, filters: Filters) -> list[Stream]:
    streams = []
    if filters.recipient is not None:
        streams.append(Stream(_LOOKUP, (tenant, "recipient", filters.recipient)))
    if filters.tag is not None:
        streams.append(Stream(_LOOKUP, (tenant, "tag", filters.tag)))
    if filters.status is not None:
        index = (messages.c.tenant, messages.c.status, messages.c.id)
        streams.append(Stream(index, (tenant, filters.status)))
    return streams or [Stream((messages.c.tenant, messages.c.id), (tenant,))]


def _span(filters: Filters, page: Page) -> Span:
    """The ids in question: beyond the cursor, and about the time that was asked for."""
    low = first_id_of(filters.since, shift=-_MARGIN) if filters.since else _OLDEST
    high = first_id_of(filters.until, shift=_MARGIN) if filters.until else _NEWEST
    newest_first = page.before is None
    return Span(max(low, page.before or low), min(high, page.after or high), newest_first)


async def _rows(connection: AsyncConnection, tenant: str, ids: Sequence[UUID]) -> list[Listed]:
    query = sa.select(*_SHOWN).where(messages.c.id.in_(ids), messages.c.tenant == tenant)
    rows = (await connection.execute(query.order_by(messages.c.id.desc()))).all() if ids else []
    return [await _listed(connection, *row) for row in rows]


async def _listed(
    connection: AsyncConnection, message_id: UUID, task: str, summary: bytes | None, *state: Any
) -> Listed:
    if summary is None:  # as in rows of version 0.1; one at a time, because arguments may be large
        # It may have been purged this very moment, and then it has got a summary.
        content = sa.func.coalesce(messages.c.summary, messages.c.arguments)
        query = sa.select(content).where(messages.c.id == message_id)
        summary = summarise(task, (await connection.execute(query)).scalar_one())
    return Listed(message_id, task, summary, *state)
