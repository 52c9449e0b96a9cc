"""During an upgrade gateways of the version before work on tables that have been migrated already.

``statements/`` holds what such a gateway said to PostgreSQL while it accepted messages, published them,
recorded an event and looked for what is due: written down from version 0.3.0 itself, in its order.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.gateway.ledger.database import migrate
from tests.contract.ledgers import Gateway, event, gateway

SAID = json.loads((Path(__file__).parent / "statements" / "0.3.0.json").read_text())
IDS = [UUID(one) for one in SAID["messages"]]
_READERS: dict[str, Callable[[str], Any]] = {
    "uuid": UUID,
    "bytes": base64.b64decode,
    "moment": datetime.fromisoformat,
}


@pytest.fixture
async def box(postgresql_url: str) -> AsyncIterator[Gateway]:
    """A ledger of this version."""
    async with gateway(postgresql_url) as box:
        await migrate(box.engine)
        yield box


def read(value: Any) -> Any:
    """Read an argument as it was written down: what JSON lacks is an object of one member."""
    if isinstance(value, list):
        return [read(one) for one in value]
    if isinstance(value, dict):
        ((kind, text),) = value.items()
        return _READERS[kind](text)
    return value


async def say(url: str) -> dict[str, list[Any]]:
    """Say all of it, and return the answers, by what was being done."""
    connection = await asyncpg.connect(url)
    answers: dict[str, list[Any]] = {}
    for one in SAID["statements"]:
        answers.setdefault(one["step"], []).append(
            await connection.fetch(one["sql"], *map(read, one["arguments"]))
        )
    await connection.close()
    return answers


@pytest.mark.usefixtures("box")
async def test_the_version_before_works_on_this_one_s_tables(postgresql_url: str) -> None:
    """Every statement is understood, finds what the ones before it stored, and says so."""
    answers = await say(postgresql_url)

    assert [IDS[0]] == [row["id"] for row in answers["find"][0]]
    assert "sent" == answers["find"][0][0]["status"]
    assert ["sent"] == [row["event"] for row in answers["timeline"][0]]
    assert (1, 1) == tuple(map(len, answers["take unpublished"]))  # the one that was accepted with a key


async def test_this_version_carries_on_what_it_began(box: Gateway, postgresql_url: str) -> None:
    """What the other one accepted, queued and saw sent is so here, and goes on from there."""
    await say(postgresql_url)
    await box.ledger.mark_queued(IDS)
    await box.ledger.record(
        [event(IDS[1], "sent", provider="a", provider_message_id="y"), event(IDS[0], "failed", 0)]
    )
    rows = [await box.ledger.find("default", one) for one in IDS]

    assert ["sent", "sent", "queued"] == [row.status for row in rows if row]
    assert [["sent", "failed"], ["sent"], []] == [
        sorted((row.event for row in await box.ledger.timeline(one)), reverse=True) for one in IDS
    ]
