"""A connection to SQLite in a thread of its own; several mailers on one machine may share the file."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from services.mailer.database.table import Table

T = TypeVar("T")

NOW = "((julianday('now') - 2440587.5) * 86400.0)"
"""Unix seconds, the same throughout a statement; unixepoch() cannot do fractions everywhere."""

_BUSY_TIMEOUT_SECONDS = 5.0
_POLL_MILLISECONDS = 2

_PRESENT = "SELECT name FROM pragma_table_info(?1) UNION ALL SELECT name FROM pragma_index_list(?1)"


class SqliteDatabase:
    """One table, over one connection.

    ``unavailable`` is the exception that its user's callers know.
    """

    def __init__(
        self, path: str, table: Table, unavailable: type[Exception], *, asynchronous: bool = False
    ) -> None:
        self._path = path
        self._table = table
        self._unavailable = unavailable
        # NORMAL syncs at checkpoints only: a power cut may take back the last commits.
        self._synchronous = "NORMAL" if asynchronous else "FULL"
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=table.name)
        self._connection: sqlite3.Connection | None = None

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Perform ``work`` in one transaction, and return its result.

        Raises:
            Exception: ``unavailable``: it was not done, or is not known to be done.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def close(self) -> None:
        """Let go of the connection; the next transaction makes another one."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._hang_up)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._connected() as db:  # commits, or rolls back
                _begin(db)
                return work(db)
        except (OSError, sqlite3.Error) as error:
            self._hang_up()
            raise self._unavailable from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            # Only the one thread of the executor ever uses it.
            self._connection = sqlite3.connect(
                self._path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None
            )
            self._connection.row_factory = sqlite3.Row
            _switch_to_wal(self._connection)
            self._connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            self._complete(self._connection)
            self._connection.execute(f"PRAGMA busy_timeout = {_POLL_MILLISECONDS}")
        return self._connection

    def _complete(self, connection: sqlite3.Connection) -> None:
        """Make what is missing; mailers that start at the same moment do so one after the other."""
        if not self._missing(connection):
            return
        with connection as db:
            db.execute("BEGIN IMMEDIATE")
            for statement in self._missing(db):
                db.execute(statement)

    def _missing(self, db: sqlite3.Connection) -> list[str]:
        return self._table.completion({name for (name,) in db.execute(_PRESENT, (self._table.name,))})

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _begin(db: sqlite3.Connection) -> None:
    """Wait for the right to write; SQLite looks ever more seldom, and misses the gaps of busy hours."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_SECONDS
    while True:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        else:
            return


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """SQLite does not wait for others here, so a second mailer that starts now has to try again."""
    deadline = time.monotonic() + _BUSY_TIMEOUT_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
