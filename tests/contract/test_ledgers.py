"""What the gateway may rely on in its ledger, be it SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import LedgerAddress, is_current, migrate, open_engine
from services.gateway.ledger.deposit import Deposit, Entry, Verdict
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.schema import metadata, moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.writer import Writer
from shared.signatures import Lane
from tests.contract.ledgers import BEGINNING, SILENT_AFTER, TIMEOUT, Gateway, deposit, entry, event, gateway
from tests.servers.packages import program
from tests.servers.postgresql import PostgreSQL
from tests.servers.server import free_port

ROOT = Path(__file__).parents[2]
LANES = tuple(Lane)
A_MOMENT = timedelta(seconds=5)

TEN_YEARS = 3650 * 86_400.0


@pytest.fixture
async def ledger_url(database_url: str) -> str:
    """A migrated ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
    return database_url


@pytest.fixture
async def box(ledger_url: str) -> AsyncIterator[Gateway]:
    """A gateway whose messages are due for the sweeper as soon as they are committed."""
    async with gateway(ledger_url) as box:
        yield box


def stored_ids(url: str) -> list[str]:
    """The ids of all messages, seen over a connection of its own, now."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        rows = connection.execute("SELECT id FROM messages").fetchall()
        connection.close()
        return sorted(row[0] for row in rows)
    command = [
        str(program("psql")),
        "--no-psqlrc",
        "-qtA",
        "-c",
        "SELECT replace(id::text, '-', '') FROM messages",
        url,
    ]
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def hexes(entries: Iterable[Entry]) -> list[str]:
    """The ids of entries, as :func:`stored_ids` gives them."""
    return sorted(entry.id.hex for entry in entries)


def ids(entries: Iterable[Entry]) -> set[UUID]:
    """The ids of entries."""
    return {entry.id for entry in entries}


async def now(box: Gateway) -> datetime:
    """The database's own time."""
    async with box.engine.connect() as connection:
        moment: datetime = (await connection.execute(sa.select(moment_in(0)))).scalar_one()
    return moment


# Migrations


async def test_migrating_twice_is_harmless(box: Gateway) -> None:
    """The second time finds nothing to do, and touches no message."""
    (accepted,) = await box.accept()

    await migrate(box.engine)

    assert accepted.id == (await box.row(accepted)).id


async def test_a_ledger_knows_whether_it_is_up_to_date(database_url: str) -> None:
    """Which a command has to ask: neither an empty ledger is, nor one of an older version."""
    engine = open_engine(LedgerAddress.parse(database_url), 5)
    sessions = Sessions(engine, writing=None, timeout=5)
    found = [await is_current(sessions)]
    await migrate(engine)
    found.append(await is_current(sessions))
    for revision in ("0002", "9999"):
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
        found.append(await is_current(sessions))
    await engine.dispose()

    assert [False, True, False, True] == found


def _compare_default(_context: Any, _inspected: Any, column: sa.Column[Any], *_: Any) -> bool | None:
    """Leave out the one default that PostgreSQL has and SQLite has not; what it is for test_feed shows."""
    return False if column.name == "transaction_id" else None


