"""Callers of tenants of their own, made without a process for each."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.api_keys import ApiKeys
from services.gateway.ledger.database import LedgerAddress, open_engine
from services.gateway.ledger.sessions import Sessions
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission
from tests.flow.system import System


def client_of(
    system: System, tenant: str | None = None, permission: Permission = Permission.FULL
) -> httpx.Client:
    """A client with a new key of a tenant, by default of one that is new, too."""
    key = keys.generate(new_message_id())
    owner = Caller(tenant or f"tenant-{uuid4()}", key.id, permission)
    asyncio.run(_store(system.ledger_url, owner, key.digest))
    return httpx.Client(base_url=system.client.base_url, headers=system.headers(key.text), timeout=10)


async def _store(url: str, owner: Caller, digest: bytes) -> None:
    engine = open_engine(LedgerAddress.parse(url), 5)
    await ApiKeys(Sessions(engine, writing=None)).create(owner, "test", digest)
    await engine.dispose()
