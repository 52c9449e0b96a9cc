"""What an attempt at a webhook means for its event, and for its endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.reporting_tables import webhook_attempts, webhook_events, webhooks
from services.gateway.ledger.schema import moment_in
from services.gateway.webhooks.schedule import GIVEN_UP_AFTER, GONE, next_delay
from shared.signatures import RecordWebhookAttempt

WORN_OUT: Final = "Every attempt has failed for 3 days."
REFUSED: Final = "The endpoint answered 410 Gone."

_RESPONSE: Final = 1000
_LARGEST: Final = 2**31 - 1
_MOVE = (
    sa.update(webhook_events)
    .where(webhook_events.c.id == sa.bindparam("of"))
    .values(
        status=sa.bindparam("now"),
        attempts=sa.bindparam("made", type_=sa.Integer),
        due_at=moment_in(sa.bindparam("wait", type_=sa.Float)),
    )
)


@dataclass(slots=True)
class _Endpoints:
    """Which endpoints an account is about, by what they answered."""

    succeeded: set[UUID] = field(default_factory=set)
    failed: set[UUID] = field(default_factory=set)
    gone: set[UUID] = field(default_factory=set)


async def record_attempts(
    connection: AsyncConnection, insert: Any, attempts: Sequence[RecordWebhookAttempt]
) -> Sequence[sa.Row[Any]]:
    """Keep account of *attempts* inside the caller's transaction; return the endpoints that it disables."""
    columns = (webhook_events.c.id, webhook_events.c.webhook_id, webhook_events.c.status)
    ids = {attempt.delivery_id for attempt in attempts}
    # In one order for everybody, or two recorders would wait for each other.
    locked = sa.select(*columns, webhook_events.c.attempts).where(webhook_events.c.id.in_(ids))
    rows = await connection.execute(locked.order_by(webhook_events.c.id).with_for_update())
    events = {row.id: row for row in rows}
    new = await _kept(connection, insert, [each for each in attempts if each.delivery_id in events])
    moves: dict[UUID, dict[str, Any]] = {}
    endpoints = _Endpoints()
    for attempt in sorted(new, key=lambda each: (each.delivery_id, each.attempt)):
        event = events[attempt.delivery_id]
        _judge(attempt, event.webhook_id, endpoints)
        if _counts(attempt, event):
            moves[event.id] = _move(attempt)
    if moves:
        await connection.execute(_MOVE, list(moves.values()))
    return await _settle(connection, endpoints) if new else ()


async def _kept(
    connection: AsyncConnection, insert: Any, attempts: Sequence[RecordWebhookAttempt]
) -> list[RecordWebhookAttempt]:
    """Write attempts down, and return those that were not there yet."""
    if not attempts:
        return []
    once = insert(webhook_attempts).on_conflict_do_nothing()
    its = (webhook_attempts.c.webhook_event_id, webhook_attempts.c.attempt)
    new = await connection.execute(once.returning(*its), [_row(attempt) for attempt in attempts])
    told = {(attempt.delivery_id, attempt.attempt): attempt for attempt in attempts}
    return [told[row.webhook_event_id, row.attempt] for row in new]


def _row(attempt: RecordWebhookAttempt) -> dict[str, Any]:
    return {
        "id": new_message_id(),
        "webhook_event_id": attempt.delivery_id,
        "attempt": attempt.attempt,
        "sent_at": attempt.at,
        "duration_ms": min(attempt.duration_ms, _LARGEST),
        "status_code": attempt.status_code,
        # PostgreSQL has no text with a NUL in it, and receivers answer what they like.
        "response": attempt.response.replace("\0", "")[:_RESPONSE],
        "reason": attempt.reason,
    }


def _counts(attempt: RecordWebhookAttempt, event: Any) -> bool:
    """Whether the event's state is what this attempt says.

    It is the one under way, or one that the broker had although it did not say so; or it arrived,
    though the event was given up meanwhile.
    """
    under_way: bool = event.status == "attempting" and attempt.attempt == event.attempts
    rescued: bool = event.status == "failed" and _succeeded(attempt)
    return under_way or rescued or attempt.attempt > event.attempts


def _succeeded(attempt: RecordWebhookAttempt) -> bool:
    return attempt.status_code is not None and 200 <= attempt.status_code < 300


def _judge(attempt: RecordWebhookAttempt, webhook_id: UUID, endpoints: _Endpoints) -> None:
    if _succeeded(attempt):
        endpoints.succeeded.add(webhook_id)
    elif attempt.status_code == GONE:
        endpoints.gone.add(webhook_id)
    else:
        endpoints.failed.add(webhook_id)


def _move(attempt: RecordWebhookAttempt) -> dict[str, Any]:
    wait = None
    if not _succeeded(attempt) and attempt.status_code != GONE:
        wait = next_delay(attempt.attempt, attempt.retry_after)
    ended = "success" if _succeeded(attempt) else "failed"
    now = ended if wait is None else "pending"
    return {"of": attempt.delivery_id, "now": now, "made": attempt.attempt, "wait": wait}


async def _settle(connection: AsyncConnection, endpoints: _Endpoints) -> Sequence[sa.Row[Any]]:
    """Note since when endpoints have been failing, and disable those that did nothing else for too long."""
    failing = endpoints.failed - endpoints.succeeded
    concerned = webhooks.c.id.in_(endpoints.succeeded) & webhooks.c.failing_since.is_not(None)
    since = (webhooks.c.failing_since <= moment_in(-GIVEN_UP_AFTER)).label("for_long")
    query = sa.select(webhooks.c.id, webhooks.c.failing_since, since).where(
        concerned | webhooks.c.id.in_(failing | endpoints.gone), webhooks.c.status == "enabled"
    )
    rows = (await connection.execute(query.order_by(webhooks.c.id).with_for_update())).all()
    begun = [row.id for row in rows if row.id in failing and row.failing_since is None]
    over = [row.id for row in rows if row.id in endpoints.succeeded]
    worn_out = [row.id for row in rows if row.id in failing - endpoints.gone and row.for_long]
    gone = [row.id for row in rows if row.id in endpoints.gone]
    await _set(connection, begun, failing_since=moment_in(0))
    await _set(connection, over, failing_since=None)
    return [*await _disable(connection, gone, REFUSED), *await _disable(connection, worn_out, WORN_OUT)]


async def _disable(connection: AsyncConnection, ids: Sequence[UUID], reason: str) -> Iterable[sa.Row[Any]]:
    return await _set(connection, ids, status="disabled", disabled_reason=reason)


async def _set(connection: AsyncConnection, ids: Sequence[UUID], **values: Any) -> Sequence[sa.Row[Any]]:
    if not ids:
        return ()
    change = sa.update(webhooks).where(webhooks.c.id.in_(ids)).values(**values)
    shown = (webhooks.c.id, webhooks.c.tenant, webhooks.c.disabled_reason)
    return (await connection.execute(change.returning(*shown))).all()