async def test_the_migrations_lead_to_the_schema(box: Gateway) -> None:
    """Alembic finds no difference between what it made and what ``schema`` says."""

    def differences(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_server_default": _compare_default})
        return list(compare_metadata(context, metadata))

    async with box.engine.connect() as connection:
        assert not await connection.run_sync(differences)


def test_two_gateways_may_migrate_at_once(postgresql_url: str) -> None:
    """The second waits for the first, and both are content."""
    environment = os.environ | {"PILLARBOX_LEDGER_URL": postgresql_url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "services.gateway", "migrate"]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    expected = [0, 0]

    assert expected == [process.returncode for process in processes], outputs


# Appending


async def test_an_appended_message_is_stored_as_it_is(box: Gateway) -> None:
    """Every field comes back, and the database's clock says when it was accepted."""
    accepted = entry(tenant="acme", lane=Lane.BULK)

    await box.append(accepted)
    row = await box.row(accepted)

    assert accepted == Entry(row.id, row.tenant, row.lane, row.task, row.arguments)
    assert abs(row.accepted_at - await now(box)) < A_MOMENT
    assert abs(row.accepted_at - datetime.now(UTC)) < A_MOMENT


async def test_a_new_message_is_accepted_and_nothing_else(box: Gateway) -> None:
    """Nobody has published it, and nobody has tried to deliver it."""
    expected = {
        "status": "accepted",
        "progress": 0,
        "series": 0,
        "queued_at": None,
        "publications": 0,
        "attempts": 0,
        "provider": None,
        "provider_message_id": None,
        "reason": None,
    }
    (accepted,) = await box.accept()
    row = (await box.row(accepted))._mapping

    assert expected == {name: row[name] for name in expected}


async def test_a_new_message_is_left_to_the_relay_for_a_while(ledger_url: str) -> None:
    """The sweeper does not compete with the relay that was just given the message."""
    async with gateway(ledger_url, lease=30) as box:
        (accepted,) = await box.accept()
        row = await box.row(accepted)

        assert timedelta(0) <= row.due_at - row.accepted_at - timedelta(seconds=30) < timedelta(seconds=1)
        assert not await box.ledger.take_unpublished(LANES, limit=10, lease=5)


async def test_concurrent_appends_share_transactions(box: Gateway, ledger_url: str) -> None:
    """A hundred requests at the same moment cost a handful of commits, and none is lost."""
    entries = [entry() for _ in range(100)]

    await box.append(*entries)

    assert len(box.insert.batches) < 10
    assert hexes(entries) == stored_ids(ledger_url)


async def test_a_poisonous_entry_fails_alone(box: Gateway, ledger_url: str) -> None:
    """A doubled id is refused; those that waited beside it are stored."""
    entries = [entry() for _ in range(20)]
    doubled = entry(entries[7].id, tenant="another")
    waiting = [*entries[:15], doubled, *entries[15:]]
    expected = [Verdict] * 15 + [EntryRefusedError] + [Verdict] * 5
    deposits = (box.writer.deposit(deposit(one)) for one in waiting)

    results = await asyncio.gather(*deposits, return_exceptions=True)

    assert expected == [type(result) for result in results]
    assert hexes(entries) == stored_ids(ledger_url)


async def test_committed_entries_are_handed_on_when_others_can_see_them(ledger_url: str) -> None:
    """Whoever publishes them may rely on it that they survive."""
    handed_on: list[str] = []
    seen: list[str] = []

    def look(committed: Sequence[Entry]) -> None:
        handed_on.extend(hexes(committed))
        seen.extend(set(hexes(committed)) & set(stored_ids(ledger_url)))

    async with gateway(ledger_url, on_committed=look) as box:
        entries = await box.accept(10)

    assert hexes(entries) == sorted(handed_on)
    assert hexes(entries) == sorted(seen)


async def test_refused_entries_are_not_handed_on(ledger_url: str) -> None:
    """What was not stored must not be published."""
    handed_on: list[Entry] = []
    async with gateway(ledger_url, on_committed=handed_on.extend) as box:
        (accepted,) = await box.accept()
        with pytest.raises(EntryRefusedError):
            await box.append(entry(accepted.id))
    expected = [accepted]

    assert expected == handed_on


async def test_a_caller_who_hung_up_in_the_queue_leaves_nothing(box: Gateway, ledger_url: str) -> None:
    """Nobody got an answer, so no message need exist."""
    first, hung_up = entry(), entry()
    committing = asyncio.create_task(box.writer.deposit(deposit(first)))
    waiting = asyncio.create_task(box.writer.deposit(deposit(hung_up)))
    await asyncio.sleep(0)
    waiting.cancel()

    await committing

    assert hexes([first]) == stored_ids(ledger_url)


class BuggyInsert:
    """Fails in a way that nobody foresaw."""

    async def insert(self, deposits: Sequence[Deposit]) -> list[Verdict]:
        message = f"cannot insert {len(deposits)} deposits"
        raise RuntimeError(message)

    async def close(self) -> None:
        pass


async def test_a_bug_leaves_no_caller_waiting() -> None:
    """Whatever goes wrong with a batch, those who wait for it are told."""
    writer = Writer(BuggyInsert(), on_committed=lambda _: None)

    async with asyncio.timeout(10):
        results = await asyncio.gather(
            *(writer.deposit(deposit(entry())) for _ in range(3)), return_exceptions=True
        )

    assert all(isinstance(result, Exception) for result in results)


# Reading


async def test_a_message_is_found_by_its_own_tenant_only(box: Gateway) -> None:
    """A foreign id and an invented one look the same."""
    ours = entry(tenant="ours")
    await box.append(ours)

    assert ours.id == (await box.row(ours)).id
    assert await box.ledger.find("theirs", ours.id) is None
    assert await box.ledger.find("ours", new_message_id()) is None


async def test_a_timeline_is_in_the_order_of_happening(box: Gateway) -> None:
    """Not in the order of arrival; what happened at the same moment stays in the order of arrival."""
    message_id = new_message_id()
    await box.ledger.record([event(message_id, "sent", 2)])
    await box.ledger.record([event(message_id, "deferred", 1), event(message_id, "sending", 2)])
    await box.ledger.record([event(message_id, "sending", 1, at=BEGINNING)])
    expected = [("sending", 1), ("deferred", 1), ("sent", 2), ("sending", 2)]

    assert expected == [(row.event, row.attempt) for row in await box.ledger.timeline(message_id)]


async def test_a_timeline_is_of_one_message(box: Gateway) -> None:
    """Events of other messages do not appear in it."""
    ours, theirs = new_message_id(), new_message_id()
    await box.ledger.record([event(ours, "sending"), event(theirs, "sending"), event(theirs, "sent")])
    expected = ["sending"]

    assert expected == [row.event for row in await box.ledger.timeline(ours)]


async def test_events_are_kept_whole(box: Gateway) -> None:
    """Every field comes back but the series and the trace; moments are the same moments, in UTC."""
    summer = datetime(2026, 7, 1, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
    reported = LedgerEvent(
        message_id=new_message_id(),
        key="3:deferred",
        event="deferred",
        actor="mailer",
        at=summer,
        attempt=3,
        provider="sendgrid",
        provider_message_id="abc",
        reason="HTTP 503: später",
        retry_at=summer + timedelta(minutes=5),
    )
    await box.ledger.record([reported])
    assert reported.message_id is not None
    (row,) = await box.ledger.timeline(reported.message_id)
    kept = {name: row._mapping[name] for name in LedgerEvent.__slots__ if name not in {"series", "trace"}}

    assert reported == LedgerEvent(**kept)
    assert not any([row.at.utcoffset(), row.retry_at.utcoffset()])


# The broker's confirms


async def test_a_confirmed_message_is_queued(box: Gateway) -> None:
    """From now on the mailer is expected to speak, within the time of silence."""
    (queued,) = await box.publish()
    row = await box.row(queued)
    expected = ("queued", 1)

    assert expected == (row.status, row.publications)
    assert abs(row.queued_at - await now(box)) < A_MOMENT
    assert abs(row.due_at - row.queued_at - timedelta(seconds=SILENT_AFTER)) < A_MOMENT


async def test_a_second_confirm_is_only_counted(box: Gateway) -> None:
    """The message was queued when it was queued first."""
    (queued,) = await box.publish()
    first = await box.row(queued)

    await box.ledger.mark_queued([queued.id])
    second = await box.row(queued)

    assert (first.queued_at, 2) == (second.queued_at, second.publications)


async def test_a_confirm_does_not_overrule_the_mailer(box: Gateway) -> None:
    """The mailer may have been quicker than the note that it was given the message."""
    begun, done = await box.accept(2)
    await box.ledger.record([event(begun.id, "sending"), event(done.id, "sent")])
    due_at = (await box.row(begun)).due_at

    await box.ledger.mark_queued([begun.id, done.id])
    begun_row, done_row = await box.row(begun), await box.row(done)

    assert ("sending", due_at) == (begun_row.status, begun_row.due_at)
    assert ("sent", None) == (done_row.status, done_row.due_at)
    assert None not in (begun_row.queued_at, done_row.queued_at)


async def test_confirms_of_nothing_and_of_strangers_change_nothing(box: Gateway) -> None:
    """Neither an empty list nor an unknown id is an error."""
    (accepted,) = await box.accept()

    await box.ledger.mark_queued([])
    await box.ledger.mark_queued([new_message_id()])
    expected = "accepted"

    assert expected == (await box.row(accepted)).status


# The sweeper's work


async def test_what_was_never_confirmed_is_taken_whole(box: Gateway) -> None:
    """The sweeper gets what the relay got."""
    entries = await box.accept(3)
    taken = await box.ledger.take_unpublished(LANES, limit=10, lease=30)

    assert sorted(entries, key=lambda e: e.id) == sorted(taken, key=lambda e: e.id)


async def test_taken_messages_are_leased(box: Gateway) -> None:
    """Nobody else gets them until the lease has ended."""
    accepted = await box.accept(3)
    lease = 60.0

    first = await box.ledger.take_unpublished(LANES, limit=10, lease=lease)
    second = await box.ledger.take_unpublished(LANES, limit=10, lease=lease)
    await box.pass_time(lease)
    third = await box.ledger.take_unpublished(LANES, limit=10, lease=lease)

    assert [ids(accepted), set(), ids(accepted)] == [ids(first), ids(second), ids(third)]


async def test_no_more_are_taken_than_asked_for(box: Gateway) -> None:
    """The oldest come first."""
    old = await box.accept(5)
    await asyncio.sleep(0.01)
    young = await box.accept(5)

    first = await box.ledger.take_unpublished(LANES, limit=5, lease=30)
    second = await box.ledger.take_unpublished(LANES, limit=50, lease=30)

    assert [ids(old), ids(young)] == [ids(first), ids(second)]


async def test_only_the_lanes_asked_for_are_taken(box: Gateway) -> None:
    """A lane without a queue is left alone."""
    (urgent,) = await box.accept(lane=Lane.TRANSACTIONAL)
    (newsletter,) = await box.accept(lane=Lane.BULK)

    bulk = await box.ledger.take_unpublished([Lane.BULK], limit=10, lease=30)
    rest = await box.ledger.take_unpublished(LANES, limit=10, lease=30)

    assert [{newsletter.id}, {urgent.id}] == [ids(bulk), ids(rest)]


async def test_confirmed_messages_are_not_unpublished(box: Gateway) -> None:
    """Neither are those the mailer has spoken of once they were confirmed."""
    await box.publish(2)

    assert not await box.ledger.take_unpublished(LANES, limit=10, lease=30)


async def test_two_sweepers_never_get_the_same_message(ledger_url: str) -> None:
    """Several gateways share the work, and together they do all of it."""
    async with gateway(ledger_url) as one, gateway(ledger_url) as other:
        accepted = await one.accept(60)
        taken: list[Entry] = []
        for _ in range(4):
            takes = (box.ledger.take_unpublished(LANES, limit=8, lease=30) for box in (one, other) * 2)
            taken += [entry for part in await asyncio.gather(*takes) for entry in part]

    assert hexes(accepted) == hexes(taken)


async def test_a_locked_message_is_passed_over(postgresql_url: str) -> None:
    """A sweeper does not wait for another that is slower."""
    async with gateway(postgresql_url) as box:
        await migrate(box.engine)
        locked, free = await box.accept(2)
        async with box.engine.begin() as connection:
            lock = sa.text("SELECT id FROM messages WHERE id = :id FOR UPDATE").bindparams(
                sa.bindparam("id", locked.id, sa.Uuid)
            )
            await connection.execute(lock)
            async with asyncio.timeout(10):
                taken = await box.ledger.take_unpublished(LANES, limit=10, lease=30)

    assert {free.id} == ids(taken)


async def test_silent_messages_are_taken_again(ledger_url: str) -> None:
    """Confirmed once, and nothing heard since; but not those that were never confirmed."""
    async with gateway(ledger_url, silent_after=60.0) as box:
        queued = await box.publish(2)
        await box.publish(1, Lane.BULK)
        await box.accept(1)
        early = await box.ledger.take_silent(Lane.TRANSACTIONAL, limit=10)
        await box.pass_time(60.0)
        one = await box.ledger.take_silent(Lane.TRANSACTIONAL, limit=1)
        other = await box.ledger.take_silent(Lane.TRANSACTIONAL, limit=10)
        none = await box.ledger.take_silent(Lane.TRANSACTIONAL, limit=10)

    assert not early + none
    assert len(one) == len(other) == 1
    assert ids(queued) == ids(one + other)


@pytest.mark.parametrize(("publications", "factor"), [(1, 2), (2, 4), (6, 64), (9, 64)])
async def test_each_publish_is_given_more_time(ledger_url: str, publications: int, factor: int) -> None:
    """Twice as long as the one before, up to 64 times."""
    silent_after = 10.0
    async with gateway(ledger_url, silent_after=silent_after) as box, gateway(ledger_url) as impatient:
        (queued,) = await box.accept()
        impatient.ledger._silent_after = -1.0
        for _ in range(publications):
            await impatient.ledger.mark_queued([queued.id])
        (taken,) = await box.ledger.take_silent(Lane.TRANSACTIONAL, limit=1)
        due_in = (await box.row(taken)).due_at - await now(box)

    assert abs(due_in - timedelta(seconds=silent_after * factor)) < A_MOMENT


async def test_the_ledger_knows_what_the_broker_should_hold(box: Gateway) -> None:
    """Counted are those that wait for their first attempt, lane by lane."""
    queued = await box.publish(5)
    await box.publish(2, Lane.BULK)
    await box.accept(3)
    await box.ledger.record([event(queued[0].id, "sending"), event(queued[1].id, "sent")])
    expected = [(3, 0), (2, 0)]

    assert expected == [await box.ledger.believed_in_broker(lane) for lane in LANES]


async def test_the_ledger_knows_who_is_silent_for_too_long(ledger_url: str) -> None:
    """Whatever state it was in: nothing was heard of it for too long."""
    async with gateway(ledger_url, silent_after=60.0) as box:
        queued = await box.publish(4)
        await box.ledger.record([event(queued[0].id, "sending"), event(queued[1].id, "sent")])
        before = await box.ledger.believed_in_broker(Lane.TRANSACTIONAL)
        await box.pass_time(60.0)

        assert (2, 0) == before
        assert (3, 3) == await box.ledger.believed_in_broker(Lane.TRANSACTIONAL)


async def test_a_message_that_rests_is_not_silent(box: Gateway) -> None:
    """A deferred message is due when its next attempt is, and the time of silence later."""
    (queued,) = await box.publish()
    at = BEGINNING
    deferred = event(queued.id, "deferred", at=at, retry_at=at + timedelta(seconds=900))
    await box.ledger.record([deferred])
    due_in = (await box.row(queued)).due_at - await now(box)

    assert abs(due_in - timedelta(seconds=900 + SILENT_AFTER)) < A_MOMENT


@pytest.mark.parametrize("word", ["sent", "failed", "suppressed", "expired", "held"])
async def test_nothing_more_is_awaited_after_the_end(box: Gateway, word: str) -> None:
    """The sweeper never looks at such a message again."""
    (queued,) = await box.publish()
    await box.ledger.record([event(queued.id, word)])
    row = await box.row(queued)

    assert (word, None) == (row.status, row.due_at)
    assert not any(await box.ledger.believed_in_broker(Lane.TRANSACTIONAL))


# Events

STORIES: dict[str, tuple[list[tuple[str, int]], tuple[str, int]]] = {
    "sent at the second attempt": (
        [("sending", 1), ("deferred", 1), ("sending", 2), ("sent", 2)],
        ("sent", 2),
    ),
    "deferred twice": (
        [("sending", 1), ("uncertain", 1), ("sending", 2), ("deferred", 2)],
        ("deferred", 2),
    ),
    "sent after all": (
        [("sending", 1), ("uncertain", 1), ("failed", 0), ("sent", 1)],
        ("sent", 1),
    ),
    "expired": ([("sending", 1), ("deferred", 1), ("expired", 2), ("opened", 9)], ("expired", 2)),
}


@pytest.mark.parametrize(("story", "end"), STORIES.values(), ids=STORIES)
async def test_the_order_of_arrival_does_not_matter(
    box: Gateway, story: list[tuple[str, int]], end: tuple[str, int]
) -> None:
    """Doubled and reordered events never move a message back, and all orders end the same."""
    orders = list(permutations(story))
    entries = await box.accept(len(orders))
    reached = [0] * len(orders)
    for step in [0, *range(len(story)), 0]:  # the first event comes three times
        moves = [event(entry.id, *order[step]) for entry, order in zip(entries, orders, strict=True)]
        await box.ledger.record(moves)
        progress = [(await box.row(entry)).progress for entry in entries]

        assert all(after >= before for before, after in zip(reached, progress, strict=True))

        reached = progress
    rows = [await box.row(entry) for entry in entries]
    timelines = [await box.ledger.timeline(entry.id) for entry in entries]

    assert {end} == {(row.status, row.attempts) for row in rows}
    assert {tuple(sorted(story))} == {
        tuple(sorted((row.event, row.attempt) for row in timeline)) for timeline in timelines
    }


async def test_doubled_events_in_one_batch_are_kept_once(box: Gateway) -> None:
    """A mailer that reports again repeats itself word by word."""
    (queued,) = await box.publish()
    sent = event(queued.id, "sent", provider="outbox", provider_message_id="1.eml")

    await box.ledger.record([sent, sent])
    row = await box.row(queued)
    expected = ("sent", "outbox", "1.eml")

    assert expected == (row.status, row.provider, row.provider_message_id)
    assert len(await box.ledger.timeline(queued.id)) == 1


@pytest.mark.parametrize("word", ["sending", "deferred", "uncertain", "sent"])
async def test_a_repeated_event_changes_nothing(box: Gateway, word: str) -> None:
    """It is no sign of life either: the message is due when it was due before."""
    (queued,) = await box.publish()
    await box.ledger.record([event(queued.id, word)])
    before = await box.row(queued)
    await asyncio.sleep(0.01)

    await box.ledger.record([event(queued.id, word, reason="repeated")])

    assert before == await box.row(queued)


async def test_a_message_tells_why_it_is_where_it_is(box: Gateway) -> None:
    """The reason is of the newest state; the provider's id stays once it is known."""
    (queued,) = await box.publish()
    await box.ledger.record([event(queued.id, "deferred", 1, provider="sendgrid", reason="HTTP 503")])
    deferred = await box.row(queued)
    await box.ledger.record([event(queued.id, "sent", 2, provider="sendgrid", provider_message_id="abc")])
    sent = await box.row(queued)
    expected = [("HTTP 503", "sendgrid", None), (None, "sendgrid", "abc")]

    assert expected == [(row.reason, row.provider, row.provider_message_id) for row in (deferred, sent)]


async def test_unknown_events_are_kept_and_move_nothing(box: Gateway) -> None:
    """A newer mailer may know more words than this gateway."""
    (queued,) = await box.publish()
    before = await box.row(queued)

    await box.ledger.record([event(queued.id, "throttled", 7)])
    expected = ["throttled"]

    assert before == await box.row(queued)
    assert expected == [row.event for row in await box.ledger.timeline(queued.id)]


async def test_events_of_unknown_messages_are_kept(box: Gateway) -> None:
    """A message may have been published past the gateway."""
    stranger = new_message_id()

    await box.ledger.record([event(stranger, "sending"), event(stranger, "sent")])
    expected = ["sending", "sent"]

    assert expected == [row.event for row in await box.ledger.timeline(stranger)]
    assert await box.ledger.find("default", stranger) is None


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param({"reason": "the provider said \0"}, id="NUL"),
        pytest.param({"attempt": 2**31}, id="an attempt beyond 32 bits"),
        pytest.param({"attempt": 2**63}, id="an attempt beyond 64 bits"),
        pytest.param({"reason": "x" * 100_000}, id="a long reason"),
    ],
)
async def test_a_strange_event_does_not_look_like_an_outage(box: Gateway, strange: dict[str, Any]) -> None:
    """It is kept, or refused with its batch; after an outage the recorder would try it for ever."""
    other = new_message_id()
    odd, even = event(new_message_id(), "failed", at=BEGINNING, **strange), event(other, "sent")
    try:
        await box.ledger.record([even, odd])
    except EntryRefusedError:
        assert not await box.ledger.timeline(other)

        await box.ledger.record([even])
    expected = ["sent"]

    assert expected == [row.event for row in await box.ledger.timeline(other)]


