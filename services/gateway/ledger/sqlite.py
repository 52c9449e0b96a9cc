"""The hot insert on SQLite: ``executemany`` and one fsync per batch, in the driver's thread."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import aiosqlite

from services.gateway import failpoints
from services.gateway.ledger.database import PRAGMAS
from services.gateway.ledger.deposit import Deposit, Entry, Held, Key, Place, Suppressed, Verdict
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.states import progress

_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
_INSERT = f"""
INSERT INTO messages (id, tenant, lane, task, arguments, summary, accepted_at,
                      status, progress, reason, scheduled_at, expires_at, trace, due_at)
VALUES (:id, :tenant, :lane, :task, :arguments, :summary, {_NOW},
        :status, :progress, :reason, :scheduled_at, :expires_at, :trace,
        CASE :status WHEN 'suppressed' THEN NULL
                     WHEN 'scheduled' THEN :scheduled_at
                     ELSE strftime('%Y-%m-%d %H:%M:%f', 'now', :lease || ' seconds') END)
"""  # noqa: S608 - nothing but our own words
_NOTE = f"""
INSERT INTO events (message_id, tenant, key, event, actor, at, reason)
VALUES (:id, :tenant, :event, :event, 'gateway', {_NOW}, :reason)
"""  # noqa: S608 - likewise
_LOOKUP = "INSERT INTO lookups (message_id, tenant, kind, value) VALUES (?, ?, ?, ?)"
# The CROSS JOIN keeps SQLite from reading the whole table.
_SUPPRESSED = """
SELECT tenant, address, reason FROM json_each(?) AS asked CROSS JOIN suppressions
WHERE tenant = asked.value ->> 0 AND address = asked.value ->> 1
"""
_CLAIM = f"""
INSERT INTO idempotency_keys AS held (tenant, key, fingerprint, answer, created_at)
VALUES (?, ?, ?, ?, {_NOW})
ON CONFLICT (tenant, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at
   WHERE held.created_at <= strftime('%Y-%m-%d %H:%M:%f', 'now', ? || ' seconds')
"""  # noqa: S608 - likewise
_HELD = """
SELECT tenant, key, fingerprint, answer FROM idempotency_keys
WHERE (tenant, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))
"""
_GIVE_BACK = "DELETE FROM idempotency_keys WHERE tenant = ? AND key = ?"
_ANSWER = "UPDATE idempotency_keys SET answer = ? WHERE tenant = ? AND key = ?"


class SqliteInsert:
    """Shares ``writing`` with the queries: SQLite has one writer, and waiting here is fairer.

    ``lease`` is how long, in seconds, the relay has before the sweeper looks; ``retention`` how
    long an idempotency key counts.
    """

    def __init__(
        self, path: str, *, timeout: float, lease: float, retention: float, writing: asyncio.Lock
    ) -> None:
        self._path = path
        self._timeout = timeout
        self._lease = lease
        self._retention = retention
        self._writing = writing
        self._connection: aiosqlite.Connection | None = None

    async def insert(self, deposits: Sequence[Deposit]) -> list[Verdict]:
        """See :class:`~services.gateway.ledger.writer.Insert`."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._writing.acquire()
            try:
                return await self._commit(deposits)
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

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await self._connection.close()

    async def _commit(self, deposits: Sequence[Deposit]) -> list[Verdict]:
        connection = await self._connected()
        try:
            held = await self._claim(connection, [offer for one in deposits for offer in one.offers()])
            if suppressed := await self._suppressed(connection, deposits):
                deposits = [deposit.without(suppressed) for deposit in deposits]
            verdicts = [deposit.judge(held) for deposit in deposits]
            if held:
                await self._correct(connection, deposits, verdicts, held)
            await self._store(connection, [entry for verdict in verdicts for entry in verdict.stored])
            if failpoints.armed:
                await failpoints.reached("g.before_commit")
            await connection.commit()
        except BaseException:
            await connection.rollback()
            raise
        return verdicts

    async def _claim(
        self, connection: aiosqlite.Connection, offers: Sequence[tuple[Place, Key, bytes]]
    ) -> Mapping[Place, Held]:
        """Store the offered keys, and return those that were there before."""
        if not offers:
            return {}
        rows = [(*place, key.fingerprint, answer, -self._retention) for place, key, answer in offers]
        await connection.executemany(_CLAIM, rows)
        offered = {place: answer for place, _, answer in offers}
        kept = await connection.execute_fetchall(_HELD, (json.dumps([*offered]),))
        # An answer holds new ids, so what is kept under the key is ours only if it is that very answer.
        return {
            (tenant, key): Held(fingerprint, answer)
            for tenant, key, fingerprint, answer in kept
            if answer != offered[tenant, key]
        }

    async def _suppressed(self, connection: aiosqlite.Connection, deposits: Iterable[Deposit]) -> Suppressed:
        """Say who of the recipients is suppressed, and why."""
        everybody = {
            (entry.tenant, value)
            for deposit in deposits
            for entry in deposit.entries
            for kind, value in entry.lookups
            if kind == "recipient"
        }
        rows = await connection.execute_fetchall(_SUPPRESSED, (json.dumps([*everybody]),))
        return {(tenant, address): reason for tenant, address, reason in rows}

    async def _correct(
        self,
        connection: aiosqlite.Connection,
        deposits: Sequence[Deposit],
        verdicts: Sequence[Verdict],
        held: Mapping[Place, Held],
    ) -> None:
        """Give back keys of deposits that are not stored, and mend answers that changed."""
        for deposit, verdict in zip(deposits, verdicts, strict=True):
            if not verdict.ids:
                back = [place for place, *_ in deposit.offers() if place not in held]
                await connection.executemany(_GIVE_BACK, back)
            elif deposit.key is not None and len(verdict.stored) < len(deposit.entries):
                answer = deposit.answer(verdict.ids)
                await connection.execute(_ANSWER, (answer, deposit.tenant, deposit.key.text))

    async def _store(self, connection: aiosqlite.Connection, entries: Sequence[Entry]) -> None:
        rows = [self._row(entry) for entry in entries]
        await connection.executemany(_INSERT, rows)
        if noted := [row for row in rows if row["event"] is not None]:
            await connection.executemany(_NOTE, noted)
        await connection.executemany(_LOOKUP, _lookups(entries))

    def _row(self, entry: Entry) -> dict[str, object]:
        return {
            "id": entry.id.hex,
            "tenant": entry.tenant,
            "lane": entry.lane,
            "task": entry.task,
            "arguments": entry.arguments,
            "summary": entry.summary,
            "status": entry.status,
            "progress": progress(entry.status, 0) or 0,
            "event": entry.event,
            "reason": entry.reason,
            "scheduled_at": _moment(entry.scheduled_at),
            "expires_at": _moment(entry.expires_at),
            "trace": entry.trace,
            "lease": self._lease,
        }

    async def _connected(self) -> aiosqlite.Connection:
        if self._connection is None:
            self._connection = await aiosqlite.connect(self._path)
            for pragma in PRAGMAS:
                await self._connection.execute(pragma)
            await self._connection.execute(f"PRAGMA busy_timeout = {int(self._timeout * 1000)}")
        return self._connection


def _lookups(entries: Iterable[Entry]) -> list[tuple[str, str, str, str]]:
    return [(entry.id.hex, entry.tenant, kind, value) for entry in entries for kind, value in entry.lookups]


def _moment(moment: datetime | None) -> str | None:
    """The form that SQLAlchemy reads, and that compares as text with ``strftime`` above."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
