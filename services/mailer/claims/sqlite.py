"""Claims in SQLite: one transaction per batch, in a thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from services.mailer.claims.claims import (
    Claim,
    ClaimsUnavailableError,
    Granted,
    Settled,
    Settlement,
    State,
    waiting,
)

T = TypeVar("T")

_NOW = "((julianday('now') - 2440587.5) * 86400.0)"  # Unix seconds; unixepoch() cannot do fractions here

_SCHEMA = """
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

_TAKE = f"""
INSERT INTO claims (message_id, state, token, attempt, crashed, free_at, first_at, updated_at)
VALUES (:id, 'begun', 1, 1, 0, {_NOW} + :lease, {_NOW}, {_NOW})
ON CONFLICT (message_id) DO UPDATE SET
    state = 'begun',
    token = claims.token + 1,
    attempt = claims.attempt + 1,
    crashed = claims.state = 'begun',
    doubts = claims.doubts + (claims.state IN ('begun', 'uncertain')),
    free_at = excluded.free_at,
    updated_at = excluded.updated_at
WHERE claims.free_at <= {_NOW}
RETURNING token, attempt, crashed, {_NOW} - first_at, doubts
"""  # noqa: S608 - the only thing put in is _NOW above

_LOOK = f"""
SELECT free_at - {_NOW}, state, attempt, provider, provider_message_id, reason
FROM claims WHERE message_id = ?
"""  # noqa: S608 - the only thing put in is _NOW above

_SETTLE = f"""
UPDATE claims SET state = ?, free_at = {_NOW} + ?, updated_at = {_NOW}, provider = ?,
    provider_message_id = ?, reason = ?
WHERE message_id = ? AND token = ?
"""  # noqa: S608 - the only thing put in is _NOW above

_BUSY_TIMEOUT_SECONDS = 5.0


class SqliteClaims:
    """One connection; several mailers on one machine may share the file."""

    def __init__(self, path: str, *, lease: float) -> None:
        self._path = path
        self._lease = lease
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="claims")
        self._connection: sqlite3.Connection | None = None

    async def take(self, ids: Sequence[UUID]) -> list[Claim]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        return await self._transaction(lambda db: [self._take_one(db, message_id) for message_id in ids])

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        return await self._transaction(lambda db: [_settle_one(db, settlement) for settlement in settlements])

    def _take_one(self, db: sqlite3.Connection, message_id: UUID) -> Claim:
        row = db.execute(_TAKE, {"id": str(message_id), "lease": self._lease}).fetchone()
        if row is not None:
            token, attempt, crashed, age, doubts = row
            return Granted(message_id, token, attempt, bool(crashed), age, doubts)
        wait, state, attempt, *details = db.execute(_LOOK, (str(message_id),)).fetchone()
        if wait is not None:
            return waiting(State(state), wait)
        return Settled(State(state), attempt, *details)

    async def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._connected() as db:  # commits, or rolls back
                db.execute("BEGIN IMMEDIATE")
                return work(db)
        except (OSError, sqlite3.Error) as error:
            raise ClaimsUnavailableError from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            # Only the one thread of the executor ever uses it.
            db = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None)
            _switch_to_wal(db)
            db.execute("PRAGMA synchronous = FULL")  # a claim that a power cut forgets is a doubled e-mail
            db.execute(_SCHEMA)
            self._connection = db
        return self._connection


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


def _settle_one(db: sqlite3.Connection, settlement: Settlement) -> bool:
    s = settlement
    values = (s.state, s.wait, s.provider, s.provider_message_id, s.reason, str(s.message_id), s.token)
    return db.execute(_SETTLE, values).rowcount == 1