async def test_an_interrupted_migration_leaves_nothing_behind(database_url: str) -> None:
    """Half a schema would be in the way of every later start."""
    engine = open_engine(LedgerAddress.parse(database_url), 5)

    def interrupt(*arguments: Any) -> None:
        if "INDEX ix_messages_due_at" in arguments[2]:
            raise OSError("the power is gone")

    sa.event.listen(engine.sync_engine, "before_cursor_execute", interrupt)
    with pytest.raises(OSError, match="power"):
        await migrate(engine)
    sa.event.remove(engine.sync_engine, "before_cursor_execute", interrupt)
    await migrate(engine)
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    await engine.dispose()

    assert {"messages", "events"} <= set(tables)


async def test_recorders_and_relays_do_not_lock_each_other_out(box: Gateway) -> None:
    """They touch the same messages at the same time, in whatever order these came."""
    entries = await box.accept(20)
    ids = [one.id for one in entries]
    for attempt in range(1, 21):
        batch = [event(i, "deferred", attempt) for i in ids]
        await asyncio.gather(
            box.ledger.record(batch),
            box.ledger.record(batch[::-1]),
            box.ledger.mark_queued(ids[::-1]),
            box.ledger.mark_queued(ids),
        )

    assert {("deferred", 20)} == {
        (row.status, row.attempts) for row in [await box.row(one) for one in entries]
    }


