"""API keys in the ledger: whose they are and what they may do, and of the key itself a hash."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import api_keys, moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.tenants.callers import Caller, Permission

_PERMISSIONS = [permission.value for permission in Permission]
_LIVE = api_keys.c.revoked_at.is_(None)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that is not revoked, as it is compared and used."""

    caller: Caller
    digest: bytes = field(repr=False)


class ApiKeys:
    """The table of API keys; every method is one transaction.

    Each raises what :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def create(self, owner: Caller, name: str, digest: bytes) -> None:
        """Store a new key with the hash *digest*, for callers who will be *owner*."""
        row = {
            "id": owner.key_id,
            "tenant": owner.tenant,
            "name": name,
            "permission": owner.permission.value,
            "domains": json.dumps(sorted(owner.domains)) if owner.domains is not None else None,
            "digest": digest,
            "rate": owner.rate,
        }
        async with self._sessions.writing() as connection:
            await connection.execute(sa.insert(api_keys).values(**row, created_at=moment_in(0)))

    async def find(self, ids: Collection[UUID]) -> Mapping[UUID, StoredKey]:
        """Return those of the keys that exist and are not revoked."""
        query = sa.select(api_keys).where(
            api_keys.c.id.in_(ids),
            _LIVE,
            # A newer gateway may know more permissions; what this one cannot judge it refuses.
            api_keys.c.permission.in_(_PERMISSIONS),
        )
        async with self._sessions.reading() as connection:
            rows = (await connection.execute(query)).all()
        return {row.id: StoredKey(_caller(row), row.digest) for row in rows}

    async def page(self, tenant: str, page: Page) -> tuple[list[sa.Row[Any]], bool]:
        """Return a page of the tenant's keys that are not revoked, and whether there are more."""
        query = page.of(sa.select(api_keys).where(api_keys.c.tenant == tenant, _LIVE), api_keys.c.id)
        async with self._sessions.reading() as connection:
            return page.cut((await connection.execute(query)).all())

    async def overview(self, tenant: str | None = None) -> Sequence[sa.Row[Any]]:
        """Return all keys that are not revoked, of one tenant or, for the operator, of all."""
        query = sa.select(api_keys).where(_LIVE).order_by(api_keys.c.tenant, api_keys.c.id)
        if tenant is not None:
            query = query.where(api_keys.c.tenant == tenant)
        async with self._sessions.reading() as connection:
            return (await connection.execute(query)).all()

    async def rename(self, tenant: str, key_id: UUID, name: str) -> bool:
        """Give the tenant's key another name; False if there is no such key."""
        return await self._change(tenant, key_id, name=name)

    async def revoke(self, tenant: str, key_id: UUID) -> bool:
        """Make the tenant's key worthless, for ever; False if there is no such key."""
        return await self._change(tenant, key_id, revoked_at=moment_in(0))

    async def touch(self, ids: Collection[UUID]) -> None:
        """Note that these keys have just been used."""
        # Locked in one order, or two gateways that note the same keys would deadlock.
        noted = sa.select(api_keys.c.id).where(api_keys.c.id.in_(ids)).order_by(api_keys.c.id)
        used = sa.update(api_keys).where(api_keys.c.id.in_(noted.with_for_update()))
        async with self._sessions.writing() as connection:
            await connection.execute(used.values(last_used_at=moment_in(0)))

    async def _change(self, tenant: str, key_id: UUID, **values: Any) -> bool:
        own = sa.and_(api_keys.c.id == key_id, api_keys.c.tenant == tenant, _LIVE)
        async with self._sessions.writing() as connection:
            return (await connection.execute(sa.update(api_keys).where(own).values(**values))).rowcount == 1


def read_domains(column: str | None) -> list[str] | None:
    """The domains in a row's column of that name, in order; None for any."""
    domains: list[str] | None = json.loads(column) if column is not None else None
    return domains


def _caller(row: sa.Row[Any]) -> Caller:
    domains = read_domains(row.domains)
    allowed = frozenset(domains) if domains is not None else None
    return Caller(row.tenant, row.id, Permission(row.permission), allowed, row.rate)
