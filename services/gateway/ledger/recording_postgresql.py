"""Recording on PostgreSQL: each step is one statement over arrays, however large the batch is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.moves import Move

_NAMED: Final = """
SELECT provider, provider_message_id, id FROM messages WHERE provider_message_id = ANY($1::text[])
"""
_KNOWN: Final = """
SELECT id, tenant, accepted_at, scheduled_at, coalesce(summary, ''::bytea), trace FROM messages
WHERE id = ANY($1::uuid[])
"""
_APPEND: Final = """
INSERT INTO events (message_id, key, event, actor, at, attempt, provider, provider_message_id,
                    reason, retry_at, recipient, tenant)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::integer[],
                     $7::text[], $8::text[], $9::text[], $10::timestamptz[], $11::text[], $12::text[])
ON CONFLICT (message_id, key) DO NOTHING
RETURNING message_id, key
"""
# Rows are locked in the order of their ids, as everybody does who locks several.
_ADVANCE: Final = """
WITH moves AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::double precision[], $6::text[],
                         $7::integer[], $8::integer[], $9::text[], $10::text[])
        AS moves (id, reached, status, reason, wait, provider, attempts, sent_attempt, sent_by, theirs)
), locked AS (
    SELECT id FROM messages WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
)
UPDATE messages SET
    status = CASE WHEN progress < reached THEN moves.status ELSE messages.status END,
    reason = CASE WHEN progress < reached THEN moves.reason ELSE messages.reason END,
    due_at = CASE WHEN progress < reached THEN clock_timestamp() + wait * interval '1 second' ELSE due_at END,
    progress = greatest(progress, reached),
    attempts = greatest(messages.attempts, moves.attempts),
    provider = coalesce(CASE
        WHEN sent_attempt < 0 THEN CASE WHEN progress < reached THEN moves.provider END
        WHEN messages.attempts <= sent_attempt THEN sent_by
        ELSE (SELECT provider FROM events
              WHERE message_id = messages.id AND event = 'sent' AND actor = 'mailer'
              ORDER BY attempt DESC, sequence DESC LIMIT 1) END, messages.provider),
    provider_message_id = coalesce(CASE
        WHEN sent_attempt < 0 THEN NULL
        WHEN messages.attempts <= sent_attempt THEN theirs
        ELSE (SELECT provider_message_id FROM events
              WHERE message_id = messages.id AND event = 'sent' AND actor = 'mailer'
              ORDER BY attempt DESC, sequence DESC LIMIT 1) END, messages.provider_message_id)
FROM moves JOIN locked USING (id)
WHERE messages.id = moves.id
  AND (progress < reached OR messages.attempts < moves.attempts OR sent_attempt >= 0)
"""


async def named(
    connection: AsyncConnection, theirs: Collection[str]
) -> Sequence[tuple[str | None, str, UUID]]:
    """Find messages by what their providers call them: account, provider's id, ours."""
    return await _rows(connection, _NAMED, list(theirs))


async def known(connection: AsyncConnection, ids: Collection[UUID]) -> dict[int, KnownMessage]:
    """Find messages by their ids, as numbers."""
    return {row[0].int: KnownMessage(*row) for row in await _rows(connection, _KNOWN, list(ids))}


async def append(
    connection: AsyncConnection, events: Sequence[LedgerEvent], tenants: Sequence[str | None]
) -> set[tuple[int, str]]:
    """Add events, each of the tenant in the same place; return id, as a number, and key of what is new."""
    rows = [
        (
            *(one.message_id, one.key, one.event, one.actor, one.at, one.attempt),
            *(one.provider, one.provider_message_id, one.reason, one.retry_at, one.recipient),
        )
        for one in events
    ]
    columns = list(map(list, zip(*rows, strict=True)))
    return {(row[0].int, row[1]) for row in await _rows(connection, _APPEND, *columns, list(tenants))}


async def advance(connection: AsyncConnection, moves: Sequence[Move]) -> None:
    """Move messages on, and none of them back."""
    rows = [
        (
            *(one.message_id, one.reached, one.status, one.reason, one.wait, one.provider),
            *(one.attempts, one.sent_attempt, one.sent_by, one.provider_message_id),
        )
        for one in moves
    ]
    await connection.exec_driver_sql(_ADVANCE, tuple(map(list, zip(*rows, strict=True))))


async def _rows(connection: AsyncConnection, statement: str, *parameters: Any) -> Sequence[Any]:
    return (await connection.exec_driver_sql(statement, parameters)).all()
