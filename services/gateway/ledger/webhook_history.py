"""What an endpoint was told, or is to be told, and every attempt at it: for its tenant to look at."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.gateway.ledger.paging import Page
from services.gateway.ledger.reporting_tables import webhook_attempts, webhook_events, webhooks
from services.gateway.ledger.schema import moment_in
from services.gateway.ledger.sessions import Sessions

_SHOWN = [column for column in webhook_events.c if column.name != "payload"]


class WebhookHistory:
    """Every method is one transaction, about one of the tenant's endpoints that there are.

    Each raises what :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def page(self, webhook_id: UUID, page: Page) -> tuple[list[sa.Row[Any]], bool]:
        """Return a page of an endpoint's events without their payloads, the newest first."""
        query = sa.select(*_SHOWN).where(webhook_events.c.webhook_id == webhook_id)
        async with self._sessions.reading() as connection:
            return page.cut((await connection.execute(page.of(query, webhook_events.c.id))).all())

    async def find(self, tenant: str, webhook_id: UUID, event_id: UUID) -> sa.Row[Any] | None:
        """Return one event, or None."""
        query = sa.select(webhook_events).where(_is(tenant, webhook_id, event_id))
        async with self._sessions.reading() as connection:
            return (await connection.execute(query)).one_or_none()

    async def attempts(self, event_id: UUID, page: Page) -> tuple[list[sa.Row[Any]], bool]:
        """Return a page of the attempts at an event, the latest first."""
        query = sa.select(webhook_attempts).where(webhook_attempts.c.webhook_event_id == event_id)
        async with self._sessions.reading() as connection:
            return page.cut((await connection.execute(page.of(query, webhook_attempts.c.id))).all())

    async def replay(self, tenant: str, webhook_id: UUID, event_id: UUID) -> bool:
        """Have an event told at once, whatever became of it; False if there is none.

        While an attempt is under way that one counts, and nothing changes.
        """
        idle = webhook_events.c.status != "attempting"
        change = (
            sa.update(webhook_events)
            .where(_is(tenant, webhook_id, event_id), idle)
            .values(status="pending", due_at=moment_in(0))
        )
        async with self._sessions.writing() as connection:
            if (await connection.execute(change)).rowcount == 1:
                return True
        return await self.find(tenant, webhook_id, event_id) is not None


def _is(tenant: str, webhook_id: UUID, event_id: UUID) -> sa.ColumnElement[bool]:
    own = sa.select(webhooks.c.id).where(webhooks.c.id == webhook_id, webhooks.c.tenant == tenant)
    return sa.and_(webhook_events.c.id == event_id, webhook_events.c.webhook_id.in_(own))
