"""The hot insert on SQLite: one ``executemany`` and one fsync per batch, in the driver's thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

import aiosqlite

from services.gateway.ledger.database import PRAGMAS
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.ledger.writer import Entry

_INSERT = """
INSERT INTO messages (id, tenant, lane, task, arguments, accepted_at, due_at)
VALUES (?, ?, ?, ?, ?, strftime('%Y-%m-%d %H:%M:%f', 'now'),
        strftime('%Y-%m-%d %H:%M:%f', 'now', ? || ' seconds'))
"""


class SqliteInsert:
    """Shares ``writing`` with the queries: SQLite has one writer, and waiting here is fairer."""

    def __init__(self, path: str, *, timeout: float, lease: float, writing: asyncio.Lock) -> None:
        self._path = path
        self._timeout = timeout
        self._lease = lease
        self._writing = writing
        self._connection: aiosqlite.Connection | None = None

    async def insert(self, entries: Sequence[Entry]) -> None:
        """See :class:`~services.gateway.ledger.writer.Insert`."""
        rows = [(e.id.hex, e.tenant, e.lane, e.task, e.arguments, self._lease) for e in entries]
        try:
            async with asyncio.timeout(self._timeout):
                await self._writing.acquire()
            try:
                await self._commit(rows)
            finally:
                self._writing.release()
        except (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError) as error:
            raise EntryRefusedError from error
        except (
            OSError,
            TimeoutError,
            sqlite3.Error,
        ) as error:  # locked, disk full, read only: nothing was stored
            raise LedgerUnavailableError(unknown=False) from error

    async def _commit(self, rows: Sequence[tuple[object, ...]]) -> None:
        connection = await self._connected()
        try:
            await connection.executemany(_INSERT, rows)
            await connection.commit()
        except BaseException:
            await connection.rollback()
            raise

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await self._connection.close()

    async def _connected(self) -> aiosqlite.Connection:
        if self._connection is None:
            self._connection = await aiosqlite.connect(self._path)
            for pragma in PRAGMAS:
                await self._connection.execute(pragma)
            await self._connection.execute(f"PRAGMA busy_timeout = {int(self._timeout * 1000)}")
        return self._connection
