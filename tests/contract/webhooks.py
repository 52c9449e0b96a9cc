"""A gateway's account of webhooks, with what the tests want to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.gateway.acceptance.entries import Draft
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.reporting_tables import webhook_events
from services.gateway.ledger.schema import moment_in
from services.gateway.ledger.webhook_events import Due, WebhookEvents
from services.gateway.ledger.webhook_fan_out import Happened, fan_out
from services.gateway.ledger.webhook_history import WebhookHistory
from services.gateway.ledger.webhooks import Webhooks
from services.gateway.webhooks.payload import EVENT_TYPES
from shared.signatures import Address, RecordWebhookAttempt, SendEmail, Tag
from tests.contract.ledgers import Gateway

TENANT = "shop"
URL = "https://example.com/webhooks"
AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """A gateway's ledger, with an account of webhooks."""

    box: Gateway
    webhooks: Webhooks
    events: WebhookEvents
    history: WebhookHistory

    async def subscribe(
        self, *types: str, tenant: str = TENANT, url: str = URL, secret: str = "whsec_one"
    ) -> UUID:
        """Have an endpoint told; of everything, if no types are given."""
        webhook_id = new_message_id()
        await self.webhooks.create(
            tenant, webhook_id, endpoint=url, types=types or EVENT_TYPES, secret=secret
        )
        return webhook_id

    async def happen(self, *happened: Happened) -> None:
        """Record events, as far as webhooks are concerned."""
        async with self.box.sessions.writing() as connection:
            await fan_out(connection, happened)

    async def happens(self, word: str = "delivered", count: int = 1, **fields: Any) -> UUID:
        """Have something happen to a message of the tenant; return the message's id."""
        message_id = await self.message()
        await self.happen(*[Happened(message_id, TENANT, word, AT, **fields)] * count)
        return message_id

    async def message(self, tenant: str = TENANT) -> UUID:
        """Accept a message."""
        message_id = new_message_id()
        signature = SendEmail(
            message_id=message_id,
            tenant=tenant,
            sender=Address(email="shop@example.com", name="Shop"),
            to=(Address(email="ann@example.org", name="Ann"), Address(email="bob@example.org")),
            subject="Your receipt",
            text="…",
            tags=(Tag(name="kind", value="receipt"),),
        )
        await self.box.append(Draft(signature).entry(frozenset()))
        return message_id

    async def take(self, limit: int = 100, **how: Any) -> list[Due]:
        """Take what is due; it is silent after a minute."""
        return await self.events.take(limit=limit, lease=60, **how)

    async def answer(self, due: Due, status: int | None = 200, **fields: Any) -> None:
        """Record the answer to an attempt."""
        await self.events.record([attempt(due, status, **fields)])

    async def row(self, event_id: UUID) -> Any:
        """An event's row, and in how many seconds it is due."""
        wait = sa.cast(webhook_events.c.due_at, sa.Text).label("due")
        query = sa.select(webhook_events, wait, moment_in(0).label("now")).where(
            webhook_events.c.id == event_id
        )
        async with self.box.engine.connect() as connection:
            return (await connection.execute(query)).one()

    async def state(self, event_id: UUID) -> tuple[str, int, float | None]:
        """An event's status, its attempts, and in how many seconds it is due."""
        row = await self.row(event_id)
        wait = None if row.due_at is None else (row.due_at - row.now).total_seconds()
        return row.status, row.attempts, wait

    async def endpoint(self, webhook_id: UUID) -> Any:
        """An endpoint's row."""
        row = await self.webhooks.find(TENANT, webhook_id)
        assert row is not None
        return row

    async def set(self, table: sa.Table, **values: Any) -> None:
        """Change all rows of a table: the time passes only in the database."""
        async with self.box.sessions.writing() as connection:
            await connection.execute(sa.update(table).values(**values))

    async def wait_for_retry(self) -> None:
        """Let the time of every next attempt come."""
        async with self.box.sessions.writing() as connection:
            waiting = webhook_events.c.due_at.is_not(None)
            await connection.execute(sa.update(webhook_events).where(waiting).values(due_at=moment_in(-1)))


def world_of(box: Gateway) -> World:
    """Open a gateway's account of webhooks."""
    sessions = box.sessions
    return World(box, Webhooks(sessions), WebhookEvents(sessions), WebhookHistory(sessions))


def attempt(due: Due, status: int | None = 200, **fields: Any) -> RecordWebhookAttempt:
    """What the mailer tells of an attempt."""
    return RecordWebhookAttempt(delivery_id=due.id, attempt=due.attempt, at=AT, status_code=status, **fields)
