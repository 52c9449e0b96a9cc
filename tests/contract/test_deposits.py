"""What idempotency keys promise, decided in the transaction that stores the message, on either database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Entry, Key, Verdict, item_answer
from services.gateway.ledger.schema import events, idempotency_keys, lookups, messages
from shared.signatures import Lane
from tests.contract.ledgers import Gateway, answered, deposit, entry, gateway

LANES = tuple(Lane)
HOUR = 3600.0
FIRST, OTHER = b"1" * 32, b"2" * 32


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway with a ledger of its own."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


async def count(box: Gateway, table: sa.Table) -> int:
    """How many rows a table has."""
    async with box.engine.connect() as connection:
        return int((await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one())


def key(text: str = "a key", fingerprint: bytes = FIRST) -> Key:
    """An idempotency key."""
    return Key(text, fingerprint)


async def test_a_repeat_gets_the_first_answer(box: Gateway) -> None:
    """The second message is not stored, and its caller is told the first one's id."""
    first, second = entry(), entry()

    stored = await box.writer.deposit(deposit(first, key=key()))
    repeated = await box.writer.deposit(deposit(second, key=key()))

    assert ((first,), (first.id,)) == (stored.stored, stored.ids)
    assert Verdict(replayed=item_answer(first.id)) == repeated
    assert 1 == await count(box, messages)


async def test_the_same_key_for_something_else_is_refused(box: Gateway) -> None:
    """Another body under the same key stores nothing."""
    await box.writer.deposit(deposit(entry(), key=key()))

    verdict = await box.writer.deposit(deposit(entry(), key=key(fingerprint=OTHER)))

    assert verdict.refused
    assert 1 == await count(box, messages)


async def test_a_key_belongs_to_its_tenant(box: Gateway) -> None:
    """Another tenant's key of the same name is another key."""
    await box.writer.deposit(deposit(entry(tenant="one"), key=key()))

    verdict = await box.writer.deposit(deposit(entry(tenant="two"), key=key()))

    assert 1 == len(verdict.stored)


async def test_keys_count_for_a_while_only(database_url: str) -> None:
    """After the retention the key is as good as new."""
    async with gateway(database_url, retention=HOUR) as box:
        await migrate(box.engine)
        await box.writer.deposit(deposit(entry(), key=key()))
        at_once = await box.writer.deposit(deposit(entry(), key=key()))
        await box.pass_time(HOUR)
        later = await box.writer.deposit(deposit(last := entry(), key=key(fingerprint=OTHER)))
        again = await box.writer.deposit(deposit(entry(), key=key(fingerprint=OTHER)))

        assert (0, 1) == (len(at_once.stored), len(later.stored))
        assert item_answer(last.id) == again.replayed
        assert 1 == await count(box, idempotency_keys)


async def test_fifty_repeats_at_two_gateways_are_one_message(database_url: str) -> None:
    """Whoever commits first decides; all others are told its id."""
    async with AsyncExitStack() as stack:
        boxes = [await stack.enter_async_context(gateway(database_url)) for _ in range(2)]
        await migrate(boxes[0].engine)
        # Each gateway keeps repeats apart itself; the ledger is what keeps the gateways apart.
        rounds = []
        for number in range(25):
            pair = (box.writer.deposit(deposit(entry(), key=key(f"key {number}"))) for box in boxes)
            rounds.append(await asyncio.gather(*pair))

        for one, two in rounds:
            assert 1 == len(one.stored) + len(two.stored)
            (won, lost) = (one, two) if one.stored else (two, one)
            assert item_answer(won.stored[0].id) == lost.replayed
        assert 25 == await count(boxes[0], messages)


async def test_gateways_with_the_same_keys_do_not_wait_in_a_circle(database_url: str) -> None:
    """Batches that hold the same keys in opposite order both come to an end."""
    async with AsyncExitStack() as stack:
        boxes = [await stack.enter_async_context(gateway(database_url)) for _ in range(2)]
        await migrate(boxes[0].engine)
        for number in range(20):
            keys = [key(f"{number}-{letter}") for letter in "abcdefgh"]
            orders = (keys, keys[::-1])
            waiting = [
                box.writer.deposit(deposit(entry(), key=one))
                for pair in zip(*orders, strict=True)
                for box, one in zip(boxes, pair, strict=True)
            ]
            verdicts = await asyncio.gather(*waiting)

            assert 8 == sum(len(verdict.stored) for verdict in verdicts)


async def test_repeats_beside_others_in_one_commit(box: Gateway) -> None:
    """A repeat, a reused key and new messages may share a transaction; each gets its own verdict."""
    first = entry()
    await box.writer.deposit(deposit(first, key=key()))

    await box.writer.deposit(deposit(entry(), key=key("used")))
    new, keyed = entry(), entry()
    verdicts = await asyncio.gather(
        box.writer.deposit(deposit(new)),
        box.writer.deposit(deposit(entry(), key=key())),
        box.writer.deposit(deposit(entry(), key=key("used", OTHER))),
        box.writer.deposit(deposit(keyed, key=key("another key"))),
    )

    assert [(new,), (), (), (keyed,)] == [verdict.stored for verdict in verdicts]
    assert [False, False, True, False] == [verdict.refused for verdict in verdicts]
    assert 4 == await count(box, messages)


