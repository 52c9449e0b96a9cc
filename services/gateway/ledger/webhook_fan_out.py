"""From what happened to a message to what each endpoint of its tenant is to be told.

It is a part of the transaction that records the event, so that an event is told exactly as often
as it is recorded: once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.acceptance.entries import read_signature
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.reporting_tables import webhook_events, webhooks
from services.gateway.ledger.schema import messages, moment_in
from services.gateway.webhooks.payload import TYPES, write_payload

_INSERT = sa.insert(webhook_events).values(created_at=moment_in(0), due_at=moment_in(0))


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that has just been recorded, for the first time, of a message that the ledger knows."""

    message_id: UUID
    tenant: str
    event: str
    at: datetime
    recipient: str | None = field(default=None, repr=False)
    """Whom it is about, where somebody says so."""
    reason: str | None = None
    provider: str | None = None


async def fan_out(connection: AsyncConnection, happened: Sequence[Happened]) -> None:
    """Note what is to be told of *happened*, due at once, inside the caller's transaction.

    Where no tenant among them has endpoints that is one query, and nothing else.
    """
    told = [one for one in happened if one.event in TYPES]
    if not told:
        return
    endpoints = await _endpoints(connection, {one.tenant for one in told})
    pairs = [
        (one, webhook_id)
        for one in told
        for webhook_id, types in endpoints.get(one.tenant, ())
        if TYPES[one.event] in types
    ]
    if not pairs:
        return
    of = await _messages(connection, {one.message_id for one, _ in pairs})
    rows = [_row(one, webhook_id, of[one.message_id]) for one, webhook_id in pairs if one.message_id in of]
    if rows:
        await connection.execute(_INSERT, rows)


async def _endpoints(
    connection: AsyncConnection, tenants: Collection[str]
) -> dict[str, list[tuple[UUID, frozenset[str]]]]:
    """The enabled endpoints of each tenant that has some, with the types that they want."""
    query = sa.select(webhooks.c.tenant, webhooks.c.id, webhooks.c.events).where(
        webhooks.c.tenant.in_(tenants), webhooks.c.status == "enabled"
    )
    found: dict[str, list[tuple[UUID, frozenset[str]]]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.tenant, []).append((row.id, frozenset(json.loads(row.events))))
    return found


async def _messages(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Any]:
    # The summary has all that is told; only a message of version 0.1 has none.
    content = sa.func.coalesce(messages.c.summary, messages.c.arguments).label("content")
    query = sa.select(messages.c.id, messages.c.task, messages.c.accepted_at, content)
    rows = await connection.execute(query.where(messages.c.id.in_(ids)))
    return {row.id: row for row in rows}


def _row(one: Happened, webhook_id: UUID, message: Any) -> dict[str, Any]:
    try:
        content = read_signature(message.task, message.content)
    except ValidationError:
        content = None
    payload = write_payload(
        content,
        email_id=one.message_id,
        accepted_at=message.accepted_at,
        event=one.event,
        at=one.at,
        recipient=one.recipient,
        reason=one.reason,
    )
    return {
        "id": new_message_id(),
        "webhook_id": webhook_id,
        "type": TYPES[one.event],
        "message_id": one.message_id,
        "payload": payload,
    }
