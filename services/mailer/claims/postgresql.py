"""Claims in PostgreSQL: one round trip, one commit per batch."""

from __future__ import annotations

from collections.abc import Sequence

from services.mailer.claims.claims import (
    Beginning,
    Busy,
    Claim,
    ClaimsUnavailableError,
    Settlement,
    Wish,
)
from services.mailer.claims.rules import not_ours, ours, take_over
from services.mailer.database.postgresql import PostgresqlDatabase
from services.mailer.database.table import Table

# free_at: begun, the end of the lease; deferred or uncertain, when the next attempt is due; else NULL.
_CLAIMS = Table(
    "claims",
    {
        "message_id": "uuid PRIMARY KEY",
        "state": "text NOT NULL",
        "token": "bigint NOT NULL",
        "attempt": "integer NOT NULL",
        "crashed": "boolean NOT NULL",
        "doubts": "integer NOT NULL DEFAULT 0",
        "free_at": "timestamptz",
        "first_at": "timestamptz NOT NULL",
        "updated_at": "timestamptz NOT NULL",
        "provider": "text",
        "provider_message_id": "text",
        "reason": "text",
        # Since version 0.3.0:
        "noted": "bigint",
        "looking": "boolean NOT NULL DEFAULT false",
        "series": "integer NOT NULL DEFAULT 0",
        "elsewhere": "integer NOT NULL DEFAULT 0",
        "asked_at": "timestamptz",
        "ended_at": "timestamptz",
    },
    # For the purge.  Not updated_at: an index over what every statement changes makes every statement
    # write to all indexes.  Building it keeps other mailers waiting; a million rows take 1.5 s.
    indexes={"claims_first_at": "first_at"},
    # Room in each page for the next version of its rows, so that settling need not write to the indexes.
    options="WITH (fillfactor = 60)",
)

_NOW = "clock_timestamp()"

_TAKE = f"""
WITH taken AS (
    INSERT INTO claims (message_id, state, token, noted, attempt, crashed, provider, series,
                        free_at, first_at, asked_at, updated_at)
    SELECT message_id, 'begun', 1, 1, 1, false, provider, series,
           {_NOW} + $4 * interval '1 second', {_NOW}, {_NOW}, {_NOW}
    FROM unnest($1::uuid[], $2::text[], $3::integer[]) AS batch (message_id, provider, series)
    ORDER BY message_id
    {take_over(now=_NOW, lease="$4 * interval '1 second'")}
    RETURNING *
)
SELECT message_id, true AS taken, looking, token, attempt, provider, doubts, elsewhere, crashed,
       extract(epoch FROM {_NOW} - first_at)::float8 AS age,
       extract(epoch FROM {_NOW} - asked_at)::float8 AS asked,
       extract(epoch FROM {_NOW} - ended_at)::float8 AS quiet,
       NULL AS state, NULL AS wait, NULL AS provider_message_id, NULL AS reason, NULL AS series
FROM taken
UNION ALL
SELECT message_id, false, NULL, NULL, attempt, provider, NULL, NULL, NULL, NULL, NULL, NULL,
       state, extract(epoch FROM free_at - {_NOW})::float8, provider_message_id, reason, series
FROM claims WHERE message_id = ANY ($1::uuid[]) AND message_id NOT IN (SELECT message_id FROM taken)
"""  # noqa: S608 - what is put in is text of ours

_BEGIN = f"""
UPDATE claims SET
    state = 'begun',
    looking = false,
    attempt = claims.attempt + 1,
    provider = batch.provider,
    doubts = batch.doubts,
    elsewhere = batch.elsewhere,
    free_at = {_NOW} + $6 * interval '1 second',
    asked_at = CASE WHEN claims.provider = batch.provider THEN claims.asked_at ELSE {_NOW} END,
    ended_at = NULL,
    updated_at = {_NOW}
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::integer[], $5::integer[])
     AS batch (message_id, token, provider, doubts, elsewhere)
WHERE claims.message_id = batch.message_id AND claims.token = batch.token AND claims.state = 'begun'
RETURNING claims.message_id, claims.token, claims.attempt
"""  # noqa: S608 - the only thing put in is _NOW above

