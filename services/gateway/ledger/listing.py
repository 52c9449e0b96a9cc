"""Pages of a tenant's messages, whatever they are filtered by, and without reading a body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.acceptance.entries import summarise
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import messages
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.streams import count, meet

_AT_ONCE: Final = 2
"""Pages read at once; the other connections are for those who send."""
_TURN_SECONDS: Final = 1.0
_PATIENCE: Final = 5.0
_COUNTING_PATIENCE: Final = 10.0

_SHOWN = (
    *(messages.c.id, messages.c.task, messages.c.summary),
    *(messages.c.status, messages.c.accepted_at, messages.c.scheduled_at),
    *(messages.c.attempts, messages.c.provider, messages.c.reason),
)


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
    attempts: int
    provider: str | None
    """The account that had the last attempt."""
    reason: str | None


class Listing:
    """The tenants' messages, page by page.

    Every method raises :class:`LedgerUnavailableError` when the database does not answer in time,
    or too many are asking.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def page(self, tenant: str, filters: Filters, page: Page) -> tuple[list[Listed], bool]:
        """Return a page of what fits all filters, the newest first, and whether there are more."""
        async with self._turn(_PATIENCE) as connection:
            ids, has_more = await self._meet(connection, tenant, filters, page)
            return await _rows(connection, tenant, ids), has_more

    async def ids(self, tenant: str, filters: Filters, page: Page) -> tuple[list[UUID], bool]:
        """Return the ids of the same page alone."""
        async with self._turn(_PATIENCE) as connection:
            return await self._meet(connection, tenant, filters, page)

    async def count(self, tenant: str, filters: Filters) -> int:
        """Count what fits all filters."""
        conditions = filters.conditions(is_sqlite=self._sessions.is_sqlite)
        async with self._turn(_COUNTING_PATIENCE) as connection:
            return await count(connection, filters.streams(tenant), conditions, filters.span())

    async def owners(self, ids: Sequence[UUID]) -> dict[UUID, str]:
        """Return the tenant of each message that the ledger knows of."""
        query = sa.select(messages.c.id, messages.c.tenant).where(messages.c.id.in_(ids))
        async with self._sessions.reading() as connection:
            return {row.id: row.tenant for row in await connection.execute(query)}

    async def _meet(
        self, connection: AsyncConnection, tenant: str, filters: Filters, page: Page
    ) -> tuple[list[UUID], bool]:
        conditions = filters.conditions(is_sqlite=self._sessions.is_sqlite)
        streams, span = filters.streams(tenant), filters.span(page)
        ids = await meet(connection, streams, conditions, span, page.limit + 1)
        return ids[: page.limit], len(ids) > page.limit

    @asynccontextmanager
    async def _turn(self, patience: float) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise LedgerUnavailableError(unknown=False) from error
        try:
            async with self._sessions.reading(patience=patience) as connection:
                yield connection
        finally:
            self._turns.release()


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
