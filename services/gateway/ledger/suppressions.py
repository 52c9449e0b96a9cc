"""Whom a tenant's mail must not go to any more."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import moment_in, suppressions
from services.gateway.ledger.sessions import Sessions

# One look into the primary key per pair, whatever a planner thinks of the table's size: the
# LIMIT and the CROSS JOIN keep PostgreSQL and SQLite from reading the whole table instead.
_AMONG_POSTGRESQL = """
SELECT asked.tenant, asked.address FROM unnest($1::text[], $2::text[]) AS asked (tenant, address)
CROSS JOIN LATERAL (
    SELECT FROM suppressions WHERE tenant = asked.tenant AND address = asked.address LIMIT 1
) AS found
"""
_AMONG_SQLITE = """
SELECT tenant, address FROM json_each(?) AS asked CROSS JOIN suppressions
WHERE tenant = json_extract(asked.value, '$[0]') AND address = json_extract(asked.value, '$[1]')
"""


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
        """Suppress some addresses and return their rows; one that is suppressed already stays as it is.

        *reason* is ``manual``, ``bounce`` or ``complaint``; *message_id* names the message that caused it.
        """
        # In one order for everybody, or two transactions would wait for each other.
        rows = [
            {"tenant": tenant, "address": address, "id": new_message_id(), "reason": reason}
            for address in sorted(set(addresses))
        ]
        if not rows:
            return []
        insert = self._sessions.insert(suppressions).values(message_id=message_id, created_at=moment_in(0))
        # Changes nothing, but makes RETURNING speak of rows that were there before.
        kept = insert.on_conflict_do_update(
            index_elements=["tenant", "address"], set_={"address": insert.excluded.address}
        )
        async with self._sessions.writing() as connection:
            return (await connection.execute(kept.returning(*suppressions.c), rows)).all()

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

    async def among(self, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those pairs of tenant and address that are suppressed.

        It stands before every message that is accepted, so it goes to the driver directly: that
        halves its cost.

        Raises:
            LedgerUnavailableError: The database does not answer.
        """
        try:
            async with self._sessions.reading() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                if self._sessions.is_sqlite:
                    rows = await driver.execute_fetchall(_AMONG_SQLITE, (json.dumps(list(pairs)),))
                else:
                    rows = await driver.fetch(_AMONG_POSTGRESQL, *map(list, zip(*pairs, strict=True)))
        except sqlite3.Error as error:
            raise LedgerUnavailableError(unknown=False) from error
        return {(tenant, address) for tenant, address in rows}


def _are(tenant: str, which: Collection[UUID | str]) -> sa.ColumnElement[bool]:
    ids = [one for one in which if isinstance(one, UUID)]
    addresses = [one for one in which if isinstance(one, str)]
    named = [
        column.in_(values)
        for column, values in ((suppressions.c.id, ids), (suppressions.c.address, addresses))
        if values
    ]
    return sa.and_(suppressions.c.tenant == tenant, sa.or_(sa.false(), *named))
