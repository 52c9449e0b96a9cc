"""A tenant's events in an order in which none is skipped, in SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.identifiers import new_message_id
from services.gateway.ledger import feed as feeds
from services.gateway.ledger.database import migrate
from services.gateway.ledger.feed import Feed, FeedEvent, Position
from services.gateway.ledger.schema import events, messages
from tests.contract.ledgers import BEGINNING, Gateway, entry, gateway
from tests.contract.stock import full_scans, plan_of, watched

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


@pytest.fixture
async def server_box(postgresql_url: str) -> AsyncIterator[Gateway]:
    """The same, in PostgreSQL alone, which has many writers."""
    async with gateway(postgresql_url) as box:
        await migrate(box.engine)
        yield box


@pytest.fixture
def feed(box: Gateway) -> Feed:
    """Its feed."""
    return Feed(box.sessions)


@pytest.fixture
def server_feed(server_box: Gateway) -> Feed:
    """Its feed."""
    return Feed(server_box.sessions)


def happened(word: str, tenant: str | None = "default", **fields: Any) -> dict[str, Any]:
    """A row of an event."""
    row = {"message_id": new_message_id(), "key": word, "event": word, "actor": "mailer", "at": BEGINNING}
    return {**row, "tenant": tenant, **fields}


async def insert(connection: AsyncConnection, *words: str, **fields: Any) -> None:
    """Insert events within a transaction."""
    for word in words:
        await connection.execute(sa.insert(events).values(**happened(word, **fields)))


async def record(box: Gateway, *words: str, **fields: Any) -> None:
    """Commit events, all in one transaction."""
    async with box.engine.begin() as connection:
        await insert(connection, *words, **fields)


def words(told: Sequence[FeedEvent]) -> list[str]:
    """What is told, by name."""
    return [event.event for event in told]


# In both databases


async def test_a_feed_begins_at_what_happens_from_now_on(box: Gateway, feed: Feed) -> None:
    """And goes on behind what was read."""
    await record(box, "before")
    start = await feed.open("default", None)
    await record(box, "sending", "sent")
    first = await feed.since("default", start)
    await record(box, "delivered")
    second = await feed.since("default", first[-1].position)

    assert ["sending", "sent"] == words(first)
    assert ["delivered"] == words(second)
    assert not await feed.since("default", second[-1].position)


async def test_every_place_is_one_to_go_on_from(box: Gateway, feed: Feed) -> None:
    """Wherever a reader was cut off, it misses nothing and reads nothing twice."""
    start = await feed.open("default", None)
    for pair in (("a", "b"), ("c", "d")):
        await record(box, *pair)
    told = await feed.since("default", start)
    after = [await feed.since("default", await feed.open("default", one.position)) for one in told]

    assert [["b", "c", "d"], ["c", "d"], ["d"], []] == [words(each) for each in after]


async def test_an_event_is_told_with_all_that_is_known(box: Gateway, feed: Feed) -> None:
    """As its timeline has it."""
    start = await feed.open("default", None)
    fields = {
        "attempt": 2,
        "provider": "sendgrid",
        "provider_message_id": "abc",
        "recipient": "ann@example.org",
        "reason": "mailbox full",
        "retry_at": BEGINNING + timedelta(minutes=1),
    }
    await record(box, "soft_bounced", **fields)
    (told,) = await feed.since("default", start)

    assert ("soft_bounced", "mailer", BEGINNING) == (told.event, told.actor, told.at)
    assert fields == {name: getattr(told, name) for name in fields}


async def test_a_tenant_is_told_of_its_own(box: Gateway, feed: Feed) -> None:
    """Nobody is told of events whose tenant is not known, as those of version 0.3."""
    start = await feed.open("default", None)
    for tenant in ("default", "acme", None):
        await record(box, f"of {tenant}", tenant=tenant)

    assert ["of default"] == words(await feed.since("default", start))
    assert ["of acme"] == words(await feed.since("acme", start))
    both, one = [await feed.news(who, start) for who in (["default", "acme"], ["acme", "nobody"])]

    assert [{"default", "acme"}, {"acme"}] == [set(both[0]), set(one[0])]


async def test_news_is_what_came_since_the_last_look(box: Gateway, feed: Feed) -> None:
    """One question for all who listen."""
    place = await feed.end()
    nothing, place = await feed.news(["default"], place)
    await record(box, "sent")
    something, place = await feed.news(["default"], place)
    again, _ = await feed.news(["default"], place)

    assert [set(), {"default"}, set()] == [nothing, something, again]


async def test_much_is_read_page_by_page(box: Gateway, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that was away for long is no burden."""
    monkeypatch.setattr(feeds, "PAGE", 2)
    place = await feed.open("default", None)
    await record(box, *"abcde")
    pages = []
    while page := await feed.since("default", place):
        pages.append(words(page))
        place = page[-1].position

    assert [["a", "b"], ["c", "d"], ["e"]] == pages


