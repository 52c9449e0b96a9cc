"""Recording on SQLite, whose only writer this is: what is not there when it looks stays away."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.moves import Move

_NAMED: Final = """
SELECT provider, provider_message_id, messages.id FROM json_each(?) AS asked
CROSS JOIN messages ON provider_message_id = asked.value
"""
_KNOWN: Final = """
SELECT messages.id, tenant, accepted_at, scheduled_at, coalesce(summary, x''), trace
FROM json_each(?) AS asked
CROSS JOIN messages ON messages.id = asked.value
"""
_THERE: Final = """
SELECT message_id, events.key FROM json_each(?) AS asked CROSS JOIN events
ON message_id = json_extract(asked.value, '$[0]') AND events.key = json_extract(asked.value, '$[1]')
"""
_APPEND: Final = """
INSERT INTO events (message_id, key, event, actor, at, attempt, provider, provider_message_id,
                    reason, retry_at, recipient, tenant)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADVANCE: Final = """
UPDATE messages SET
    status = CASE WHEN progress < ?2 THEN ?3 ELSE status END,
    reason = CASE WHEN progress < ?2 THEN ?4 ELSE reason END,
    due_at = CASE WHEN progress < ?2
        THEN strftime('%Y-%m-%d %H:%M:%f', 'now', ?5 || ' seconds') ELSE due_at END,
    progress = max(progress, ?2),
    attempts = max(attempts, ?7),
    provider = coalesce(CASE
        WHEN ?8 < 0 THEN CASE WHEN progress < ?2 THEN ?6 END
        WHEN attempts <= ?8 THEN ?9
        ELSE (SELECT provider FROM events
              WHERE message_id = messages.id AND event = 'sent' AND actor = 'mailer'
              ORDER BY attempt DESC, sequence DESC LIMIT 1) END, provider),
    provider_message_id = coalesce(CASE
        WHEN ?8 < 0 THEN NULL
        WHEN attempts <= ?8 THEN ?10
        ELSE (SELECT provider_message_id FROM events
              WHERE message_id = messages.id AND event = 'sent' AND actor = 'mailer'
              ORDER BY attempt DESC, sequence DESC LIMIT 1) END, provider_message_id)
WHERE id = ?1 AND (progress < ?2 OR attempts < ?7 OR ?8 >= 0)
"""


async def named(
    connection: AsyncConnection, theirs: Collection[str]
) -> Sequence[tuple[str | None, str, UUID]]:
    """Find messages by what their providers call them: account, provider's id, ours."""
    rows = await _rows(connection, _NAMED, list(theirs))
    return [(provider, text, UUID(message_id)) for provider, text, message_id in rows]


async def known(connection: AsyncConnection, ids: Collection[UUID]) -> dict[int, KnownMessage]:
    """Find messages by their ids, as numbers."""
    rows = await _rows(connection, _KNOWN, [one.hex for one in ids])
    found = [
        KnownMessage(UUID(one), tenant, _read(accepted), scheduled and _read(scheduled), content, trace)
        for one, tenant, accepted, scheduled, content, trace in rows
    ]
    return {one.id.int: one for one in found}


async def append(
    connection: AsyncConnection, events: Sequence[LedgerEvent], tenants: Sequence[str | None]
) -> set[tuple[int, str]]:
    """Add events, each of the tenant in the same place; return id, as a number, and key of what is new."""
    rows = {
        (_hex(one.message_id), one.key): (
            *(_hex(one.message_id), one.key, one.event, one.actor, _moment(one.at), one.attempt),
            *(
                one.provider,
                one.provider_message_id,
                one.reason,
                _moment(one.retry_at),
                one.recipient,
                tenant,
            ),
        )
        for one, tenant in zip(events, tenants, strict=True)
    }
    for there in await _rows(connection, _THERE, list(rows)):
        del rows[tuple(there)]
    if rows:
        await connection.exec_driver_sql(_APPEND, list(rows.values()))
    return {(int(message_id, 16), key) for message_id, key in rows}


async def advance(connection: AsyncConnection, moves: Sequence[Move]) -> None:
    """Move messages on, and none of them back."""
    rows = [
        (
            *(one.message_id.hex, one.reached, one.status, one.reason, one.wait, one.provider),
            *(one.attempts, one.sent_attempt, one.sent_by, one.provider_message_id),
        )
        for one in moves
    ]
    await connection.exec_driver_sql(_ADVANCE, rows)


async def _rows(connection: AsyncConnection, statement: str, asked: list[Any]) -> Sequence[Any]:
    return (await connection.exec_driver_sql(statement, (json.dumps(asked),))).all()


def _hex(message_id: UUID | None) -> str:
    return message_id.hex if message_id else ""


def _read(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


def _moment(moment: datetime | None) -> str | None:
    """The form that SQLAlchemy reads, and that compares as text with the other moments."""
    return None if moment is None else moment.astimezone(UTC).isoformat(" ", "microseconds")[:26]
