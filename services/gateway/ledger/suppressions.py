"""Whom a tenant's mail must not go to any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import moment_in, suppressions
from services.gateway.ledger.sessions import Sessions
from shared.signatures import Lane

UNSUBSCRIBE: Final = "unsubscribe"
"""The reason of a suppression that stands against bulk mail only."""


class Suppressions:
    """The tenants' suppressions; every method is one transaction, and an address is in comparable form.

    A suppression is named by its id or by its address.  Each method raises what
    :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def add(
        self, tenant: str, addresses: Iterable[str], *, reason: str = "manual", message_id: UUID | None = None
    ) -> Sequence[sa.Row[Any]]:
        """Suppress some addresses and return their rows.

        One that is suppressed already stays as it is, unless it was for bulk mail only and is for all now.
        *reason* is ``manual``, ``bounce``, ``complaint`` or ``unsubscribe``; *message_id* names the message
        that caused it.
        """
        # In one order for everybody, or two transactions would wait for each other.
        rows = [_row(tenant, address, reason, message_id) for address in sorted(set(addresses))]
        if not rows:
            return []
        statement = _upsert(self._sessions.insert).returning(*suppressions.c)
        async with self._sessions.writing() as connection:
            return (await connection.execute(statement, rows)).all()

    async def find(self, tenant: str, which: UUID | str) -> sa.Row[Any] | None:
        """Return one suppression, or None."""
        query = sa.select(suppressions).where(_are(tenant, [which]))
        async with self._sessions.reading() as connection:
            return (await connection.execute(query)).one_or_none()

    async def page(
        self, tenant: str, page: Page, *, reason: str | None = None
    ) -> tuple[list[sa.Row[Any]], bool]:
        """Return a page of suppressions, the newest first, and whether there are more."""
        query = page.of(sa.select(suppressions).where(suppressions.c.tenant == tenant), suppressions.c.id)
        if reason is not None:
            query = query.where(suppressions.c.reason == reason)
        async with self._sessions.reading() as connection:
            return page.cut((await connection.execute(query)).all())

    async def remove(self, tenant: str, which: Collection[UUID | str]) -> Sequence[sa.Row[Any]]:
        """Remove suppressions, and return the rows of those that were there."""
        statement = sa.delete(suppressions).where(_are(tenant, which)).returning(*suppressions.c)
        async with self._sessions.writing() as connection:
            return (await connection.execute(statement)).all()


def stands_against(reason: str, lane: str) -> bool:
    """Whether a suppression with this reason stands against mail of a lane."""
    return reason != UNSUBSCRIBE or lane == Lane.BULK


async def suppress_told(
    connection: AsyncConnection, insert: Any, told: Iterable[tuple[str, str, str, UUID]]
) -> None:
    """Suppress what providers tell of, inside a transaction: tenant, address, reason, message."""
    strongest: dict[tuple[str, str], dict[str, Any]] = {}
    for tenant, address, reason, message_id in told:
        before = strongest.get((tenant, address))
        if before is None or before["reason"] == UNSUBSCRIBE:
            strongest[tenant, address] = _row(tenant, address, reason, message_id)
    if strongest:
        await connection.execute(_upsert(insert), [strongest[place] for place in sorted(strongest)])


def _row(tenant: str, address: str, reason: str, message_id: UUID | None) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "address": address,
        "id": new_message_id(),
        "reason": reason,
        "message_id": message_id,
    }


def _upsert(insert: Any) -> Any:
    """Keeps a row that is there, but for a stronger reason; and makes RETURNING speak of it."""
    statement = insert(suppressions).values(created_at=moment_in(0))
    weaker = sa.and_(suppressions.c.reason == UNSUBSCRIBE, statement.excluded.reason != UNSUBSCRIBE)
    stronger = {
        name: sa.case((weaker, statement.excluded[name]), else_=suppressions.c[name])
        for name in ("reason", "message_id")
    }
    return statement.on_conflict_do_update(index_elements=["tenant", "address"], set_=stronger)


def _are(tenant: str, which: Collection[UUID | str]) -> sa.ColumnElement[bool]:
    ids = [one for one in which if isinstance(one, UUID)]
    addresses = [one for one in which if isinstance(one, str)]
    named = [
        column.in_(values)
        for column, values in ((suppressions.c.id, ids), (suppressions.c.address, addresses))
        if values
    ]
    return sa.and_(suppressions.c.tenant == tenant, sa.or_(sa.false(), *named))
