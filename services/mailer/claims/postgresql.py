"""Claims in PostgreSQL: one round trip, one commit per batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.mailer.claims.claims import (
    Busy,
    Claim,
    ClaimsUnavailableError,
    Granted,
    Settled,
    Settlement,
    State,
    waiting,
)

# Expand only: a mailer of the version before may still be running on this table.
_SCHEMA = """
SELECT pg_advisory_xact_lock(7233169142);
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
);
"""

# free_at: begun, the end of the lease; deferred or uncertain, when the next attempt is due; else NULL.
_TAKE = """
WITH taken AS (
    INSERT INTO claims (message_id, state, token, attempt, crashed, free_at, first_at, updated_at)
    SELECT id, 'begun', 1, 1, false, clock_timestamp() + $2 * interval '1 second', clock_timestamp(),
           clock_timestamp()
    FROM unnest($1::uuid[]) AS batch (id)
    ORDER BY id
    ON CONFLICT (message_id) DO UPDATE SET
        state = 'begun',
        token = claims.token + 1,
        attempt = claims.attempt + 1,
        crashed = claims.state = 'begun',
        doubts = claims.doubts + (claims.state IN ('begun', 'uncertain'))::integer,
        free_at = excluded.free_at,
        updated_at = excluded.updated_at
    WHERE claims.free_at <= clock_timestamp()
    RETURNING message_id, token, attempt, crashed, doubts,
              extract(epoch FROM clock_timestamp() - first_at) AS age
)
SELECT message_id, true AS granted, token, attempt, crashed, doubts, age::float8 AS seconds,
       NULL AS state, NULL AS provider, NULL AS provider_message_id, NULL AS reason
FROM taken
UNION ALL
SELECT message_id, false, token, attempt, crashed, doubts,
       extract(epoch FROM free_at - clock_timestamp())::float8,
       state, provider, provider_message_id, reason
FROM claims WHERE message_id = ANY ($1::uuid[]) AND message_id NOT IN (SELECT message_id FROM taken)
"""

_SETTLE = """
UPDATE claims SET
    state = batch.state,
    free_at = clock_timestamp() + batch.wait * interval '1 second',
    updated_at = clock_timestamp(),
    provider = batch.provider,
    provider_message_id = batch.provider_message_id,
    reason = batch.reason
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::float8[], $5::text[], $6::text[], $7::text[])
     AS batch (message_id, token, state, wait, provider, provider_message_id, reason)
WHERE claims.message_id = batch.message_id AND claims.token = batch.token
RETURNING claims.message_id, claims.token
"""

_TIMEOUT_SECONDS = 5.0


class PostgresqlClaims:
    """One connection, used by one statement at a time; reconnects by itself."""

    def __init__(self, dsn: str, *, lease: float) -> None:
        self._dsn = dsn
        self._lease = lease
        self._one_at_a_time = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None

    async def take(self, ids: Sequence[UUID]) -> list[Claim]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        rows = await self._fetch(_TAKE, list(ids), self._lease)
        claims = {row["message_id"]: _claim(row) for row in rows}
        # Not there: another mailer inserted it between the two halves of the statement.
        return [claims.get(message_id, Busy(wait=1.0)) for message_id in ids]

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        rows = await self._fetch(
            _SETTLE,
            [s.message_id for s in settlements],
            [s.token for s in settlements],
            [s.state for s in settlements],
            [s.wait for s in settlements],
            [s.provider for s in settlements],
            [s.provider_message_id for s in settlements],
            [s.reason for s in settlements],
        )
        written = {(row["message_id"], row["token"]) for row in rows}
        return [(s.message_id, s.token) in written for s in settlements]

    async def _fetch(self, statement: str, *arguments: object) -> list[Any]:
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    connection = await self._connected()
                    rows: list[Any] = await connection.fetch(statement, *arguments)
                    return rows
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                raise ClaimsUnavailableError from error

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._dsn)
            # Only the first mailer ever needs the right to create the table.
            if await self._connection.fetchval("SELECT to_regclass('claims')") is None:
                await self._connection.execute(_SCHEMA)
        return self._connection


def _claim(row: Any) -> Claim:
    if row["granted"]:
        return Granted(
            row["message_id"],
            row["token"],
            row["attempt"],
            row["crashed"],
            row["seconds"],
            row["doubts"],
        )
    if row["seconds"] is not None:
        return waiting(State(row["state"]), row["seconds"])
    return Settled(
        State(row["state"]),
        row["attempt"],
        row["provider"],
        row["provider_message_id"],
        row["reason"],
    )