async def test_a_batch_is_stored_whole_or_not_at_all(box: Gateway) -> None:
    """One entry that the database refuses takes its own batch with it, and no other."""
    doubled = entry()
    await box.append(doubled)
    spoilt = [entry(), entry(doubled.id), entry()]
    whole = [entry(), entry()]

    results = await asyncio.gather(
        box.writer.deposit(deposit(*spoilt, key=key("spoilt"))),
        box.writer.deposit(deposit(*whole, key=key("whole"))),
        return_exceptions=True,
    )

    assert ["EntryRefusedError", "Verdict"] == [type(result).__name__ for result in results]
    assert 3 == await count(box, messages)
    assert 1 == await count(box, idempotency_keys)


async def test_a_repeated_batch_gets_its_answer(box: Gateway) -> None:
    """The key of a whole request answers for all its messages."""
    entries = [entry(), entry(), entry()]
    await box.writer.deposit(deposit(*entries, key=key()))

    repeated = await box.writer.deposit(deposit(entry(), entry(), entry(), key=key()))

    assert answered([one.id for one in entries]) == repeated.replayed
    assert 3 == await count(box, messages)


async def test_items_have_keys_of_their_own(box: Gateway) -> None:
    """What was accepted before, alone or in another batch, is answered by its first id."""
    alone = entry()
    await box.writer.deposit(deposit(alone, key=key("alone")))
    new, keyless = entry(), entry()

    verdict = await box.writer.deposit(
        deposit(entry(), new, keyless, item_keys=(key("alone"), key("new"), None)),
    )
    again = await box.writer.deposit(deposit(entry(), key=key("new")))

    assert ((new, keyless), (alone.id, new.id, keyless.id)) == (verdict.stored, verdict.ids)
    assert item_answer(new.id) == again.replayed
    assert 3 == await count(box, messages)


async def test_a_reused_item_key_stops_a_strict_batch(box: Gateway) -> None:
    """Nothing is stored, and the keys of the other items stay free."""
    await box.writer.deposit(deposit(entry(), key=key("used")))
    item_keys = (key("free"), key("used", OTHER))

    verdict = await box.writer.deposit(deposit(entry(), entry(), item_keys=item_keys, key=key("whole")))
    free = await box.writer.deposit(deposit(entry(), key=key("free", OTHER)))
    whole = await box.writer.deposit(deposit(entry(), key=key("whole", OTHER)))

    assert (True, (1,)) == (verdict.refused, verdict.reused)
    assert [1, 1] == [len(free.stored), len(whole.stored)]


async def test_a_reused_item_key_costs_a_permissive_batch_one_item(box: Gateway) -> None:
    """The others are stored; the whole request's answer, also when repeated, says which was not."""
    await box.writer.deposit(deposit(entry(), key=key("used")))
    good = entry()
    asked: dict[str, Any] = {"item_keys": (key("good"), key("used", OTHER)), "strict": False}

    verdict = await box.writer.deposit(deposit(good, entry(), key=key("whole"), **asked))
    repeated = await box.writer.deposit(deposit(entry(), entry(), key=key("whole"), **asked))

    assert ((good,), (good.id, None), (1,)) == (verdict.stored, verdict.ids, verdict.reused)
    assert answered([good.id, None]) == repeated.replayed


async def test_a_scheduled_message_is_not_published_before_its_time(box: Gateway) -> None:
    """It is due at its time by the database's clock, and committed without being offered to the relay."""
    committed: list[Entry] = []
    box.writer._on_committed = committed.extend
    moment = datetime.now(UTC) + timedelta(seconds=HOUR)
    scheduled = entry(status="scheduled", event="scheduled", scheduled_at=moment)
    await box.append(scheduled, plain := entry())

    early = await box.ledger.take_unpublished(LANES, limit=9, lease=2 * HOUR)
    await box.pass_time(HOUR)
    due = await box.ledger.take_unpublished(LANES, limit=9, lease=2 * HOUR)
    row = await box.row(scheduled)

    assert [plain.id] == [one.id for one in committed] == [one.id for one in early]
    assert [scheduled.id] == [one.id for one in due]
    assert ("accepted", moment - timedelta(seconds=HOUR)) == (row.status, row.scheduled_at)


async def test_a_suppressed_message_is_stored_and_goes_nowhere(box: Gateway) -> None:
    """It has come to its end at once, and its timeline says why."""
    suppressed = entry(status="suppressed", event="suppressed", reason="because")
    await box.append(suppressed)

    taken = await box.ledger.take_unpublished(LANES, limit=9, lease=60)
    row = await box.row(suppressed)
    (event,) = await box.ledger.timeline(suppressed.id)

    assert [] == taken
    assert ("suppressed", None, "because") == (row.status, row.due_at, row.reason)
    assert ("suppressed", "gateway", "because") == (event.event, event.actor, event.reason)
    assert 1 == await count(box, events)


async def test_what_a_message_is_found_by_is_stored_with_it(box: Gateway) -> None:
    """Each lookup leads to the message."""
    found = entry(lookups=(("recipient", "ann@example.org"), ("tag", "a:b")), summary=b"{}")
    await box.append(found, entry())

    async with box.engine.connect() as connection:
        rows = (await connection.execute(sa.select(lookups).order_by(lookups.c.kind))).all()

    assert [
        ("default", "recipient", "ann@example.org", found.id),
        ("default", "tag", "a:b", found.id),
    ] == [tuple(row) for row in rows]
    assert b"{}" == (await box.row(found)).summary
