"""A mailer of version 0.2.0, as far as the claims can tell: its table and its statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

_POSTGRESQL_TABLE = """
CREATE TABLE IF NOT EXISTS claims (
    message_id uuid PRIMARY KEY,
    state text NOT NULL,
    token bigint NOT NULL,
    attempt integer NOT NULL,
    crashed boolean NOT NULL,
    doubts integer NOT NULL DEFAULT 0,
    free_at timestamptz,
    first_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    provider text,
    provider_message_id text,
    reason text
)
"""
_SQLITE_TABLE = """
CREATE TABLE IF NOT EXISTS claims (
    message_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    token INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    crashed INTEGER NOT NULL,
    doubts INTEGER NOT NULL DEFAULT 0,
    free_at REAL,
    first_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    provider TEXT,
    provider_message_id TEXT,
    reason TEXT
) WITHOUT ROWID
"""
_TAKE = """
INSERT INTO claims (message_id, state, token, attempt, crashed, free_at, first_at, updated_at)
VALUES ({id}, 'begun', 1, 1, false, {now} + {lease}, {now}, {now})
ON CONFLICT (message_id) DO UPDATE SET
    state = 'begun',
    token = claims.token + 1,
    attempt = claims.attempt + 1,
    crashed = claims.state = 'begun',
    doubts = claims.doubts + CASE WHEN claims.state IN ('begun', 'uncertain') THEN 1 ELSE 0 END,
    free_at = excluded.free_at,
    updated_at = excluded.updated_at
WHERE claims.free_at <= {now}
RETURNING token, attempt, crashed, doubts
"""
_LOOK = "SELECT state FROM claims WHERE message_id = {id}"
_SETTLE = """
UPDATE claims SET state = {state}, free_at = {now} + {wait}, updated_at = {now}, provider = {provider},
    provider_message_id = NULL, reason = NULL
WHERE message_id = {id} AND token = {token}
RETURNING token
"""
_STATES = {"begun", "deferred", "uncertain", "sent", "failed", "suppressed", "expired", "held"}
_POSTGRESQL_WORDS = {
    "id": "$1::uuid",
    "now": "clock_timestamp()",
    "lease": "$2::float8 * interval '1 second'",
    "token": "$2::bigint",
    "state": "$3::text",
    "wait": "$4::float8 * interval '1 second'",
    "provider": "$5::text",
}
_SQLITE_WORDS = {
    "id": "?1",
    "now": "((julianday('now') - 2440587.5) * 86400.0)",
    "lease": "?2",
    "token": "?2",
    "state": "?3",
    "wait": "?4",
    "provider": "?5",
}


class OldMailer:
    """Takes and settles one message at a time."""

    def __init__(self, url: str, lease: float) -> None:
        self._url = url
        self._lease = lease
        self._is_postgresql = url.startswith("postgresql")

    async def start(self) -> None:
        """Make the table, unless there is one."""
        await self._perform(_POSTGRESQL_TABLE if self._is_postgresql else _SQLITE_TABLE)

    async def take(self, message_id: UUID) -> Mapping[str, Any] | None:
        """Give what the claim says; None if it is busy or settled.

        Raises:
            ValueError: The table holds a state that it does not know.
        """
        if rows := await self._perform(_TAKE, message_id, self._lease):
            return dict(rows[0])
        (looked,) = await self._perform(_LOOK, message_id)
        if looked["state"] not in _STATES:
            raise ValueError(looked["state"])
        return None

    async def settle(
        self, message_id: UUID, token: int, state: str, wait: float | None = None, provider: str = "sendgrid"
    ) -> bool:
        """Write an outcome down; False if the token has moved on."""
        return bool(await self._perform(_SETTLE, message_id, token, state, wait, provider))

    async def _perform(self, statement: str, *values: object) -> list[Any]:
        text = statement.format(**(_POSTGRESQL_WORDS if self._is_postgresql else _SQLITE_WORDS))
        if self._is_postgresql:
            connection = await asyncpg.connect(self._url)
            try:
                return list(await connection.fetch(text, *values))
            finally:
                await connection.close()
        db = sqlite3.connect(self._url.removeprefix("sqlite:///"), isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            return db.execute(text, [str(v) if isinstance(v, UUID) else v for v in values]).fetchall()
        finally:
            db.close()
