"""Who is logged in at the dashboard: kept in the ledger, so that every gateway knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa

from services.gateway.ledger.dashboard_tables import dashboard_sessions
from services.gateway.ledger.schema import NOW, moment_in
from services.gateway.ledger.sessions import Sessions


@dataclass(frozen=True, slots=True)
class StoredSession:
    """Which API key a session stands for."""

    key_id: UUID
    key_digest: bytes = field(repr=False)


class DashboardSessions:
    """The table; every method is one transaction, by the hash of what the browser holds.

    Each raises what :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def open(self, digest: bytes, stored: StoredSession, *, seconds: float) -> None:
        """Begin a session that ends in so many *seconds*; forget those that have ended."""
        row = {"digest": digest, "key_id": stored.key_id, "key_digest": stored.key_digest}
        ended = sa.delete(dashboard_sessions).where(dashboard_sessions.c.expires_at <= NOW)
        async with self._sessions.writing() as connection:
            await connection.execute(ended)
            insert = sa.insert(dashboard_sessions).values(**row, expires_at=moment_in(seconds))
            await connection.execute(insert)

    async def find(self, digest: bytes) -> StoredSession | None:
        """Return the session, if there is one and it has not ended."""
        columns = sa.select(dashboard_sessions.c.key_id, dashboard_sessions.c.key_digest)
        query = columns.where(dashboard_sessions.c.digest == digest, dashboard_sessions.c.expires_at > NOW)
        async with self._sessions.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else StoredSession(row.key_id, row.key_digest)

    async def close(self, digest: bytes) -> None:
        """End a session."""
        async with self._sessions.writing() as connection:
            await connection.execute(
                sa.delete(dashboard_sessions).where(dashboard_sessions.c.digest == digest)
            )
