"""What follows from the ends that the gateway itself puts to messages, which no recorder hears of."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.schema import messages, moment_in
from services.gateway.ledger.statistics import Counted, count
from services.gateway.ledger.webhook_fan_out import Happened, fan_out


async def follow_endings(
    connection: AsyncConnection, ids: Collection[UUID], event: str, reason: str | None = None
) -> None:
    """Tell webhooks of an event and count it, as the last thing in the transaction that ends messages.

    The last, because whoever locks counts must not wait for messages.
    """
    if not ids:
        return
    its = messages.c
    content = sa.func.coalesce(its.summary, b"").label("content")
    query = sa.select(
        its.id, its.tenant, its.accepted_at, its.scheduled_at, content, moment_in(0).label("at")
    )
    rows = (await connection.execute(query.where(its.id.in_(ids)))).all()
    counted = [
        Counted(
            tenant=row.tenant,
            tags=known_message(row).tags(),
            provider=None,
            event=event,
            at=row.at,
            accepted_at=row.accepted_at,
        )
        for row in rows
    ]
    happened = [Happened(row.id, row.tenant, event, row.at, reason=reason) for row in rows]
    await fan_out(connection, happened)
    await count(connection, counted)


def known_message(row: sa.Row[tuple[object, ...]]) -> KnownMessage:
    """Make it of a row that has its fields among its columns."""
    return KnownMessage(
        id=row.id,
        tenant=row.tenant,
        accepted_at=row.accepted_at,
        scheduled_at=row.scheduled_at,
        content=row.content,
    )
