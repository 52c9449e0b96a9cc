"""What is counted for the dashboard, on either database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.gateway.activity import Activity
from services.gateway.identifiers import new_message_id
from services.gateway.latencies import UNMEASURED
from services.gateway.ledger.activity import KEPT_SECONDS, SLOT, RecentActivity, beginning_of, slot_of
from services.gateway.ledger.attention import Attending, Attention
from services.gateway.ledger.dashboard_sessions import DashboardSessions, StoredSession
from services.gateway.ledger.dashboard_tables import activity
from services.gateway.ledger.database import migrate
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.schema import messages
from tests.contract.ledgers import Gateway, entry, event, gateway

SLOT_NOW = slot_of(datetime.now(UTC))


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's ledger, with its tables."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


async def test_gateways_add_to_the_same_counts(box: Gateway) -> None:
    """At once, and in whatever order."""
    recent = RecentActivity(box.sessions)
    counts = {("default", SLOT_NOW, word, UNMEASURED): 2 for word in ("sent", "accepted", "failed")}
    await asyncio.gather(*(recent.add(counts) for _ in range(5)))
    found = await recent.since("default", beginning_of(SLOT_NOW))

    assert sorted((SLOT_NOW, word, UNMEASURED, 10) for word in ("sent", "accepted", "failed")) == sorted(
        found
    )


async def test_a_tenant_sees_its_own_since_a_moment(box: Gateway) -> None:
    """And nothing of others, or of before."""
    recent = RecentActivity(box.sessions)
    mine, theirs = ("default", SLOT_NOW, "sent", 3), ("acme", SLOT_NOW, "sent", 3)
    await recent.add({mine: 1, theirs: 1, ("default", SLOT_NOW - 1, "sent", 3): 1})

    assert [(SLOT_NOW, "sent", 3, 1)] == await recent.since("default", beginning_of(SLOT_NOW))


async def test_what_is_old_is_forgotten(box: Gateway) -> None:
    """An hour is all that is ever shown."""
    recent = RecentActivity(box.sessions)
    old = SLOT_NOW - int(KEPT_SECONDS / SLOT.total_seconds()) - 2
    await recent.add({("default", old, "sent", 3): 1, ("default", SLOT_NOW, "sent", 3): 1})
    await recent.forget()
    async with box.sessions.reading() as connection:
        kept = (await connection.scalars(sa.select(activity.c.slot))).all()

    assert [beginning_of(SLOT_NOW)] == list(kept)


async def test_what_happens_is_counted_once(box: Gateway) -> None:
    """An event that is reported twice is no news; how long sending took is counted, too."""
    recent = RecentActivity(box.sessions)
    counting = Activity(recent, interval=60)
    ledger = Ledger(box.sessions, silent_after=60, on_added=lambda added, _: counting.happened(added))
    counting.start()
    (one,) = await box.accept()
    counting.accepted([one])
    told = event(one.id, "sent", at=datetime.now(UTC) + timedelta(seconds=2))
    await ledger.record([told])
    await ledger.record([told, event(one.id, "opened", at=datetime.now(UTC))])
    await counting.close()
    rows = await recent.since("default", datetime.now(UTC) - timedelta(minutes=1))
    counts = {word: (bucket, count) for _, word, bucket, count in rows}

    assert {"accepted", "sent"} == set(counts)
    assert (UNMEASURED, 1) == counts["accepted"]
    assert 1 == counts["sent"][1]
    assert counts["sent"][0] != UNMEASURED


async def test_counts_outlive_a_ledger_that_is_away(box: Gateway) -> None:
    """They are written when it is back."""
    recent = RecentActivity(box.sessions)
    counting = Activity(recent, interval=60)
    counting.accepted([entry()])
    async with box.engine.begin() as connection:
        await connection.execute(sa.text("ALTER TABLE activity RENAME TO away"))
    await counting._write()
    async with box.engine.begin() as connection:
        await connection.execute(sa.text("ALTER TABLE away RENAME TO activity"))
    counting.accepted([entry()])
    await counting._write()
    rows = await recent.since("default", datetime.now(UTC) - timedelta(minutes=1))

    assert 2 == sum(count for *_, count in rows)


async def test_what_needs_attention_is_counted(box: Gateway) -> None:
    """By state, of the tenant; and since when the oldest waits."""
    waiting, *others = await box.accept(5)
    for one, status in zip(others, ("failed", "held", "held", "deferred"), strict=True):
        async with box.sessions.writing() as connection:
            change = sa.update(messages).where(messages.c.id == one.id)
            await connection.execute(change.values(status=status))
    await box.append(entry(new_message_id(), tenant="acme"))
    attention = await Attending(box.sessions).look("default")
    since = attention.oldest_waiting

    assert Attention(1, 2, 0, 1, since) == attention
    assert since is not None
    assert waiting.id.int >> 80 == int(since.timestamp() * 1000)


async def test_a_session_ends_in_its_time(box: Gateway) -> None:
    """Or when somebody ends it; what has ended is removed at the next login."""
    sessions, stored = DashboardSessions(box.sessions), StoredSession(new_message_id(), b"key")
    await sessions.open(b"long", stored, seconds=60)
    await sessions.open(b"short", stored, seconds=-1)
    found = [await sessions.find(digest) for digest in (b"short", b"long", b"none")]
    await sessions.close(b"long")

    assert [None, stored, None] == found
    assert await sessions.find(b"long") is None
