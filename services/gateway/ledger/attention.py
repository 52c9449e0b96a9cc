"""What somebody should look at: messages that wait for a human, or for too long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from services.gateway.identifiers import first_id_of, moment_of
from services.gateway.ledger.schema import messages
from services.gateway.ledger.sessions import Sessions
from services.gateway.states import ACCEPTED, QUEUED
from shared.signatures import Event

MOST: Final = 1000
"""Messages in one state that are counted; nobody needs to know more exactly."""

LATELY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Attention:
    """How many of a tenant's messages there are; :data:`MOST` stands for that many or more."""

    failed: int
    """Given up, of those that were accepted lately."""
    held: int
    uncertain: int
    deferred: int
    """Those that were accepted lately, and wait for their next attempt."""
    oldest_waiting: datetime | None
    """When the oldest message was accepted that no mailer has begun with."""


class Attending:
    """Asks for it; raises what :class:`~services.gateway.ledger.sessions.Sessions` raises."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def look(self, tenant: str) -> Attention:
        """Count a tenant's messages, each state in one index."""
        lately = first_id_of(datetime.now(UTC) - LATELY)
        counts = {
            Event.FAILED: _count(tenant, Event.FAILED, messages.c.id >= lately),
            Event.HELD: _count(tenant, Event.HELD),
            Event.UNCERTAIN: _count(tenant, Event.UNCERTAIN),
            Event.DEFERRED: _count(tenant, Event.DEFERRED, messages.c.id >= lately),
        }
        oldest = [_oldest(tenant, status) for status in (ACCEPTED, QUEUED)]
        async with self._sessions.reading() as connection:
            columns = [count.label(word.value) for word, count in counts.items()]
            row = (await connection.execute(sa.select(*columns))).one()
            waiting = [found for query in oldest if (found := await connection.scalar(query)) is not None]
        since = moment_of(min(waiting)) if waiting else None
        return Attention(row.failed, row.held, row.uncertain, row.deferred, since)


def _count(tenant: str, status: str, *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    some = sa.select(messages.c.id).where(
        messages.c.tenant == tenant, messages.c.status == status, *conditions
    )
    return sa.select(sa.func.count()).select_from(some.limit(MOST).subquery()).scalar_subquery()


def _oldest(tenant: str, status: str) -> sa.Select[Any]:
    its = (messages.c.tenant == tenant, messages.c.status == status)
    return sa.select(messages.c.id).where(*its).order_by(messages.c.id).limit(1)
