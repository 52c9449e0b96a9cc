"""The last look at a scheduled message before it leaves: may its recipients still be written to?

They were asked about when the message was accepted, perhaps a year ago.  The rules are the same
now, and what they change is written in the transaction that takes the message.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.acceptance.entries import Draft, read_signature
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.endings import follow_endings
from services.gateway.ledger.schema import events, messages, moment_in, suppressions
from services.gateway.ledger.suppressions import stands_against
from services.gateway.states import progress
from shared.signatures import Event

_AT_ONCE: Final = 5000
"""Addresses in one query; neither database takes more than 32,766 parameters."""


async def without_suppressed(
    connection: AsyncConnection, taken: Sequence[Entry], scheduled: Collection[UUID]
) -> list[Entry]:
    """Return what may leave of *taken*, of which *scheduled* have been waiting for their time.

    A message that loses some of its recipients is rewritten; one with nobody left in ``to`` ends.
    """
    recipients = await _recipients(connection, scheduled)
    tenants = {entry.tenant for entry in taken if entry.id in recipients}
    suppressed = {
        tenant: await suppressed_among(
            connection,
            tenant,
            {who for one in taken if one.tenant == tenant for who in recipients.get(one.id, ())},
        )
        for tenant in tenants
    }
    leaving = []
    for entry in taken:
        changed = entry
        reasons = suppressed.get(entry.tenant, {})
        if found := left_out(recipients.get(entry.id, ()), reasons, entry.lane):
            changed = Draft(read_signature(entry.task, entry.arguments)).entry(found, entry.trace)
            await _rewrite(connection, changed)
        if changed.status != Event.SUPPRESSED:
            leaving.append(changed)
    await follow_endings(
        connection, {one.id for one in taken} - {one.id for one in leaving}, Event.SUPPRESSED
    )
    return leaving


async def _recipients(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Everybody the messages go to, out of their summaries: arguments may be large."""
    query = sa.select(messages.c.id, messages.c.task, messages.c.summary).where(messages.c.id.in_(ids))
    found = {}
    for message_id, task, summary in await connection.execute(query):
        if known := recipients_in(task, summary or b""):
            found[message_id] = known
    return found


def recipients_in(task: str, content: bytes) -> list[str]:
    """Everybody a message goes to, in comparable form; nobody is known where a newer gateway wrote it.

    Such a message must not keep everybody else's here.
    """
    try:
        return Draft(read_signature(task, content)).recipients()
    except ValidationError:
        return []


async def suppressed_among(
    connection: AsyncConnection, tenant: str, addresses: Iterable[str]
) -> dict[str, str]:
    """Return why those of *addresses*, in comparable form, are suppressed that are."""
    every, found = sorted(addresses), dict[str, str]()
    for start in range(0, len(every), _AT_ONCE):
        some = suppressions.c.address.in_(every[start : start + _AT_ONCE])
        query = sa.select(suppressions.c.address, suppressions.c.reason)
        rows = await connection.execute(query.where(suppressions.c.tenant == tenant, some))
        found.update((row.address, row.reason) for row in rows)
    return found


def left_out(recipients: Iterable[str], suppressed: Mapping[str, str], lane: str) -> frozenset[str]:
    """Those of *recipients* that mail of a lane must not go to, given why addresses are *suppressed*."""
    return frozenset(who for who in recipients if who in suppressed and stands_against(suppressed[who], lane))


async def _rewrite(connection: AsyncConnection, entry: Entry) -> None:
    values: dict[str, Any] = {
        "arguments": entry.arguments,
        "summary": entry.summary,
        "reason": entry.reason,
    }
    if entry.status == Event.SUPPRESSED:
        values |= {"status": entry.status, "progress": progress(entry.status, 0), "due_at": None}
    await connection.execute(sa.update(messages).where(messages.c.id == entry.id).values(**values))
    noted = {
        "message_id": entry.id,
        "tenant": entry.tenant,
        "key": f"released:{entry.event}",
        "event": entry.event,
        "actor": "gateway",
        "at": moment_in(0),
        "reason": entry.reason,
    }
    await connection.execute(sa.insert(events).values(**noted))
