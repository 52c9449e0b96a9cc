"""Transactions on the ledger: bounded in time, with errors in our own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.gateway.ledger.errors import translated


class Sessions:
    """What every query of the gateway goes through, but the hot insert.

    ``timeout`` bounds, in seconds, what a caller of the API waits for an answer.  Either kind of
    transaction raises :class:`LedgerUnavailableError` when the database does not answer, and
    :class:`EntryRefusedError` when it refuses the data itself.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        writing: AbstractAsyncContextManager[Any] | None,
        timeout: float = 1.0,
        on_unavailable: Callable[[], object] = lambda: None,
    ) -> None:
        self._engine = engine
        # SQLite has one writer; PostgreSQL needs no lock of ours.
        self._writing = writing or nullcontext()
        self._timeout = timeout
        self._on_unavailable = on_unavailable
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.insert: Any = sqlite.insert if self.is_sqlite else postgresql.insert
        """The dialect's INSERT, which knows ``ON CONFLICT``."""

    @asynccontextmanager
    async def reading(self, *, patience: float = 1.0) -> AsyncIterator[AsyncConnection]:
        """Open a connection for queries; *patience* multiplies the timeout."""
        with translated(self._on_unavailable):
            async with asyncio.timeout(self._timeout * patience), self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that is committed at the end of the block."""
        with translated(self._on_unavailable):
            async with self._writing, self._engine.begin() as connection:
                if self.is_sqlite:
                    # Python's driver begins only at the first change, too late for what was read before.
                    await connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
