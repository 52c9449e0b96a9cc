"""Every question that the gateway asks its ledger often is answered from an index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from services.gateway.identifiers import first_id_of
from services.gateway.ledger.database import migrate
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.listing import Listing
from services.gateway.ledger.paging import Page
from services.gateway.ledger.question import Grouping, Question
from services.gateway.ledger.report import Report
from services.gateway.ledger.retention import Retention
from services.gateway.ledger.roll_up import RollUp
from services.gateway.ledger.schema import events, idempotency_keys, lookups, messages
from services.gateway.ledger.streams import Span, Stream
from services.gateway.ledger.waiting import Waiting
from shared.signatures import Lane
from tests.contract.ledgers import Gateway, gateway
from tests.contract.stock import Item, Statement, full_scans, id_at, plan_of, stock, watched

ROWS = 50_000
ANN, ALL = "ann@example.org", "archive@example.org"
DAY = timedelta(days=1)
KINDS = ("published", "unpublished")
# One row in so many has the status; all others are "sent".
STATUSES = {"failed": 10_000, "accepted": 250, "queued": 200, "scheduled": 150}


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A ledger with a month's messages, of which the database has statistics."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        if not box.sessions.is_sqlite:
            # Or new statistics come while it is looked at.
            async with box.engine.begin() as connection:
                for name in (messages.name, lookups.name, events.name, idempotency_keys.name):
                    await connection.exec_driver_sql(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")
        await fill(box)
        yield box


async def fill(box: Gateway) -> None:
    """A great many messages with what belongs to them."""
    now = datetime.now(UTC)
    rows, looks, happened, keys = [], [], [], []
    for number in range(ROWS):
        made = now - 30 * DAY * (ROWS - number) / ROWS
        status = next((word for word, often in STATUSES.items() if number % often == 7), "sent")
        message_id, tenant = id_at(made), "acme" if number % 10 else "tiny"
        rows.append(
            {
                "id": message_id,
                "tenant": tenant,
                "lane": "transactional" if number % 3 else "bulk",
                "task": "mailer.send_welcome_email",
                "arguments": b'{"email":"ann@example.org"}',
                "summary": b'{"email":"ann@example.org"}',
                "accepted_at": made,
                "scheduled_at": now + DAY if status == "scheduled" else None,
                "expires_at": now + DAY if number % 500 == 7 else None,
                "status": status,
                "queued_at": None if status in ("accepted", "scheduled") else made,
                "due_at": {"sent": None, "failed": None, "scheduled": now + DAY}.get(status, made),
            }
        )
        found = [("recipient", ALL if number % 2 else f"user{number}@example.org"), ("tag", "kind:all")]
        place = {"tenant": tenant, "message_id": message_id}
        looks += [place | {"kind": kind, "value": value} for kind, value in found]
        happened.append(
            {"message_id": message_id, "key": "1:sent", "event": "sent", "actor": "mailer", "at": made}
        )
        keys.append(
            {
                "tenant": tenant,
                "key": f"key-{number}",
                "fingerprint": b"1",
                "answer": b"2",
                "created_at": made,
            }
        )
    async with box.engine.begin() as connection:
        for table, values in (
            (messages, rows),
            (lookups, looks),
            (events, happened),
            (idempotency_keys, keys),
        ):
            await connection.execute(sa.insert(table), values)
        await connection.exec_driver_sql("ANALYZE")


async def ask_everything(box: Gateway) -> list[Statement]:
    """Ask every question once, and return how the database was asked."""
    now = datetime.now(UTC)
    listing, retention = Listing(box.sessions), Retention(box.sessions)
    filters: list[dict[str, Any]] = [
        {},
        {"status": "sent"},
        {"status": "failed"},
        {"recipient": ALL},
        {"tag": "kind:all", "since": now - 20 * DAY, "until": now - 19 * DAY},
        {"status": "failed", "recipient": ALL},
        {"status": "sent", "recipient": ALL, "tag": "kind:all", "until": now - DAY},
    ]
    with watched(box.engine) as statements:
        for asked in filters:
            for tenant in ("acme", "tiny", "nobody"):
                (row, *_), _ = await listing.page("acme", Filters(**asked), Page())
                for page in (Page(), Page(100, after=row.id), Page(before=row.id)):
                    await listing.page(tenant, Filters(**asked), page)
        for asked in filters[2:]:
            await listing.count("acme", Filters(**asked, reason="given_up"))
        await box.ledger.find("acme", row.id)
        await box.ledger.timeline(row.id)
        await box.ledger.believed_in_broker(Lane.BULK)
        await box.ledger.take_unpublished(Lane, limit=10, lease=60)
        await box.ledger.take_silent(Lane.BULK, limit=10)
        await box.ledger.mark_queued([row.id])
        await box.schedule.cancel("acme", row.id)
        await box.schedule.reschedule("acme", row.id, now)
        await box.schedule.expire(limit=10)
        await box.replays.again("acme", [row.id], "replayed")
        await box.replays.held("acme")
        await box.replays.drop("acme", row.id)
        batch = await retention.purge(86_400.0)
        await retention.purge(86_400.0, after=batch.last)
        await retention.delete_keys(86_400.0)
        for grouping in (None, *Grouping):
            for tag in (None, "kind:all"):
                await Report(box.sessions).ask("acme", Question(now - DAY, now, tag, None, grouping))
        await RollUp(box.sessions).step()
        await Waiting(box.sessions).oldest()
    return [statement for statement in statements if statement[0].startswith(("SELECT", "UPDATE", "DELETE"))]


async def test_no_table_is_read_as_a_whole(box: Gateway) -> None:
    """Nor walked along: for no list, whatever it is filtered by, for no message, and not by the sweeper."""
    statements = await ask_everything(box)
    plans = {statement[0]: await plan_of(box.engine, statement) for statement in statements}

    windows = [plan for text, plan in plans.items() if "window" in text]
    oldest = [plan for text, plan in plans.items() if "AS since" in text]
    counts = [plan for text, plan in plans.items() if "AS since" not in text]
    sweeps = [pair for plan in counts for pair in pairwise([*plan, ""]) if "_published" in pair[0]]

    assert len(plans) > 20
    assert len(windows) > 10
    # Joined, a stream would be read to its end: each id is looked up.
    assert not [plan for plan in windows if any("Join" in line or "Nested" in line for line in plan)]
    assert all(
        "ix_messages_expiring" in "".join(plan) for text, plan in plans.items() if "expires_at <=" in text
    )
    assert not [below for line, below in sweeps if "Scan" in line and "due_at" not in below]
    # The first in the order of an index, and nothing is sorted for it.
    assert [1, 1] == [sum(f"ix_messages_{which}" in "".join(plan) for plan in oldest) for which in KINDS]
    assert not [line for plan in oldest for line in plan if "Sort" in line or "B-TREE" in line]
    assert not {text: found for text, plan in plans.items() if (found := full_scans(plan))}


async def test_wrong_statistics_do_not_mislead(postgresql_url: str) -> None:
    """PostgreSQL takes a status for frequent that was so an hour ago: it does not go looking for it."""
    span = Span(first_id_of(datetime.min.replace(tzinfo=UTC)), first_id_of(datetime.max.replace(tzinfo=UTC)))
    index = (messages.c.tenant, messages.c.status, messages.c.id)
    async with gateway(postgresql_url) as box:
        await migrate(box.engine)
        await stock(box.engine, *(Item(status="queued") for _ in range(5000)))
        async with box.engine.begin() as connection:
            await connection.exec_driver_sql("ANALYZE")
            await connection.execute(sa.update(messages).values(status="delivered"))
            await connection.exec_driver_sql("UPDATE pg_class SET relallvisible = 0")
        with watched(box.engine) as statements:
            async with box.engine.connect() as connection:
                await connection.execute(Stream(index, ("acme", "queued")).take(span, 21))
        plan = "\n".join(await plan_of(box.engine, statements[0]))

    assert "ix_messages_tenant_status_id" in plan, plan
