"""What the ledger does not keep for ever, and what it keeps all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from services.gateway.api.representation import LAST_EVENT
from services.gateway.ledger import retention as module
from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Key
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.listing import Listing
from services.gateway.ledger.paging import Page
from services.gateway.ledger.retention import Batch, Retention
from services.gateway.ledger.schema import idempotency_keys, messages
from services.gateway.retention import Purger
from shared.signatures import Lane, SendEmail
from tests.contract.ledgers import Gateway, deposit, entry, event, gateway
from tests.contract.stock import Item, id_at, stock
from tests.servers.server import free_port

DAY = timedelta(days=1)
MONTH = 30 * 86_400.0
NOW = datetime.now(UTC)
OLD = NOW - 40 * DAY


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's migrated ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


@pytest.fixture
def retention(box: Gateway) -> Retention:
    """What removes the old from it."""
    return Retention(box.sessions)


def old(at: datetime = OLD, **fields: Any) -> Item:
    """A message that was accepted long ago, and has come to its end."""
    return Item(id_at(at), accepted_at=at, **fields)


async def purge_all(retention: Retention, seconds: float = MONTH) -> int:
    """Purge batch after batch, as a round does; return how many bodies went."""
    batch = await retention.purge(seconds)
    purged = batch.purged
    while batch.last is not None:
        batch = await retention.purge(seconds, after=batch.last)
        purged += batch.purged
    return purged


async def bodies(box: Gateway) -> dict[UUID, bytes]:
    """The arguments of every message."""
    async with box.engine.connect() as connection:
        rows = (await connection.execute(sa.select(messages.c.id, messages.c.arguments))).all()
    return {row.id: row.arguments for row in rows}


async def row_of(box: Gateway, item: Item) -> Any:
    """The ledger's row of a message."""
    return await box.ledger.find(item.tenant, item.id)


# Bodies


