"""The hot insert on PostgreSQL: one ``INSERT … SELECT FROM unnest(…)`` per batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.ledger.writer import Entry

_INSERT = """
INSERT INTO messages (id, tenant, lane, task, arguments, accepted_at, due_at)
SELECT id, tenant, lane, task, arguments, clock_timestamp(), clock_timestamp() + $6 * interval '1 second'
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[])
     AS batch (id, tenant, lane, task, arguments)
"""


_MAY_HAVE_COMMITTED = ("08", "40", "57", "58", "XX")
"""SQLSTATE classes in which the server ends a statement itself, at whatever point it has come to."""


class PostgresqlInsert:
    """Holds one connection of its own, so that slow queries never stand in front of a 202."""

    def __init__(self, dsn: str, *, timeout: float, lease: float) -> None:
        self._dsn = dsn
        self._timeout = timeout
        self._lease = lease
        self._connection: asyncpg.Connection | None = None

    async def insert(self, entries: Sequence[Entry]) -> None:
        """See :class:`~services.gateway.ledger.writer.Insert`."""
        begun = False
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._connected()
                begun = True
                await connection.execute(
                    _INSERT,
                    [entry.id for entry in entries],
                    [entry.tenant for entry in entries],
                    [entry.lane for entry in entries],
                    [entry.task for entry in entries],
                    [entry.arguments for entry in entries],
                    self._lease,
                )
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            raise EntryRefusedError from error
        except asyncpg.PostgresError as error:
            self._discard()
            doubtful = begun and (error.sqlstate or "")[:2] in _MAY_HAVE_COMMITTED
            raise LedgerUnavailableError(unknown=doubtful) from error
        except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            self._discard()
            raise LedgerUnavailableError(unknown=begun) from error

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is None:
            return
        try:
            await self._connection.close(timeout=self._timeout)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._discard()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._dsn, timeout=self._timeout)
        return self._connection

    def _discard(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
