"""A connection to PostgreSQL that reconnects by itself and is used by one statement at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from services.mailer.database.table import Table

_TIMEOUT_SECONDS = 5.0
_COMPLETION_SECONDS = 60.0

# The server gives up a little sooner than we do: else a statement that waits for a lock would be
# done after all when its caller has been told that it was not.  The plans must not depend on
# statistics, which a young table has none of: every statement here looks rows up one by one.
_SESSION = """
SET statement_timeout = '4s';
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET jit = off;
"""

_PRESENT = """
SELECT attname::text FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT relname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = to_regclass($1)
"""

# Mailers that start at the same moment complete the table one after the other.  Whoever changes a
# table that is in use waits for its users, and everybody else behind him; so not for long.
_LOCK = """
SET LOCAL statement_timeout = 0;
SELECT pg_advisory_xact_lock(7233169142);
SET LOCAL lock_timeout = '3s';
"""


class PostgresqlDatabase:
    """One table, over one connection.

    ``unavailable`` is the exception that its user's callers know.
    """

    def __init__(
        self, dsn: str, table: Table, unavailable: type[Exception], *, asynchronous: bool = False
    ) -> None:
        self._dsn = dsn
        self._table = table
        self._unavailable = unavailable
        # Without synchronous_commit a crash of the server may take back the last half second.
        self._session = _SESSION + ("SET synchronous_commit = off;" if asynchronous else "")
        self._one_at_a_time = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        """Perform one statement, which is one transaction, and return its rows.

        Raises:
            Exception: ``unavailable``: it was not done, or is not known to be done.
        """
        async with self._one_at_a_time:
            try:
                connection = await self._connected()
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    rows: list[Any] = await connection.fetch(statement, *arguments)
                    return rows
            except (
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
            ) as error:
                self._hang_up()
                raise self._unavailable from error

    async def close(self) -> None:
        """Let go of the connection; the next statement makes another one."""
        async with self._one_at_a_time:
            self._hang_up()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                connection = await asyncpg.connect(self._dsn)
            try:
                await self._prepare(connection)
            except BaseException:
                connection.terminate()
                raise
            self._connection = connection
        return self._connection

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await connection.execute(self._session)
            missing = await self._missing(connection)
        if missing:
            async with asyncio.timeout(_COMPLETION_SECONDS):
                await self._complete(connection)

    async def _missing(self, connection: asyncpg.Connection) -> list[str]:
        present = {name for (name,) in await connection.fetch(_PRESENT, self._table.name)}
        return self._table.completion(present)

    async def _complete(self, connection: asyncpg.Connection) -> None:
        """Make what is missing; a user that may not do so is welcome once nothing is."""
        async with connection.transaction():
            await connection.execute(_LOCK)
            for statement in await self._missing(connection):
                await connection.execute(statement)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
