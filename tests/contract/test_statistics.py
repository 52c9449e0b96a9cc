"""Counts of what happened, kept by the recorder, on either database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from services.gateway.latencies import UNMEASURED, bucket
from services.gateway.ledger.database import migrate
from services.gateway.ledger.reporting_tables import statistics
from services.gateway.ledger.statistics import COUNTED, MEASURED, Counted, count
from shared.signatures import Event, Feedback
from tests.contract.ledgers import Gateway, gateway

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's ledger, empty."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


def counted(event: str = "sent", seconds: float = 1, **fields: Any) -> Counted:
    """An event of a message that was accepted at noon."""
    made: dict[str, Any] = {
        "tenant": "acme",
        "tags": (),
        "provider": "sendgrid",
        "event": event,
        "at": NOON + seconds * SECOND,
        "accepted_at": NOON,
    }
    return Counted(**made | fields)


async def record(box: Gateway, *events: Counted) -> None:
    """Count events in a transaction of their own."""
    async with box.sessions.writing() as connection:
        await count(connection, events)


async def counts(box: Gateway, *names: str) -> dict[Any, int]:
    """All counts, by some columns."""
    columns = [statistics.c[name] for name in names]
    query = sa.select(*columns, sa.func.sum(statistics.c.count)).group_by(*columns)
    async with box.sessions.reading() as connection:
        found = [tuple(row) for row in await connection.execute(query)]
    return {key[0] if len(names) == 1 else tuple(key): int(total) for *key, total in found}


async def test_counts_of_several_batches_are_added_up(box: Gateway) -> None:
    """The second batch finds rows of the first."""
    await record(box, counted(), counted())
    await record(box, counted(), counted("bounced"))

    assert {("sent", bucket(1)): 3, ("bounced", UNMEASURED): 1} == await counts(box, "event", "bucket")


async def test_each_word_of_the_answer_is_counted(box: Gateway) -> None:
    """Those of the mailer, and those of providers; a batch may have nothing to be counted."""
    words = {*Event, *Feedback} - {"sending", "deferred", "uncertain", "held"}
    await record(box, *(counted(word) for word in words))
    await record(box, counted("sending"), counted("deferred"), counted("a word of a newer version"))

    not_counted = {"processed", "delivery_delayed", "soft_bounced"}
    assert dict.fromkeys(words - not_counted, 1) == await counts(box, "event")
    assert words - not_counted == set(COUNTED)


async def test_a_message_counts_for_each_of_its_tags_and_once_for_all(box: Gateway) -> None:
    """A tag that it has twice counts once."""
    await record(box, counted(tags=("kind:receipt", "shop:nord", "kind:receipt")), counted())

    assert {"": 2, "kind:receipt": 1, "shop:nord": 1} == await counts(box, "tag")


async def test_the_hour_is_that_of_the_event_in_utc(box: Gateway) -> None:
    """Also where whoever reports it writes another zone, half an hour off."""
    late = datetime(2026, 1, 2, 23, 15, tzinfo=timezone(5.5 * HOUR))
    await record(box, counted(at=NOON + HOUR - SECOND), counted(at=NOON + HOUR), counted(at=late))

    assert {NOON: 1, NOON + HOUR: 1, NOON + 5 * HOUR: 1} == await counts(box, "hour")


async def test_what_was_part_of_no_account_has_none(box: Gateway) -> None:
    """It is counted under the empty name."""
    await record(box, counted("expired", provider=None), counted(provider="ses"))

    assert {("expired", ""): 1, ("sent", "ses"): 1} == await counts(box, "event", "provider")


async def test_a_latency_begins_when_the_message_may_be_sent(box: Gateway) -> None:
    """For a scheduled one that is later than its acceptance, unless its time had passed by then.

    The mailer's clock may be behind the database's, and that makes no negative latency.
    """
    planned = counted(seconds=100, scheduled_at=NOON + 90 * SECOND)
    at_once = counted(seconds=100, scheduled_at=NOON - 90 * SECOND)
    await record(box, planned, at_once, *(counted(event, seconds=-5) for event in MEASURED))

    assert {bucket(10): 1, bucket(100): 1, 0: 2} == await counts(box, "bucket")


async def test_a_transaction_that_is_rolled_back_counts_nothing(box: Gateway) -> None:
    """Counts and events are there together, or not at all."""
    async with box.sessions.writing() as connection:
        await count(connection, [counted()])
        await connection.rollback()

    assert {} == await counts(box, "event")


async def test_a_tag_of_any_script_is_counted(box: Gateway) -> None:
    """Whatever order the database has texts in."""
    tags = ("kind:été", "Kind:Z", "kind:", "kind:日本", "kind:a b", "_:-")
    await record(box, *(counted(tags=tags) for _ in range(3)))

    assert dict.fromkeys(("", *tags), 3) == await counts(box, "tag")


async def test_several_recorders_of_the_same_rows_wait_for_each_other_and_never_in_a_circle(
    postgresql_url: str,
) -> None:
    """Each has the same tags, in an order of its own, in batch after batch."""
    tags = [f"kind:{number}" for number in range(40)]
    batches, events = 12, 30

    async def recorder(box: Gateway, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(batches):
            made = [counted(tags=tuple(chance.sample(tags, 20)), seconds=1) for _ in range(events)]
            await record(box, *made)

    async with gateway(postgresql_url) as one, gateway(postgresql_url) as two:
        await migrate(one.engine)
        await asyncio.gather(*(recorder(box, seed) for seed, box in enumerate((one, two, one, two))))
        found = await counts(one, "tag")

    assert 4 * batches * events == found.pop("")
    assert 20 * 4 * batches * events == sum(found.values())