async def test_an_old_body_is_removed(box: Gateway, retention: Retention) -> None:
    """Arguments are empty from then on; the rest of the row stays as it was."""
    item = old()
    await stock(box.engine, item)
    before = await row_of(box, item)

    assert Batch(1, None) == await retention.purge(MONTH)

    after = await row_of(box, item)

    assert (b"", before.summary) == (after.arguments, after.summary)
    assert abs(after.purged_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert [name for name, value in before._mapping.items() if value != after._mapping[name]] == [
        "purged_at",
        "arguments",
    ]


async def test_a_young_body_stays(box: Gateway, retention: Retention) -> None:
    """To the minute."""
    edge = datetime.now(UTC) - 30 * DAY
    young, old_enough = old(edge + timedelta(minutes=1)), old(edge - timedelta(minutes=1))
    await stock(box.engine, young, old_enough)

    assert 1 == await purge_all(retention)
    assert {young.id: False, old_enough.id: True} == {
        one: not body for one, body in (await bodies(box)).items()
    }


async def test_a_body_is_removed_once(box: Gateway, retention: Retention) -> None:
    """The second round finds nothing to do, and does not ask for the right to write."""
    await stock(box.engine, old())
    await purge_all(retention)

    assert Batch(0, None) == await retention.purge(MONTH)


@pytest.mark.parametrize("status", sorted({*LAST_EVENT} - {"held"}))
async def test_what_may_still_be_sent_keeps_its_body(box: Gateway, retention: Retention, status: str) -> None:
    """However old it is, and whatever it is called: it is due, so something is still awaited of it."""
    await stock(box.engine, pending := old(status=status, due=timedelta(0)), ended := old(status=status))

    await purge_all(retention)
    found = await bodies(box)

    assert found[pending.id]
    assert not found[ended.id]


async def test_a_held_message_keeps_its_body(box: Gateway, retention: Retention) -> None:
    """Nothing is due, but a human may want it sent; once it is dropped, it is as old as any other."""
    await stock(box.engine, held := old(status="held"))

    assert 0 == await purge_all(retention)
    assert await box.replays.drop(held.tenant, held.id) is None
    assert 1 == await purge_all(retention)


async def test_a_message_scheduled_far_ahead_keeps_its_body(box: Gateway, retention: Retention) -> None:
    """Through the year that it waits, and after it was sent, for as long as any other."""
    waiting = old(
        status="scheduled", due=300 * DAY, more={"scheduled_at": NOW + 300 * DAY, "queued_at": None}
    )
    just_sent = old(more={"scheduled_at": NOW - DAY})
    sent_long_ago = old(more={"scheduled_at": NOW - 35 * DAY})
    canceled = old(status="canceled", more={"scheduled_at": NOW + 300 * DAY})
    await stock(box.engine, waiting, just_sent, sent_long_ago, canceled)

    assert 2 == await purge_all(retention)

    kept = {one for one, body in (await bodies(box)).items() if body}

    assert {waiting.id, just_sent.id} == kept


async def test_messages_come_to_their_end_and_grow_old(box: Gateway, retention: Retention) -> None:
    """The path that messages really take: accepted, queued, sent."""
    sent, queued = await box.publish(2)
    (waiting,) = await box.accept()
    await box.append(suppressed := entry(status="suppressed"))
    await box.ledger.record([event(sent.id, "sent")])
    await asyncio.sleep(0.05)

    assert 2 == await purge_all(retention, 0.01)

    kept = {one for one, body in (await bodies(box)).items() if body}

    assert {queued.id, waiting.id} == kept
    assert suppressed.id not in kept


async def test_what_is_purged_never_leaves(box: Gateway, retention: Retention) -> None:
    """Neither a late event, nor a row that was made due by hand, gets an empty body published."""
    await stock(box.engine, *(items := [old(), old(more={"queued_at": None})]))
    await purge_all(retention)
    await box.ledger.record([event(item.id, "uncertain", 9) for item in items])
    async with box.engine.begin() as connection:
        long_ago = {"due_at": OLD, "status": "accepted"}
        await connection.execute(sa.update(messages).values(**long_ago))

    assert not await box.ledger.take_unpublished(Lane, limit=10, lease=1)
    assert not await box.ledger.take_silent(Lane.TRANSACTIONAL, limit=10)


async def test_a_purged_message_can_still_be_seen(box: Gateway, retention: Retention) -> None:
    """In lists, by its id, and its timeline goes on."""
    item = old(recipients=("ann@example.org",))
    await stock(box.engine, item)
    await box.ledger.record([event(item.id, "sent")])
    await purge_all(retention)
    await box.ledger.record([event(item.id, "delivered", 2)])

    (shown,), _ = await Listing(box.sessions).page("acme", Filters(recipient="ann@example.org"), Page())
    row = await row_of(box, item)

    assert item.id == shown.id == SendEmail.parse(row.summary).message_id
    assert ["sent", "delivered"] == [happened.event for happened in await box.ledger.timeline(item.id)]


async def test_rows_of_version_0_1_get_a_summary_first(box: Gateway, retention: Retention) -> None:
    """Without it nobody could tell afterwards what they were."""
    await stock(box.engine, item := old(recipients=("ann@example.org",), more={"summary": None}))

    assert 1 == await purge_all(retention)

    row = await row_of(box, item)
    summary = SendEmail.parse(row.summary)

    assert (b"", item.id, None) == (row.arguments, summary.message_id, summary.text)
    assert ["ann@example.org"] == [address.email for address in summary.to]


async def test_what_cannot_be_read_stops_nobody(box: Gateway, retention: Retention) -> None:
    """A row that nobody understands stays as it is; those behind it are purged."""
    strange = old(more={"summary": None, "arguments": b"\xff"})
    await stock(box.engine, strange, *(old(OLD + n * timedelta(seconds=1)) for n in range(1, 4)))

    assert 3 == await purge_all(retention)
    assert 0 == await purge_all(retention)
    assert b"\xff" == (await bodies(box))[strange.id]


async def test_batches_are_small(box: Gateway, retention: Retention, monkeypatch: pytest.MonkeyPatch) -> None:
    """In rows, and in the bytes that are thrown away; and together they do everything, in order."""
    monkeypatch.setattr(module, "_ROWS", 4)
    monkeypatch.setattr(module, "_BYTES", 10_000)
    # Many at the same moment, and some that are passed over.
    ended = [old(OLD + n // 5 * timedelta(seconds=1)) for n in range(23)]
    passed_over = [old(more={"scheduled_at": NOW}) for _ in range(9)]
    large = [old(OLD + DAY, more={"arguments": b"x" * 6000}) for _ in range(3)]
    await stock(box.engine, *ended, *passed_over, *large)
    batches = [await retention.purge(MONTH)]
    while (last := batches[-1].last) is not None:
        batches.append(await retention.purge(MONTH, after=last))
    sizes = [batch.purged for batch in batches]

    assert (4, 26) == (max(sizes), sum(sizes))
    assert [1, 1, 1] == sizes[-3:]
    assert {item.id for item in passed_over} == {one for one, body in (await bodies(box)).items() if body}


async def test_several_gateways_share_the_work(database_url: str) -> None:
    """They purge at the same time, and each body once."""
    async with gateway(database_url) as one, gateway(database_url) as other:
        await migrate(one.engine)
        await stock(one.engine, *(old() for _ in range(350)))
        counts = await asyncio.gather(
            purge_all(Retention(one.sessions)),
            purge_all(Retention(other.sessions)),
            purge_all(Retention(other.sessions)),
        )

        assert 350 == sum(counts)
        assert not any((await bodies(one)).values())


async def test_a_locked_message_is_passed_over(postgresql_url: str) -> None:
    """Purging waits for nobody."""
    async with gateway(postgresql_url) as box:
        await migrate(box.engine)
        await stock(box.engine, locked := old(), old())
        async with box.engine.begin() as connection:
            query = sa.select(messages.c.id).where(messages.c.id == locked.id).with_for_update()
            await connection.execute(query)
            async with asyncio.timeout(10):
                purged = await purge_all(Retention(box.sessions))
        later = await purge_all(Retention(box.sessions))

    assert [1, 1] == [purged, later]


async def test_an_event_in_between_is_not_lost(box: Gateway, retention: Retention) -> None:
    """A bounce that is reported while its message is purged is written, whichever comes first."""
    items = [old() for _ in range(50)]
    await stock(box.engine, *items)

    await asyncio.gather(
        purge_all(retention), *(box.ledger.record([event(item.id, "sent", 3)]) for item in items)
    )
    await purge_all(retention)
    rows = [await row_of(box, item) for item in items]

    assert {(b"", "sent", 3)} == {(row.arguments, row.status, row.attempts) for row in rows}


# Idempotency keys


async def keys(box: Gateway) -> set[str]:
    """The keys that the ledger holds."""
    async with box.engine.connect() as connection:
        return set((await connection.scalars(sa.select(idempotency_keys.c.key))).all())


async def use_key(box: Gateway, text: str, tenant: str = "default") -> None:
    """Send something under a key."""
    await box.writer.deposit(deposit(entry(tenant=tenant), key=Key(text, b"hash")))


async def test_old_keys_are_deleted(box: Gateway, retention: Retention) -> None:
    """Of every tenant; young ones stay."""
    await use_key(box, "old")
    await use_key(box, "old", tenant="another")
    await box.pass_time(60.0)
    await use_key(box, "young")

    assert [0, 2, 0] == [await retention.delete_keys(seconds) for seconds in (120.0, 60.0, 60.0)]
    assert {"young"} == await keys(box)


async def test_keys_are_deleted_in_batches(
    box: Gateway, retention: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest come first."""
    monkeypatch.setattr(module, "_KEYS", 3)
    for number in range(7):
        await use_key(box, str(number))
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.01)

    assert 3 == await retention.delete_keys(0.01)
    assert {"3", "4", "5", "6"} == await keys(box)
    assert [3, 1, 0] == [await retention.delete_keys(0.01) for _ in range(3)]


async def test_a_key_that_is_taken_over_meanwhile_stays(database_url: str) -> None:
    """Used again after its time it is a new key, and is not deleted with the old ones."""
    async with gateway(database_url, retention=3600) as box:
        await migrate(box.engine)
        retention = Retention(box.sessions)
        for number in range(30):
            await use_key(box, f"key-{number}")
        async with box.engine.begin() as connection:
            await connection.execute(sa.update(idempotency_keys).values(created_at=OLD))
        await asyncio.gather(
            *(use_key(box, f"key-{number}") for number in range(30)),
            *(retention.delete_keys(3600) for _ in range(5)),
        )

        assert 30 == len(await keys(box))


# Rounds


def purger(box: Gateway, *, body_days: float = 30.0) -> Purger:
    """What a gateway runs, in a hurry."""
    return Purger(Retention(box.sessions), body_days=body_days, key_seconds=3600, interval=0.05)


async def settled(what: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something has happened."""
    async with asyncio.timeout(10):
        while True:
            if await what():
                return
            await asyncio.sleep(0.02)


async def test_a_round_removes_all_that_is_too_old(box: Gateway) -> None:
    """Bodies and keys, batch after batch, and one line in the log says how many; nothing to do makes none."""
    await stock(box.engine, *(old() for _ in range(120)), young := Item(accepted_at=NOW))
    await use_key(box, "old")
    async with box.engine.begin() as connection:
        await connection.execute(sa.update(idempotency_keys).values(created_at=OLD))

    async def done() -> bool:
        return not await keys(box)

    with capture_logs() as lines:
        (purging := purger(box)).start()
        await settled(done)
        await asyncio.sleep(0.2)
        await purging.close()
    kept = {one for one, body in (await bodies(box)).items() if body}

    assert 2 == len(kept)  # and the message that was sent under the key
    assert young.id in kept
    assert [{"event": "retention.purged", "log_level": "info", "messages": 120, "keys": 1}] == lines


async def test_bodies_can_be_kept_for_ever(box: Gateway) -> None:
    """Keys go all the same."""
    await stock(box.engine, old())
    await use_key(box, "old")
    async with box.engine.begin() as connection:
        await connection.execute(sa.update(idempotency_keys).values(created_at=OLD))

    async def done() -> bool:
        return not await keys(box)

    (purging := purger(box, body_days=0)).start()
    await settled(done)
    await purging.close()

    assert all((await bodies(box)).values())


async def test_without_a_ledger_it_tries_again() -> None:
    """Round after round, and it can still be told to stop."""
    async with gateway(f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/nowhere") as box:
        with capture_logs() as lines:

            async def twice() -> bool:
                return len(lines) >= 2

            (purging := purger(box)).start()
            await settled(twice)
            await purging.close()

    assert {("ledger.unavailable", "retention")} == {(line["event"], line["during"]) for line in lines}
