"""The endpoints that tenants want to be told at: where, of what, and what to sign with."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from services.gateway.ledger.paging import Page
from services.gateway.ledger.reporting_tables import webhooks
from services.gateway.ledger.schema import moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.webhooks.schedule import ROTATION

MOST: Final = 100
"""Endpoints of a tenant; each of them makes every event dearer to record."""


class Webhooks:
    """The table of endpoints; every method is one transaction.

    Each raises what :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def create(
        self, tenant: str, webhook_id: UUID, *, endpoint: str, types: Collection[str], secret: str
    ) -> bool:
        """Store an endpoint; False if the tenant has :data:`MOST` of them already."""
        count = sa.select(sa.func.count()).where(webhooks.c.tenant == tenant)
        row = {"id": webhook_id, "tenant": tenant, "endpoint": endpoint, "secret": secret}
        insert = sa.insert(webhooks).values(**row, events=_json(types), created_at=moment_in(0))
        async with self._sessions.writing() as connection:
            if (await connection.execute(count)).scalar_one() >= MOST:
                return False
            await connection.execute(insert)
        return True

    async def find(self, tenant: str, webhook_id: UUID) -> sa.Row[Any] | None:
        """Return the tenant's endpoint, or None."""
        query = sa.select(webhooks).where(_is(tenant, webhook_id))
        async with self._sessions.reading() as connection:
            return (await connection.execute(query)).one_or_none()

    async def page(self, tenant: str, page: Page) -> tuple[list[sa.Row[Any]], bool]:
        """Return a page of the tenant's endpoints, the newest first, and whether there are more."""
        query = page.of(sa.select(webhooks).where(webhooks.c.tenant == tenant), webhooks.c.id)
        async with self._sessions.reading() as connection:
            return page.cut((await connection.execute(query)).all())

    async def change(
        self,
        tenant: str,
        webhook_id: UUID,
        *,
        endpoint: str | None = None,
        types: Collection[str] | None = None,
        status: str | None = None,
    ) -> bool:
        """Change what is given; False if there is no such endpoint.

        One that is enabled, or told of at another place, has failed nobody yet.
        """
        values: dict[str, Any] = {}
        if endpoint is not None:
            values |= {"endpoint": endpoint, "failing_since": None}
        if types is not None:
            values |= {"events": _json(types)}
        if status is not None:
            values |= {"status": status, "disabled_reason": None, "failing_since": None}
        return await self._change(tenant, webhook_id, values or {"id": webhook_id})

    async def rotate(self, tenant: str, webhook_id: UUID, secret: str) -> bool:
        """Sign with *secret* from now on, and for a day with the one before it, too."""
        values = {
            "secret": secret,
            "previous_secret": webhooks.c.secret,
            "previous_secret_until": moment_in(ROTATION),
        }
        return await self._change(tenant, webhook_id, values)

    async def delete(self, tenant: str, webhook_id: UUID) -> bool:
        """Forget an endpoint; what it was still to be told ends as failed when its time comes."""
        async with self._sessions.writing() as connection:
            deleted = await connection.execute(sa.delete(webhooks).where(_is(tenant, webhook_id)))
        return deleted.rowcount == 1

    async def _change(self, tenant: str, webhook_id: UUID, values: dict[str, Any]) -> bool:
        change = sa.update(webhooks).where(_is(tenant, webhook_id)).values(**values)
        async with self._sessions.writing() as connection:
            return (await connection.execute(change)).rowcount == 1


def read_types(column: str) -> list[str]:
    """The types in a row's column ``events``."""
    types: list[str] = json.loads(column)
    return types


def _json(types: Collection[str]) -> str:
    return json.dumps(list(types))


def _is(tenant: str, webhook_id: UUID) -> sa.ColumnElement[bool]:
    return sa.and_(webhooks.c.id == webhook_id, webhooks.c.tenant == tenant)
