"""Messages put into a ledger as they are, past the gateway, and the statements that it asks of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.identifiers import first_id_of, new_message_id
from services.gateway.ledger.schema import lookups, messages
from shared.signatures import Address, SendEmail, Tag

START = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
TABLES = ("messages", "lookups", "events", "idempotency_keys", "suppressions")


def id_at(moment: datetime) -> UUID:
    """An id made at a moment; another one each time."""
    random = new_message_id().int & ((1 << 80) - 1)
    return UUID(int=first_id_of(moment).int | random)


@dataclass(frozen=True)
class Item:
    """A message in stock."""

    id: UUID = field(default_factory=lambda: id_at(START))
    tenant: str = "acme"
    status: str = "sent"
    recipients: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    accepted_at: datetime = START
    due: timedelta | None = None
    """How far its time is from now."""
    more: dict[str, Any] = field(default_factory=dict)

    def signature(self) -> SendEmail:
        """What was accepted."""
        return SendEmail(
            message_id=self.id,
            tenant=self.tenant,
            sender=Address(email="shop@example.com"),
            to=tuple(Address(email=recipient) for recipient in self.recipients or ("ann@example.org",)),
            subject="Hi",
            text="Hello",
            tags=tuple(
                Tag(name=name, value=value) for name, _, value in (tag.partition(":") for tag in self.tags)
            ),
        )

    def row(self) -> dict[str, Any]:
        """Its row of messages."""
        arguments = self.signature().arguments()
        return {
            "id": self.id,
            "tenant": self.tenant,
            "lane": "transactional",
            "task": SendEmail.task,
            "arguments": arguments,
            "summary": arguments,
            "accepted_at": self.accepted_at,
            "scheduled_at": None,
            "expires_at": None,
            "purged_at": None,
            "status": self.status,
            "queued_at": self.accepted_at,
            "due_at": None if self.due is None else datetime.now(UTC) + self.due,
            **self.more,
        }

    def lookups(self) -> list[dict[str, Any]]:
        """Its rows of lookups."""
        found = [("recipient", who) for who in self.recipients] + [("tag", tag) for tag in self.tags]
        return [
            {"tenant": self.tenant, "kind": kind, "value": value, "message_id": self.id}
            for kind, value in found
        ]


async def stock(engine: AsyncEngine, *items: Item) -> None:
    """Put messages into the ledger."""
    async with engine.begin() as connection:
        await connection.execute(sa.insert(messages), [item.row() for item in items])
        if rows := [row for item in items for row in item.lookups()]:
            await connection.execute(sa.insert(lookups), rows)


Statement = tuple[str, Any]


@contextmanager
def watched(engine: AsyncEngine) -> Iterator[list[Statement]]:
    """Collect the statements that go to the database, with their (first) parameters."""
    seen: list[Statement] = []

    def note(*arguments: Any) -> None:
        _, _, text, parameters, _, several = arguments
        seen.append((text, parameters[0] if several else parameters))

    sa.event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine.sync_engine, "before_cursor_execute", note)


async def plan_of(engine: AsyncEngine, statement: Statement) -> list[str]:
    """How the database would execute a statement, line by line."""
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    async with engine.connect() as connection:
        rows = (await connection.exec_driver_sql(f"{explain} {statement[0]}", statement[1])).all()
    return [str(row[-1]) for row in rows]


def full_scans(plan: Sequence[str]) -> list[str]:
    """The lines of a plan that read all of a table, or walk along an index without searching in it."""
    whole = [f"{scan} {table}" for scan in ("Seq Scan on", "SCAN") for table in TABLES]
    return [
        line
        for line, below in pairwise([*plan, ""])
        if any(word in line for word in whole)
        or ("Index" in line and "Scan" in line and " using " in line and "Index Cond" not in below)
    ]