# Availability


async def test_a_working_ledger_answers(box: Gateway) -> None:
    """Readiness asks this."""
    await box.ledger.ping()


async def test_a_ledger_without_tables_is_unavailable(database_url: str) -> None:
    """Somebody forgot to migrate it."""
    async with gateway(database_url) as box:
        with pytest.raises(LedgerUnavailableError):
            await box.ledger.ping()
        with pytest.raises(LedgerUnavailableError) as caught:
            await box.append(entry())

    assert not caught.value.unknown


@pytest.fixture(params=["sqlite", "postgresql"])
async def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A ledger that cannot be reached."""
    if request.param == "postgresql":
        yield f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/nowhere"
    else:
        yield f"sqlite:///{tmp_path}"  # a folder
        await asyncio.sleep(0.1)  # aiosqlite's threads end by themselves, and need the loop for that


async def test_an_unreachable_ledger_is_unavailable(nowhere: str) -> None:
    """Every question is answered with the same exception."""
    async with gateway(nowhere) as box:
        ledger, some = box.ledger, new_message_id()
        questions = [
            ledger.ping(),
            ledger.find("default", some),
            ledger.timeline(some),
            ledger.mark_queued([some]),
            ledger.take_unpublished(LANES, limit=1, lease=1),
            ledger.take_silent(Lane.BULK, limit=1),
            ledger.believed_in_broker(Lane.BULK),
            ledger.record([event(some, "sent")]),
            box.writer.deposit(deposit(entry())),
        ]
        answers = await asyncio.gather(*questions, return_exceptions=True)

    assert {LedgerUnavailableError} == set(map(type, answers))


async def test_an_unreachable_ledger_has_stored_nothing(nowhere: str) -> None:
    """The caller may safely try again elsewhere, and those who waited behind may too."""
    async with gateway(nowhere) as box:
        appends = (box.writer.deposit(deposit(entry())) for _ in range(5))
        errors = await asyncio.gather(*appends, return_exceptions=True)

    assert {LedgerUnavailableError} == set(map(type, errors))
    assert not any(error.unknown for error in errors if isinstance(error, LedgerUnavailableError))


async def test_a_restarted_postgresql_is_used_again(postgresql: PostgreSQL, postgresql_url: str) -> None:
    """Without it everything is unavailable; with it everything goes on by itself."""
    async with gateway(postgresql_url) as box:
        await migrate(box.engine)
        (before,) = await box.accept()
        await box.ledger.ping()
        await asyncio.to_thread(postgresql.stop)
        with pytest.raises(LedgerUnavailableError):
            await box.append(entry())
        with pytest.raises(LedgerUnavailableError):
            await box.ledger.ping()
        await asyncio.to_thread(postgresql.start)
        (after,) = await box.accept()

        assert [before.id, after.id] == [(await box.row(entry)).id for entry in (before, after)]


async def test_a_frozen_postgresql_is_unavailable_in_time(
    postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """A caller gets an honest answer rather than a hanging request; whether it stored is unknown."""
    async with gateway(postgresql_url) as box:
        await migrate(box.engine)
        await box.accept()
        await box.ledger.ping()
        postgresql.freeze()
        began = time.monotonic()
        with pytest.raises(LedgerUnavailableError) as caught:
            await box.append(entry())
        appending = time.monotonic() - began
        with pytest.raises(LedgerUnavailableError):
            await box.ledger.ping()
        pinging = time.monotonic() - began - appending
        postgresql.thaw()
        await box.ledger.ping()
        await box.accept()

    assert caught.value.unknown
    assert appending < TIMEOUT + 1.5
    assert pinging < 2 * TIMEOUT + 4


async def test_a_locked_sqlite_is_unavailable(tmp_path: Path) -> None:
    """Another process that writes for too long; nothing was stored, and afterwards all is well."""
    url = f"sqlite:///{tmp_path}/database.sqlite3"
    async with gateway(url) as box, gateway(url) as other:
        await migrate(box.engine)
        await box.accept()
        locker = sqlite3.connect(tmp_path / "database.sqlite3")
        locker.execute("BEGIN EXCLUSIVE")
        operations = [
            box.writer.deposit(deposit(entry())),
            other.ledger.record([event(new_message_id(), "sent")]),
        ]
        errors = await asyncio.gather(*operations, return_exceptions=True)
        locker.rollback()
        locker.close()
        await box.accept()
        stored = stored_ids(url)

    assert [LedgerUnavailableError] * 2 == list(map(type, errors))
    assert len(stored) == 2


# Time


@pytest.mark.parametrize("seconds", [0.0, 0.5, 90.25, -3600.0, 86_400.0, TEN_YEARS])
async def test_moments_are_counted_from_the_databases_clock(box: Gateway, seconds: float) -> None:
    """Seconds and fractions of them, into the future and into the past."""
    async with box.engine.connect() as connection:
        query = sa.select(moment_in(0), moment_in(sa.literal(seconds, sa.Float)))
        base, moment = (await connection.execute(query)).one()

    assert abs((moment - base).total_seconds() - seconds) < 0.05
    assert timedelta(0) == moment.utcoffset()


async def test_a_moment_in_nothing_is_no_moment(box: Gateway) -> None:
    """NULL seconds give NULL."""
    async with box.engine.connect() as connection:
        query = sa.select(moment_in(sa.literal(None, sa.Float)))

        assert (await connection.execute(query)).scalar_one() is None


async def test_the_databases_clock_has_fractions(box: Gateway) -> None:
    """Leases of less than a second work."""
    moments = set()
    for _ in range(5):
        moments.add(await now(box))
        await asyncio.sleep(0.01)

    assert len(moments) > 1
    assert any(moment.microsecond for moment in moments)
