"""Asking whether an idempotency key is held, apart from storing anything."""

from __future__ import annotations

import sqlalchemy as sa

from services.gateway.ledger.deposit import Held
from services.gateway.ledger.schema import idempotency_keys, moment_in
from services.gateway.ledger.sessions import Sessions


class HeldKeys:
    """Keys that still count: *retention* is how long one does, in seconds."""

    def __init__(self, sessions: Sessions, *, retention: float) -> None:
        self._sessions = sessions
        self._retention = retention

    async def find(self, tenant: str, key: str) -> Held | None:
        """Return what is held under the tenant's key.  Raises what :class:`Sessions` raises."""
        query = sa.select(idempotency_keys.c.fingerprint, idempotency_keys.c.answer).where(
            idempotency_keys.c.tenant == tenant,
            idempotency_keys.c.key == key,
            idempotency_keys.c.created_at > moment_in(-self._retention),
        )
        async with self._sessions.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Held(row.fingerprint, row.answer)
