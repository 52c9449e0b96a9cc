"""Messages that wait for their time: rescheduling, canceling, expiring.

A message that is ``scheduled`` is known to nobody but the ledger.  The sweeper takes it, when its
time has come, by moving it to ``accepted`` in one statement, and what is here touches only those
that are still scheduled; so either comes first, never both.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.gateway.ledger.endings import follow_endings
from services.gateway.ledger.schema import BEGINNING, NOW, events, messages, moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.states import CANCELED, SCHEDULED, progress
from shared.signatures import Event


class Schedule:
    """Each method is one transaction, and raises what :class:`Sessions` raises."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def cancel(self, tenant: str, message_id: UUID) -> bool:
        """Cancel the message; False if it is not scheduled (any more)."""
        values = {"status": CANCELED, "progress": progress(CANCELED, 0), "due_at": None}
        return await self._change(tenant, message_id, CANCELED, None, values)

    async def reschedule(self, tenant: str, message_id: UUID, moment: datetime) -> bool:
        """Give the message another time; False if it is not scheduled (any more)."""
        values = {"scheduled_at": moment, "due_at": moment}
        # Its place in the timeline is that of the change, and a message may be moved often.
        key = sa.literal("rescheduled:") + sa.cast(sa.func.count(), sa.Text)
        number = sa.select(key).where(events.c.message_id == message_id).scalar_subquery()
        return await self._change(tenant, message_id, "rescheduled", number, values)

    async def expire(self, *, limit: int) -> list[UUID]:
        """End messages that expired before they could be published; return their ids."""
        because = "It expired before it could be handed to a mailer."
        late = (
            sa.select(messages.c.id)
            .where(messages.c.due_at <= NOW, messages.c.expires_at <= NOW)
            .where(messages.c.queued_at.is_(None))
            # The order names the index: a million messages may wait of which hardly one expires.
            .order_by(messages.c.expires_at)
            .limit(limit)
        )
        async with self._sessions.reading(patience=10) as connection:
            if (await connection.execute(late)).first() is None:
                return []  # as nearly always, and no reason to ask for the right to write
        # It may have been replayed, so it is the end of whatever series it is in.
        reached = BEGINNING + sa.literal(progress(Event.EXPIRED, 0), sa.BigInteger)
        values = {"status": Event.EXPIRED, "progress": reached, "due_at": None}
        async with self._sessions.writing() as connection:
            free = late.add_columns(messages.c.tenant).with_for_update(skip_locked=True)
            owners = {row.id: row.tenant for row in await connection.execute(free)}
            if ids := [*owners]:
                ended = sa.update(messages).where(messages.c.id.in_(ids)).values(**values, reason=because)
                await connection.execute(ended)
                rows = [_event(*owned, Event.EXPIRED, None, because) for owned in owners.items()]
                await connection.execute(sa.insert(events).values(rows))
            await follow_endings(connection, ids, Event.EXPIRED, because)
        return ids

    async def _change(
        self, tenant: str, message_id: UUID, event: str, key: Any, values: dict[str, Any]
    ) -> bool:
        its = (messages.c.id == message_id, messages.c.tenant == tenant, messages.c.status == SCHEDULED)
        change = sa.update(messages).where(*its).values(**values).returning(messages.c.id)
        async with self._sessions.writing() as connection:
            if (await connection.execute(change)).one_or_none() is None:
                return False
            await connection.execute(sa.insert(events).values(**_event(message_id, tenant, event, key)))
        return True


def _event(message_id: UUID, tenant: str, event: str, key: Any, reason: str | None = None) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "tenant": tenant,
        "key": event if key is None else key,
        "event": event,
        "actor": "gateway",
        "at": moment_in(0),
        "reason": reason,
    }
