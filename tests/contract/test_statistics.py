"""Counts of what happened, kept by the recorder, on either database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.gateway.ledger.database import migrate
from services.gateway.ledger.reporting_tables import statistics
from services.gateway.ledger.statistics import Counted, count
from tests.contract.ledgers import Gateway, gateway

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


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


async def add(box: Gateway, *events: Counted) -> None:
    """Count events in a transaction of their own."""
    async with box.sessions.writing() as connection:
        await count(connection, events)


async def rows(box: Gateway, *names: str) -> dict[Any, int]:
    """All counts, by some columns."""
    columns = [statistics.c[name] for name in names]
    query = sa.select(*columns, sa.func.sum(statistics.c.count)).group_by(*columns)
    async with box.sessions.reading() as connection:
        found = [tuple(row) for row in await connection.execute(query)]
    return {key[0] if len(names) == 1 else tuple(key): int(total) for *key, total in found}


async def test_counts_of_several_batches_are_added_up(box: Gateway) -> None:
    """The second batch finds rows of the first."""
    await add(box, counted(), counted())
    await add(box, counted(), counted("bounced"))

    assert {("sent", 4 * 10): 3, ("bounced", -1): 1} == await rows(box, "event", "bucket")