async def test_what_the_gateway_itself_notes_is_told(box: Gateway, feed: Feed) -> None:
    """From accepting on: what is scheduled, moved, canceled, expired, replayed, dropped."""
    start = await feed.open("default", None)
    kept, late, moved = (entry(status="scheduled", event="scheduled", scheduled_at=LATER) for _ in range(3))
    stopped = entry(status="suppressed", event="suppressed")
    await box.append(kept, late, moved, stopped)
    await box.schedule.cancel("default", kept.id)
    await box.schedule.reschedule("default", moved.id, LATER)
    now = sa.func.now() if box.engine.dialect.name == "postgresql" else sa.text("datetime('now', '-1 day')")
    past = sa.update(messages).where(messages.c.id == late.id).values(due_at=now, expires_at=now)
    async with box.engine.begin() as connection:
        await connection.execute(past)
    await box.schedule.expire(limit=10)
    await box.replays.again("default", [stopped.id], "replayed")
    told = await feed.since("default", start)
    by_message = {one.id: [e.event for e in told if e.message_id == one.id] for one in (kept, late, moved)}

    assert ["scheduled", "canceled"] == by_message[kept.id]
    assert ["scheduled", "expired"] == by_message[late.id]
    assert ["scheduled", "rescheduled"] == by_message[moved.id]
    assert ["suppressed", "replayed"] == [e.event for e in told if e.message_id == stopped.id]


async def test_a_confirm_that_is_noted_late_is_no_news(box: Gateway, feed: Feed) -> None:
    """A replay keeps in the timeline when the message was queued before; a stream is not told of it."""
    (failed,) = await box.publish()
    values = {"status": "failed", "due_at": None}
    async with box.engine.begin() as connection:
        await connection.execute(sa.update(messages).where(messages.c.id == failed.id).values(**values))
    start = await feed.open("default", None)
    await box.replays.again("default", [failed.id], "replayed")
    timeline = [row.event for row in await box.ledger.timeline(failed.id)]

    assert {"queued", "replayed"} == set(timeline)
    assert ["replayed"] == words(await feed.since("default", start))


@pytest.mark.parametrize("text", ["", "1", "1-", "-1", "1-2-3", "a-b", "1 - 2", "٣-٤", f"0-{2**63}", "+1-2"])
def test_what_is_no_place_is_refused(text: str) -> None:
    """Before the ledger is asked."""
    with pytest.raises(ValueError, match="is no place in the stream"):
        Position.parse(text)


def test_a_place_reads_as_it_was_written() -> None:
    """It goes to the client and back."""
    assert Position(12, 34) == Position.parse(str(Position(12, 34)))


# Where many write at once


async def test_what_commits_later_with_a_smaller_sequence_is_told(
    server_box: Gateway, server_feed: Feed
) -> None:
    """A reader that went by sequences alone would have gone past it."""
    start = await server_feed.open("default", None)
    async with server_box.engine.begin() as slow:
        await insert(slow, "slow")
        await record(server_box, "quick")
        early = await server_feed.since("default", start)
        nobody, place = await server_feed.news(["default"], start)
    late = await server_feed.since("default", start)
    somebody, _ = await server_feed.news(["default"], place)

    assert ([], frozenset()) == (early, nobody)
    assert ["slow", "quick"] == words(late)
    assert {"default"} == somebody


async def test_what_began_earlier_but_wrote_later_is_told(server_box: Gateway, server_feed: Feed) -> None:
    """A transaction may have the smaller number and the larger sequence."""
    start = await server_feed.open("default", None)
    async with server_box.engine.begin() as slow:
        await slow.execute(sa.text("SELECT pg_current_xact_id()"))
        await record(server_box, "quick")
        held_back = await server_feed.since("default", start)
        await insert(slow, "slow")
    told = await server_feed.since("default", start)
    rest = await server_feed.since("default", told[0].position)

    assert [] == held_back
    assert ["slow", "quick"] == words(told)
    assert ["quick"] == words(rest)


