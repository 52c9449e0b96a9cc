"""The trace that a message belongs to stays with it in the ledger, be it SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from services.gateway.ledger.database import migrate
from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.recording import Recording
from shared.signatures import Lane
from tests.contract.ledgers import Gateway, entry, event, gateway

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 vendor=1"


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A migrated ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


async def test_what_is_published_again_is_in_the_same_trace(box: Gateway) -> None:
    """By the sweeper, and when it is replayed; who had none has none."""
    traced, bare = replace(entry(), trace=TRACE), entry()
    await box.append(traced, bare)
    taken = await box.ledger.take_unpublished([*Lane], limit=9, lease=5)
    await box.ledger.record([event(one.id, "failed") for one in (traced, bare)])
    again = await box.replays.again(traced.tenant, [traced.id, bare.id], "replayed")

    expected = {traced.id: TRACE, bare.id: None}
    assert expected == {one.id: one.trace for one in taken}
    assert expected == {one.id: one.trace for one in again.entries}


async def test_whoever_listens_is_told_of_new_events_and_the_messages_traces(box: Gateway) -> None:
    """Once each, however often they come."""
    told: list[tuple[str | None, str]] = []

    def listen(pairs: Sequence[tuple[KnownMessage, LedgerEvent]], seconds: float) -> None:
        assert seconds > 0
        told.extend((message.trace, one.event) for message, one in pairs)

    recording = Recording(box.sessions, silent_after=60, on_added=listen)
    traced, bare = replace(entry(), trace=TRACE), entry()
    await box.append(traced, bare)
    for _ in range(2):
        await recording.record(
            [event(traced.id, "sending"), event(traced.id, "sent"), event(bare.id, "sent")]
        )

    assert [(None, "sent"), (TRACE, "sending"), (TRACE, "sent")] == sorted(
        told, key=lambda one: (one[0] or "", one[1])
    )