_SETTLE = f"""
UPDATE claims SET
    state = batch.state,
    looking = false,
    doubts = batch.doubts,
    elsewhere = batch.elsewhere,
    free_at = {_NOW} + batch.wait * interval '1 second',
    ended_at = CASE WHEN claims.state = 'begun' AND NOT claims.looking THEN {_NOW} ELSE claims.ended_at END,
    updated_at = {_NOW},
    provider = coalesce(batch.provider, claims.provider),
    provider_message_id = batch.provider_message_id,
    reason = batch.reason
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::float8[], $5::text[], $6::text[], $7::text[],
            $8::integer[], $9::integer[])
     AS batch (message_id, token, state, wait, provider, provider_message_id, reason, doubts, elsewhere)
WHERE claims.message_id = batch.message_id AND claims.token = batch.token
RETURNING claims.message_id, claims.token
"""  # noqa: S608 - the only thing put in is _NOW above

# now(), unlike clock_timestamp(), can be looked up in an index.
_PURGE = """
DELETE FROM claims WHERE message_id IN (
    SELECT message_id FROM claims
    WHERE first_at < now() - $1 * interval '1 second'
      AND updated_at < now() - $1 * interval '1 second'
      AND (free_at IS NULL OR free_at <= now())
    ORDER BY first_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING message_id
"""


class PostgresqlClaims:
    """Claims in a database that any number of mailers share."""

    def __init__(self, dsn: str, *, lease: float) -> None:
        self._lease = lease
        self._database = PostgresqlDatabase(dsn, _CLAIMS, ClaimsUnavailableError)

    async def take(self, wishes: Sequence[Wish]) -> list[Claim]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        columns = ([w.message_id for w in wishes], [w.provider for w in wishes], [w.series for w in wishes])
        rows = {r["message_id"]: r for r in await self._database.fetch(_TAKE, *columns, self._lease)}
        claims: list[Claim] = []
        for wish in wishes:
            row = rows.get(wish.message_id)
            if row is None:
                # Another mailer inserted it between the two halves of the statement.
                claims.append(Busy(wait=1.0))
            else:
                claims.append(ours(wish.message_id, row) if row["taken"] else not_ours(wish, row))
        return claims

    async def begin(self, beginnings: Sequence[Beginning]) -> list[int | None]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        batch = sorted(beginnings, key=lambda b: b.message_id)
        rows = await self._database.fetch(
            _BEGIN,
            [b.message_id for b in batch],
            [b.token for b in batch],
            [b.provider for b in batch],
            [b.doubts for b in batch],
            [b.elsewhere for b in batch],
            self._lease,
        )
        begun = {(row["message_id"], row["token"]): row["attempt"] for row in rows}
        return [begun.get((b.message_id, b.token)) for b in beginnings]

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        # Sorted, as in take: two mailers that lock the same rows do so in the same order.
        batch = sorted(settlements, key=lambda s: s.message_id)
        rows = await self._database.fetch(
            _SETTLE,
            [s.message_id for s in batch],
            [s.token for s in batch],
            [s.state for s in batch],
            [s.wait for s in batch],
            [s.provider for s in batch],
            [s.provider_message_id for s in batch],
            [s.reason for s in batch],
            [s.doubts for s in batch],
            [s.elsewhere for s in batch],
        )
        written = {(row["message_id"], row["token"]) for row in rows}
        return [(s.message_id, s.token) in written for s in settlements]

    async def purge(self, *, older_than: float, limit: int) -> int:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        return len(await self._database.fetch(_PURGE, older_than, limit))

    async def close(self) -> None:
        """Let go of the connection; the next call makes another one."""
        await self._database.close()