async def test_what_is_under_way_when_a_stream_begins_is_told(server_box: Gateway, server_feed: Feed) -> None:
    """It happens from now on: nobody has seen it yet."""
    async with server_box.engine.begin() as slow:
        await insert(slow, "slow")
        start = await server_feed.open("default", None)

    assert ["slow"] == words(await server_feed.since("default", start))


async def test_what_was_rolled_back_holds_nobody_up(server_box: Gateway, server_feed: Feed) -> None:
    """Its number was taken, and that is all."""
    start = await server_feed.open("default", None)
    async with server_box.engine.connect() as connection:
        await insert(connection, "never")
        await connection.rollback()
    await record(server_box, "sent")

    assert ["sent"] == words(await server_feed.since("default", start))


async def test_after_a_restore_a_reader_goes_on_where_it_was(server_box: Gateway, server_feed: Feed) -> None:
    """Another server counts transactions anew, and what it restored comes before what it writes."""
    begun = Position(0, 0)
    await record(server_box, *"abc")
    before = await server_feed.since("default", begun)
    ahead = 1_000_000
    async with server_box.engine.begin() as connection:
        await connection.execute(sa.update(events).values(transaction_id=events.c.transaction_id + ahead))
    place = Position(before[1].position.transaction_id + ahead, before[1].position.sequence)
    resumed = await server_feed.open("default", place)
    await record(server_box, "new")
    told = await server_feed.since("default", resumed)

    assert Position(0, place.sequence) == resumed
    assert ["c", "new"] == words(told)
    assert [0] == [event.position.transaction_id for event in told[:1]]
    assert ["a", "b", "c", "new"] == words(await server_feed.since("default", begun))


async def test_a_reader_that_comes_back_long_after_a_restore_goes_on_too(
    server_box: Gateway, server_feed: Feed
) -> None:
    """Its number has come up again meanwhile, but what it saw last was restored."""
    await record(server_box, *"abc")
    seen = (await server_feed.since("default", Position(0, 0)))[0].position
    async with server_box.engine.begin() as connection:
        await connection.execute(sa.update(events).values(transaction_id=0))
    await record(server_box, "new")
    resumed = await server_feed.open("default", seen)

    assert ["b", "c", "new"] == words(await server_feed.since("default", resumed))


async def test_what_was_restored_is_forgotten_to_the_last_row(
    server_box: Gateway, server_feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those whose numbers this server knows already, and in as many steps as it takes."""
    monkeypatch.setattr(feeds, "_AT_ONCE", 2)
    await record(server_box, *"abcde")
    async with server_box.engine.begin() as connection:
        strange = sa.update(events).where(events.c.event == "e").values(transaction_id=2**40)
        await connection.execute(strange)
    await record(server_box, "other", tenant="acme", transaction_id=2**40)
    await server_feed.open("default", None)
    await record(server_box, "new")
    everything = await server_feed.since("default", Position(0, 0))

    assert [*"abcde", "new"] == words(everything)
    assert [True] * 5 + [False] == [event.position.transaction_id == 0 for event in everything]


async def test_the_feed_is_read_from_its_index(server_box: Gateway, server_feed: Feed) -> None:
    """However many events there are."""
    many = """
        INSERT INTO events (message_id, tenant, key, event, actor, at)
        SELECT gen_random_uuid(), 'tenant-' || n % 50, 'sent', 'sent', 'mailer', now()
        FROM generate_series(1, 20000) AS n
    """
    async with server_box.engine.begin() as connection:
        await connection.execute(sa.text(many))
    async with server_box.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(sa.text("ANALYZE"))
    place = await server_feed.end()
    with watched(server_box.engine) as statements:
        await server_feed.open("tenant-1", place)
        await server_feed.since("tenant-1", place)
        await server_feed.news(["tenant-1", "tenant-2"], place)

    plans = [await plan_of(server_box.engine, statement) for statement in statements]

    assert 6 == len(plans)
    assert [] == [line for plan in plans for line in full_scans(plan)]
