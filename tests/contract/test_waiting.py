"""How old the oldest message is that waits for a mailer, be the ledger SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.schema import messages
from services.gateway.ledger.waiting import Waiting
from shared.signatures import Lane
from tests.contract.ledgers import Gateway, event, gateway

HOUR = 3600.0
NOBODY = {"transactional": 0.0, "bulk": 0.0}


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A migrated ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


async def ago(box: Gateway, entry: Entry, **hours: float) -> None:
    """Put moments of a message's row so many hours back."""
    moments = {name: datetime.now(UTC) - timedelta(hours=back) for name, back in hours.items()}
    async with box.engine.begin() as connection:
        await connection.execute(sa.update(messages).where(messages.c.id == entry.id).values(**moments))


async def ages(box: Gateway) -> dict[str, int]:
    """Rounded to hours."""
    return {lane: round(age / HOUR) for lane, age in (await Waiting(box.sessions).oldest()).items()}


async def test_nobody_waits_at_first(box: Gateway) -> None:
    """And the relay's messages are on their way."""
    assert NOBODY == await Waiting(box.sessions).oldest()


async def test_the_oldest_of_each_lane_counts(box: Gateway) -> None:
    """Whether the broker has it or not."""
    older, newer = await box.publish(2)
    (unpublished,) = await box.accept(lane=Lane.BULK)
    await ago(box, older, accepted_at=5, due_at=4)
    await ago(box, newer, accepted_at=2, due_at=1)
    await ago(box, unpublished, accepted_at=3, due_at=3)

    assert {"transactional": 5, "bulk": 3} == await ages(box)


async def test_what_a_mailer_has_begun_does_not_wait(box: Gateway) -> None:
    """Nor what is scheduled for later, though it was accepted long ago."""
    begun, later, due = await box.publish(1) + await box.accept(2)
    await box.ledger.record([event(begun.id, "sending")])
    await ago(box, begun, accepted_at=5)
    await ago(box, later, accepted_at=50, scheduled_at=-1, due_at=-1)
    before = await ages(box)
    await ago(box, due, accepted_at=50, scheduled_at=2, due_at=2)

    assert (NOBODY, {"transactional": 2, "bulk": 0}) == (before, await ages(box))


async def test_a_replay_counts_from_its_confirm(box: Gateway) -> None:
    """However old the message is."""
    (entry,) = await box.publish(1)
    await box.ledger.record([event(entry.id, "failed")])
    await box.replays.again(entry.tenant, [entry.id], "replayed")
    await ago(box, entry, accepted_at=50)
    waiting = await ages(box)
    await box.ledger.mark_queued([entry.id])
    await ago(box, entry, queued_at=1)

    assert ({"transactional": 0, "bulk": 0}, {"transactional": 1, "bulk": 0}) == (waiting, await ages(box))
