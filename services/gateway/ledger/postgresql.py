"""The hot insert on PostgreSQL: one ``INSERT … SELECT FROM unnest(…)`` per batch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from services.gateway import failpoints
from services.gateway.ledger.deposit import Deposit, Entry, Held, Key, Place, Suppressed, Verdict
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.states import progress

# Ordered, so that two gateways that offer the same keys wait for each other and never in a circle.
_CLAIM = """
INSERT INTO idempotency_keys AS held (tenant, key, fingerprint, answer, created_at)
SELECT tenant, key, fingerprint, answer, clock_timestamp()
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) AS offer (tenant, key, fingerprint, answer)
ORDER BY tenant, key
ON CONFLICT (tenant, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at
   WHERE held.created_at <= clock_timestamp() - $5 * interval '1 second'
RETURNING tenant, key
"""
_HELD = """
SELECT tenant, key, fingerprint, answer
FROM idempotency_keys JOIN unnest($1::text[], $2::text[]) AS lost (tenant, key) USING (tenant, key)
"""
_GIVE_BACK = """
DELETE FROM idempotency_keys
USING unnest($1::text[], $2::text[]) AS back (tenant, key)
WHERE idempotency_keys.tenant = back.tenant AND idempotency_keys.key = back.key
"""
_ANSWER = "UPDATE idempotency_keys SET answer = $3 WHERE tenant = $1 AND key = $2"
# Stores everything, or nothing and says who of the recipients is suppressed; $18 turns the question off.
# It is one look into the primary key per recipient, whatever the planner thinks of the table's size: the
# LIMIT keeps it from reading the whole table instead.
_INSERT = """
WITH looked_up AS MATERIALIZED (
    SELECT * FROM unnest($14::uuid[], $15::text[], $16::text[], $17::text[])
             AS looked_up (message_id, tenant, kind, value)
), suppressed AS MATERIALIZED (
    SELECT tenant, value AS address, reason FROM looked_up CROSS JOIN LATERAL (
        SELECT reason FROM suppressions
        WHERE tenant = looked_up.tenant AND address = looked_up.value LIMIT 1
    ) AS found
    WHERE $18::boolean AND kind = 'recipient'
), batch AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[],
        $7::text[], $8::bigint[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $19::text[]
    ) AS batch (id, tenant, lane, task, arguments, summary,
                status, progress, event, reason, scheduled_at, expires_at, trace)
    WHERE NOT EXISTS (SELECT FROM suppressed)
), stored AS (
    INSERT INTO messages (id, tenant, lane, task, arguments, summary, accepted_at,
                          status, progress, reason, scheduled_at, expires_at, trace, due_at)
    SELECT id, tenant, lane, task, arguments, summary, clock_timestamp(),
           status, progress, reason, scheduled_at, expires_at, trace,
           CASE status WHEN 'suppressed' THEN NULL
                       WHEN 'scheduled' THEN scheduled_at
                       ELSE clock_timestamp() + $13 * interval '1 second' END
    FROM batch
), noted AS (
    INSERT INTO events (message_id, tenant, key, event, actor, at, reason)
    SELECT id, tenant, event, event, 'gateway', clock_timestamp(), reason FROM batch WHERE event IS NOT NULL
), found_by AS (
    INSERT INTO lookups (message_id, tenant, kind, value)
    SELECT message_id, tenant, kind, value FROM looked_up WHERE NOT EXISTS (SELECT FROM suppressed)
)
SELECT tenant, address, reason FROM suppressed
"""

_MAY_HAVE_COMMITTED = ("08", "40", "57", "58", "XX")
"""SQLSTATE classes in which the server ends a statement itself, at whatever point it has come to."""


class PostgresqlInsert:
    """Holds one connection of its own, so that slow queries never stand in front of a 202.

    ``lease`` is how long, in seconds, the relay has before the sweeper looks; ``retention`` how
    long an idempotency key counts.
    """

    def __init__(self, dsn: str, *, timeout: float, lease: float, retention: float) -> None:
        self._dsn = dsn
        self._timeout = timeout
        self._lease = lease
        self._retention = retention
        self._connection: asyncpg.Connection | None = None

    async def insert(self, deposits: Sequence[Deposit]) -> list[Verdict]:
        """See :class:`~services.gateway.ledger.writer.Insert`."""
        begun = False
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._connected()
                begun = True
                return await self._commit(connection, deposits)
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

    async def _commit(self, connection: asyncpg.Connection, deposits: Sequence[Deposit]) -> list[Verdict]:
        offers = [offer for deposit in deposits for offer in deposit.offers()]
        if not offers and not failpoints.expected(
            "g.before_commit"
        ):  # one statement, which is a transaction by itself
            return await self._store(connection, deposits, {})
        async with connection.transaction():
            held = await self._claim(connection, offers) if offers else {}
            verdicts = await self._store(connection, deposits, held)
            if held:
                await self._correct(connection, deposits, verdicts, held)
            if failpoints.armed:
                await failpoints.reached("g.before_commit")
        return verdicts

    async def _claim(
        self, connection: asyncpg.Connection, offers: Iterable[tuple[Place, Key, bytes]]
    ) -> Mapping[Place, Held]:
        """Store the offered keys, and return those that were there before."""
        places, keys, answers = zip(*offers, strict=True)
        tenants, texts = zip(*places, strict=True)
        fingerprints = [key.fingerprint for key in keys]
        won = await connection.fetch(_CLAIM, tenants, texts, fingerprints, answers, self._retention)
        if len(won) == len(places):
            return {}
        lost = set(places).difference(map(tuple, won))
        rows = await connection.fetch(_HELD, *zip(*lost, strict=True))
        return {(tenant, key): Held(fingerprint, answer) for tenant, key, fingerprint, answer in rows}

    async def _correct(
        self,
        connection: asyncpg.Connection,
        deposits: Sequence[Deposit],
        verdicts: Sequence[Verdict],
        held: Mapping[Place, Held],
    ) -> None:
        """Give back keys of deposits that are not stored, and mend answers that changed."""
        for deposit, verdict in zip(deposits, verdicts, strict=True):
            if not verdict.ids:
                if back := [place for place, *_ in deposit.offers() if place not in held]:
                    await connection.execute(_GIVE_BACK, *zip(*back, strict=True))
            elif deposit.key is not None and len(verdict.stored) < len(deposit.entries):
                answer = deposit.answer(verdict.ids)
                await connection.execute(_ANSWER, deposit.tenant, deposit.key.text, answer)

    async def _store(
        self, connection: asyncpg.Connection, deposits: Sequence[Deposit], held: Mapping[Place, Held]
    ) -> list[Verdict]:
        verdicts = [deposit.judge(held) for deposit in deposits]
        if suppressed := await self._insert(connection, verdicts, asking=True):
            verdicts = [deposit.without(suppressed).judge(held) for deposit in deposits]
            await self._insert(connection, verdicts, asking=False)
        return verdicts

    async def _insert(
        self, connection: asyncpg.Connection, verdicts: Iterable[Verdict], *, asking: bool
    ) -> Suppressed:
        """Store the entries; if *asking*, only if none of their recipients is suppressed, else say who is."""
        entries = [entry for verdict in verdicts for entry in verdict.stored]
        if not entries:
            return {}
        traces = _seldom([entry.trace for entry in entries])
        rows = await connection.fetch(
            _INSERT, *_columns(entries), self._lease, *_lookups(entries), asking, traces
        )
        return {(tenant, address): reason for tenant, address, reason in rows}

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._dsn, timeout=self._timeout)
        return self._connection

    def _discard(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _columns(entries: Sequence[Entry]) -> tuple[list[object], ...]:
    return (
        [entry.id for entry in entries],
        [entry.tenant for entry in entries],
        [entry.lane for entry in entries],
        [entry.task for entry in entries],
        [entry.arguments for entry in entries],
        [entry.summary for entry in entries],
        [entry.status for entry in entries],
        [progress(entry.status, 0) or 0 for entry in entries],
        _seldom([entry.event for entry in entries]),
        _seldom([entry.reason for entry in entries]),
        _seldom([entry.scheduled_at for entry in entries]),
        _seldom([entry.expires_at for entry in entries]),
    )


def _seldom(column: list[Any]) -> list[Any]:
    """Leave out a column that says nothing; ``unnest`` makes NULL of what is missing.

    asyncpg looks at every element of an array before it sends one.
    """
    return column if any(value is not None for value in column) else []


def _lookups(entries: Iterable[Entry]) -> tuple[list[UUID], list[str], list[str], list[str]]:
    rows = [(entry, kind, value) for entry in entries for kind, value in entry.lookups]
    return (
        [entry.id for entry, _, _ in rows],
        [entry.tenant for entry, _, _ in rows],
        [kind for _, kind, _ in rows],
        [value for _, _, value in rows],
    )
