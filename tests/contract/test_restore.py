"""``deploy/restore/hold.sql``: what a restored ledger must not send before somebody has looked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Entry
from services.gateway.states import RELEASED, progress
from shared.signatures import Event, Lane
from tests.contract.ledgers import Gateway, entry, event, gateway

HOLD = (Path(__file__).parents[2] / "deploy" / "restore" / "hold.sql").read_text()


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's migrated ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


async def hold(box: Gateway) -> None:
    """Run the script, as an operator does before a gateway starts."""
    async with box.engine.begin() as connection:
        await connection.execute(sa.text(HOLD))


async def messages(box: Gateway) -> dict[str, Entry]:
    """One that nobody has published, one in a queue, one under way, one deferred."""
    accepted, queued, sending, deferred = found = [entry() for _ in range(4)]
    await box.append(*found)
    await box.ledger.mark_queued([queued.id, sending.id, deferred.id])
    await box.ledger.record([event(sending.id, "sending"), event(deferred.id, "deferred")])
    return {"accepted": accepted, "queued": queued, "sending": sending, "deferred": deferred}


async def test_what_was_under_way_is_held(box: Gateway) -> None:
    """As if the mailer had said so; nothing of it is published again."""
    found = await messages(box)
    await hold(box)
    rows = {name: await box.row(message) for name, message in found.items()}

    assert {"held"} == {row.status for row in rows.values()}
    assert {None} == {row.due_at for row in rows.values()}
    assert [progress(Event.HELD, row.attempts) for row in rows.values()] == [
        row.progress for row in rows.values()
    ]
    assert [] == await box.ledger.take_unpublished(tuple(Lane), limit=10, lease=30)


async def test_news_of_a_held_message_counts(box: Gateway) -> None:
    """The mailer knows that it was sent."""
    found = await messages(box)
    await hold(box)
    await box.ledger.record([event(found["queued"].id, "sent")])

    assert "sent" == (await box.row(found["queued"])).status


async def test_a_held_message_can_be_released(box: Gateway) -> None:
    """With the tools for all held messages, and in a later series it can be held once more."""
    found = (await messages(box))["sending"]
    await hold(box)
    again = await box.replays.again(found.tenant, [found.id], RELEASED)

    assert [found.id] == [one.id for one in again.entries]

    await hold(box)
    row = await box.row(found)

    assert ("held", 1, progress(Event.HELD, row.attempts, 1)) == (row.status, row.series, row.progress)


async def test_ends_and_plans_stay(box: Gateway) -> None:
    """What was sent is sent; what is to be sent later has not been, unless its time came meanwhile."""
    now = datetime.now(UTC).replace(microsecond=0)
    (sent,) = await box.publish()
    await box.ledger.record([event(sent.id, "sent")])
    later, sooner = [
        entry(status="scheduled", event="scheduled", scheduled_at=now + timedelta(hours=hours))
        for hours in (1, -1)
    ]
    await box.append(later, sooner)
    await hold(box)

    assert ["sent", "scheduled", "held"] == [
        (await box.row(message)).status for message in (sent, later, sooner)
    ]
