"""Claims in SQLite: one transaction per batch, in a thread of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from services.mailer.claims.claims import Beginning, Claim, ClaimsUnavailableError, Settlement, Wish
from services.mailer.claims.rules import not_ours, ours, take_over
from services.mailer.database.sqlite import NOW, SqliteDatabase
from services.mailer.database.table import Table

# Times are Unix seconds; what the columns mean stands in the PostgreSQL store.
_CLAIMS = Table(
    "claims",
    {
        "message_id": "TEXT PRIMARY KEY",
        "state": "TEXT NOT NULL",
        "token": "INTEGER NOT NULL",
        "attempt": "INTEGER NOT NULL",
        "crashed": "INTEGER NOT NULL",
        "doubts": "INTEGER NOT NULL DEFAULT 0",
        "free_at": "REAL",
        "first_at": "REAL NOT NULL",
        "updated_at": "REAL NOT NULL",
        "provider": "TEXT",
        "provider_message_id": "TEXT",
        "reason": "TEXT",
        # Since version 0.3.0:
        "noted": "INTEGER",
        "looking": "INTEGER NOT NULL DEFAULT 0",
        "series": "INTEGER NOT NULL DEFAULT 0",
        "elsewhere": "INTEGER NOT NULL DEFAULT 0",
        "asked_at": "REAL",
        "ended_at": "REAL",
    },
    indexes={"claims_first_at": "first_at"},
    options="WITHOUT ROWID",
)

_TAKE = f"""
INSERT INTO claims (message_id, state, token, noted, attempt, crashed, provider, series,
                    free_at, first_at, asked_at, updated_at)
VALUES (:message_id, 'begun', 1, 1, 1, false, :provider, :series, {NOW} + :lease, {NOW}, {NOW}, {NOW})
{take_over(now=NOW, lease=":lease")}
RETURNING looking, token, attempt, provider, doubts, elsewhere, crashed,
          {NOW} - first_at AS age, {NOW} - asked_at AS asked, {NOW} - ended_at AS quiet
"""  # noqa: S608 - what is put in is text of ours

_LOOK = f"""
SELECT state, free_at - {NOW} AS wait, attempt, provider, provider_message_id, reason, series
FROM claims WHERE message_id = ?
"""  # noqa: S608 - the only thing put in is NOW

_BEGIN = f"""
UPDATE claims SET
    state = 'begun',
    looking = false,
    attempt = attempt + 1,
    provider = :provider,
    doubts = :doubts,
    elsewhere = :elsewhere,
    free_at = {NOW} + :lease,
    asked_at = CASE WHEN provider = :provider THEN asked_at ELSE {NOW} END,
    ended_at = NULL,
    updated_at = {NOW}
WHERE message_id = :message_id AND token = :token AND state = 'begun'
RETURNING attempt
"""  # noqa: S608 - the only thing put in is NOW

_SETTLE = f"""
UPDATE claims SET
    state = :state,
    looking = false,
    doubts = :doubts,
    elsewhere = :elsewhere,
    free_at = {NOW} + :wait,
    ended_at = CASE WHEN state = 'begun' AND NOT looking THEN {NOW} ELSE ended_at END,
    updated_at = {NOW},
    provider = coalesce(:provider, provider),
    provider_message_id = :provider_message_id,
    reason = :reason
WHERE message_id = :message_id AND token = :token
"""  # noqa: S608 - the only thing put in is NOW

_PURGE = f"""
DELETE FROM claims WHERE message_id IN (
    SELECT message_id FROM claims
    WHERE first_at < {NOW} - :older_than AND updated_at < {NOW} - :older_than
      AND (free_at IS NULL OR free_at <= {NOW})
    ORDER BY first_at
    LIMIT :limit
)
"""  # noqa: S608 - the only thing put in is NOW


class SqliteClaims:
    """Claims in a file that the mailers of one machine share."""

    def __init__(self, path: str, *, lease: float) -> None:
        self._lease = lease
        self._database = SqliteDatabase(path, _CLAIMS, ClaimsUnavailableError)

    async def take(self, wishes: Sequence[Wish]) -> list[Claim]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        return await self._database.transaction(lambda db: [self._take(db, wish) for wish in wishes])

    async def begin(self, beginnings: Sequence[Beginning]) -> list[int | None]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        return await self._database.transaction(lambda db: [self._begin(db, each) for each in beginnings])

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        return await self._database.transaction(lambda db: [_settle(db, each) for each in settlements])

    async def purge(self, *, older_than: float, limit: int) -> int:
        """See :class:`~services.mailer.claims.claims.ClaimsStore`."""
        values = {"older_than": older_than, "limit": limit}
        return await self._database.transaction(lambda db: db.execute(_PURGE, values).rowcount)

    async def close(self) -> None:
        """Let go of the connection; the next call makes another one."""
        await self._database.close()

    def _take(self, db: sqlite3.Connection, wish: Wish) -> Claim:
        key = str(wish.message_id)
        values = {
            "message_id": key,
            "provider": wish.provider,
            "series": wish.series,
            "lease": self._lease,
        }
        row = db.execute(_TAKE, values).fetchone()
        if row is not None:
            return ours(wish.message_id, row)
        return not_ours(wish, db.execute(_LOOK, (key,)).fetchone())

    def _begin(self, db: sqlite3.Connection, beginning: Beginning) -> int | None:
        values = {
            "message_id": str(beginning.message_id),
            "token": beginning.token,
            "provider": beginning.provider,
            "doubts": beginning.doubts,
            "elsewhere": beginning.elsewhere,
            "lease": self._lease,
        }
        row = db.execute(_BEGIN, values).fetchone()
        return None if row is None else row["attempt"]


def _settle(db: sqlite3.Connection, settlement: Settlement) -> bool:
    values = {
        "message_id": str(settlement.message_id),
        "token": settlement.token,
        "state": settlement.state,
        "wait": settlement.wait,
        "doubts": settlement.doubts,
        "elsewhere": settlement.elsewhere,
        "provider": settlement.provider,
        "provider_message_id": settlement.provider_message_id,
        "reason": settlement.reason,
    }
    return db.execute(_SETTLE, values).rowcount == 1
