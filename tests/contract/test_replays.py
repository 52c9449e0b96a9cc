"""Messages that a human brings back or gives up: what is written, what is left alone, who comes first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.gateway.acceptance.entries import Draft, in_series
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.renewal import Obstacle, Skipped
from services.gateway.ledger.replays import Again, Replays
from services.gateway.ledger.retention import Retention
from services.gateway.ledger.schema import messages
from services.gateway.ledger.suppressions import Suppressions
from services.gateway.states import MOST_SERIES, beginning
from shared.signatures import Address, Lane, SendEmail
from tests.contract.ledgers import Gateway, entry, event, gateway

LANES = tuple(Lane)
A_MOMENT = timedelta(seconds=5)
ROUNDS = 100
ANN, BOB, EVA = "ann@example.org", "Bob@Example.org", "eva@example.org"


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's migrated ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


def email(**fields: Any) -> SendEmail:
    """An e-mail to three people."""
    return SendEmail(
        message_id=new_message_id(),
        sender=Address(email="shop@example.com"),
        **{
            "to": (Address(email=ANN), Address(email=BOB)),
            "cc": (Address(email=EVA),),
            "subject": "Hi",
            "text": "Hello",
            **fields,
        },
    )


async def ended(box: Gateway, word: str = "failed", signature: SendEmail | None = None, **more: Any) -> Entry:
    """A message that was queued, attempted, and came to an end."""
    ended = Draft(signature or email(), **more).entry(frozenset())
    await box.append(ended)
    await box.ledger.mark_queued([ended.id])
    await box.ledger.record([event(ended.id, "sending"), event(ended.id, word, reason="because")])
    return ended


async def replay(box: Gateway, *ended: Entry, word: str = "replayed") -> Again:
    """Send messages once more."""
    return await box.replays.again(ended[0].tenant, [one.id for one in ended], word)


async def take(box: Gateway) -> list[Entry]:
    """Take what a sweeper would publish now."""
    return await box.ledger.take_unpublished(LANES, limit=100, lease=30)


async def words(box: Gateway, message: Entry) -> list[str]:
    """The message's timeline, by the events' names."""
    return [happened.event for happened in await box.ledger.timeline(message.id)]


async def change(box: Gateway, message: Entry, **values: Any) -> None:
    """Change a row past the gateway."""
    async with box.engine.begin() as connection:
        await connection.execute(sa.update(messages).where(messages.c.id == message.id).values(**values))


async def grown(box: Gateway, message: Entry, size: int) -> Entry:
    """The same message with a body of so many bytes."""
    arguments = SendEmail.parse(message.arguments).model_copy(update={"text": "x" * size}).arguments()
    await change(box, message, arguments=arguments)
    return message


def obstacles(again: Again) -> list[str]:
    """What stood against it."""
    return [skipped.obstacle.value for skipped in again.skipped]


# Replaying


@pytest.mark.parametrize("word", ["failed", "suppressed", "held"])
async def test_a_replayed_message_is_accepted_anew(box: Gateway, word: str) -> None:
    """In the next series, due at once, as if no broker knew of it; what it has been through stays."""
    message = await ended(box, word)
    before = await box.row(message)

    assert [message.id] == [entry.id for entry in (await replay(box, message)).entries]

    row = await box.row(message)

    assert ("accepted", 1, beginning(1), None, None) == (
        *(row.status, row.series, row.progress),
        *(row.queued_at, row.reason),
    )
    assert abs(row.due_at - datetime.now(UTC)) < A_MOMENT
    assert (1, 1) == (row.publications, row.attempts)
    assert before.accepted_at == row.accepted_at


async def test_what_is_published_then_says_its_series(box: Gateway) -> None:
    """All else of it is as it was accepted, in arguments and summary."""
    message = await ended(box)
    again = await replay(box, message)
    (taken,) = await take(box)
    sent = SendEmail.parse(taken.arguments)

    assert SendEmail.parse(message.arguments).model_copy(update={"series": 1}) == sent
    assert taken.arguments == again.entries[0].arguments
    assert {**json.loads(message.summary or b""), "series": 1} == json.loads((await box.row(message)).summary)


async def test_what_a_newer_gateway_wrote_stays(box: Gateway) -> None:
    """This one does not know the field, and another one may need it."""
    message = await ended(box)
    arguments = json.dumps({**json.loads(message.arguments), "invented_later": [1.5]}).encode()
    await change(box, message, arguments=arguments)
    await replay(box, message)
    (taken,) = await take(box)

    assert [1.5] == json.loads(taken.arguments)["invented_later"]


def test_a_message_goes_into_a_series_byte_by_byte() -> None:
    """Whatever a text or a variable holds, nothing but the series is another one."""
    content = {"text": 'é\u2028\U0001f4ee\\"', "variables": {"price": 1.1, "big": 2**70, "none": None}}

    assert {**content, "series": 3} == json.loads(in_series(json.dumps(content).encode(), 3))
    assert {"series": 4} == json.loads(in_series(in_series(b"{}", 3), 4))


async def test_the_relay_is_offered_what_was_replayed(box: Gateway) -> None:
    """After the commit; the sweeper waits as long as it does for a new message."""
    offered: list[Entry] = []
    message = await ended(box)
    replays = Replays(box.sessions, lease=30, on_committed=offered.extend)
    await replays.again("default", [message.id], "replayed")
    row = await box.row(message)

    assert [(message.id, row.arguments)] == [(entry.id, entry.arguments) for entry in offered]
    assert row.due_at - datetime.now(UTC) > timedelta(seconds=25)


async def test_a_replay_is_in_the_timeline(box: Gateway) -> None:
    """With the confirm of the series before, whose place in the row is for the next one."""
    message = await ended(box)
    queued_at = (await box.row(message)).queued_at
    await replay(box, message)
    await box.ledger.mark_queued([message.id])
    await box.ledger.record([event(message.id, "failed", 2, series=1)])
    await replay(box, message)
    timeline = await box.ledger.timeline(message.id)

    assert ["failed", "failed", "queued", "queued", "replayed", "replayed", "sending"] == sorted(
        happened.event for happened in timeline
    )
    assert queued_at in [happened.at for happened in timeline if happened.event == "queued"]
    assert {"gateway"} == {
        happened.actor for happened in timeline if happened.event in ("queued", "replayed")
    }


async def test_a_replayed_message_goes_the_whole_way_again(box: Gateway) -> None:
    """Queued by the confirm, moved by the events of its series, and sent in the end."""
    message = await ended(box)
    await replay(box, message)
    seen = []
    await box.ledger.mark_queued([message.id])
    seen.append((await box.row(message)).status)
    for step in ("sending", "deferred", "sent"):
        await box.ledger.record([event(message.id, step, 2, series=1)])
        seen.append((await box.row(message)).status)

    assert ["queued", "sending", "deferred", "sent"] == seen


STORY = [
    ("sending", 1, 0),
    ("failed", 1, 0),
    ("sending", 2, 1),
    ("uncertain", 2, 1),
    ("held", 2, 1),
]


@pytest.mark.parametrize("late", [False, True])
async def test_late_events_of_an_earlier_series_move_nothing(box: Gateway, *, late: bool) -> None:
    """In whatever order they come; but that it was sent counts, whichever series it was."""
    story = [*STORY, ("sent", 1, 0)] if late else STORY
    orders = list(permutations(story, len(story)))[::7]
    entries = [await ended(box) for _ in orders]
    await replay(box, *entries)
    for step in range(len(story)):
        batch = [
            event(one.id, word, attempt, series=series)
            for one, order in zip(entries, orders, strict=True)
            for word, attempt, series in [order[step]]
        ]
        await box.ledger.record(batch)
    rows = [await box.row(one) for one in entries]

    assert {("sent" if late else "held", None)} == {(row.status, row.due_at) for row in rows}


@pytest.mark.parametrize(
    ("word", "obstacle"),
    [
        ("sent", "not_replayable"),
        ("sending", "not_replayable"),
        ("deferred", "not_replayable"),
        ("uncertain", "not_replayable"),
        ("expired", "message_expired"),
    ],
)
async def test_what_is_not_at_such_an_end_stays_as_it_is(box: Gateway, word: str, obstacle: str) -> None:
    """Neither what is still under way, nor what was sent, nor what is worthless."""
    message = await ended(box, word)
    before = await box.row(message)

    again = await replay(box, message)

    assert ([], [Skipped(message.id, Obstacle(obstacle), word)]) == (again.entries, again.skipped)
    assert before == await box.row(message)
    assert "replayed" not in await words(box, message)


async def test_what_waits_for_its_time_or_was_canceled_stays_as_it_is(box: Gateway) -> None:
    """It can be rescheduled, or sent anew."""
    moment = datetime.now(UTC) + timedelta(hours=1)
    waiting, canceled = (Draft(email(), moment).entry(frozenset()) for _ in range(2))
    await box.append(waiting, canceled)
    await box.schedule.cancel("default", canceled.id)
    again = await replay(box, waiting, canceled)

    assert {("scheduled", "not_replayable"), ("canceled", "not_replayable")} == {
        (skipped.status, skipped.obstacle.value) for skipped in again.skipped
    }


async def test_what_expired_since_it_failed_is_not_sent(box: Gateway) -> None:
    """By the clock of the database."""
    past, soon = (datetime.now(UTC) + timedelta(seconds=sign * 60) for sign in (-1, 1))
    late = await ended(box, signature=email(expires_at=past))
    in_time = await ended(box, signature=email(expires_at=soon))
    again = await replay(box, late, in_time)

    assert [in_time.id] == [entry.id for entry in again.entries]
    assert ["message_expired"] == obstacles(again)


async def test_what_expires_after_it_was_replayed_ends_as_any_other(box: Gateway) -> None:
    """Above the beginning of its series."""
    message = await ended(box, signature=email(expires_at=datetime.now(UTC) + timedelta(hours=1)))
    await replay(box, message)
    await change(box, message, expires_at=datetime.now(UTC) - timedelta(seconds=1))

    assert [message.id] == await box.schedule.expire(limit=10)

    await box.ledger.record([event(message.id, "failed", 1)])

    assert "expired" == (await box.row(message)).status


async def test_without_a_body_there_is_nothing_to_send(box: Gateway) -> None:
    """What was purged says so; what is held keeps its body until somebody has decided."""
    failed, held = await ended(box), await ended(box, "held")
    await asyncio.sleep(0.05)
    await Retention(box.sessions).purge(0.01)
    again = await replay(box, failed, held)

    assert [held.id] == [entry.id for entry in again.entries]
    assert ["body_purged"] == obstacles(again)
    assert b"" == (await box.row(failed)).arguments


async def test_a_message_of_another_tenant_is_not_there(box: Gateway) -> None:
    """Nor is one that never was."""
    message = await ended(box, "held", email(tenant="theirs"))
    before = await box.row(message)
    again = await box.replays.again("default", [message.id, new_message_id()], "replayed")

    assert ["not_found", "not_found"] == obstacles(again)
    assert Skipped(message.id, Obstacle.NOT_FOUND) == await box.replays.drop("default", message.id)
    assert before == await box.row(message)


async def test_the_series_come_to_an_end(box: Gateway) -> None:
    """The contract has room for so many."""
    message = await ended(box)
    await change(box, message, series=MOST_SERIES - 1, progress=beginning(MOST_SERIES))
    first = await replay(box, message)
    await change(box, message, status="failed")
    second = await replay(box, message)

    assert MOST_SERIES == SendEmail.parse(first.entries[0].arguments).series
    assert ["not_replayable"] == obstacles(second)


async def test_a_message_of_version_0_1_can_be_replayed(box: Gateway) -> None:
    """It has no summary, and its recipients are asked for all the same."""
    kept, lost = await ended(box), await ended(box)
    for message in (kept, lost):
        await change(box, message, summary=None)
    again = await replay(box, kept)
    await Suppressions(box.sessions).add("default", [ANN, BOB.lower()])

    assert [kept.id] == [entry.id for entry in again.entries]
    assert ["recipients_suppressed"] == obstacles(await replay(box, lost))


# Suppressed recipients


async def test_recipients_that_are_suppressed_by_now_are_left_out(box: Gateway) -> None:
    """As at the release of a scheduled message: arguments, summary and timeline say so."""
    message = await ended(box)
    await Suppressions(box.sessions).add("default", [BOB.lower(), EVA])
    await replay(box, message)
    (taken,) = await take(box)
    sent, row = SendEmail.parse(taken.arguments), await box.row(message)

    assert ((Address(email=ANN),), (), 1) == (sent.to, sent.cc, sent.series)
    assert {"series": 1, "to": [{"email": ANN}]} == {
        name: value for name, value in json.loads(row.summary).items() if name in ("series", "to", "cc")
    }
    assert "/to/1, /cc/0" in row.reason
    assert "example.org" not in row.reason
    assert "recipients_suppressed" in await words(box, message)


async def test_a_message_to_nobody_is_not_sent_once_more(box: Gateway) -> None:
    """It stays as it is, and whoever asks is told; when the list is mended, everybody gets it."""
    message = await ended(box, "held")
    before = await box.row(message)
    suppressions = Suppressions(box.sessions)
    await suppressions.add("default", [ANN, BOB.lower()])
    await suppressions.add("theirs", [EVA])

    assert ["recipients_suppressed"] == obstacles(await replay(box, message))
    assert before == await box.row(message)

    await suppressions.remove("default", [ANN, BOB.lower()])
    (entry,) = (await replay(box, message)).entries

    assert 2 == len(SendEmail.parse(entry.arguments).to)


async def test_a_message_that_was_suppressed_when_it_was_accepted(box: Gateway) -> None:
    """Once its recipients are off the list it can be sent."""
    message = Draft(email()).entry(frozenset({ANN, BOB.lower()}))
    await box.append(message)

    assert "suppressed" == (await box.row(message)).status

    await replay(box, message)
    (taken,) = await take(box)

    assert [ANN, BOB] == [address.email for address in SendEmail.parse(taken.arguments).to]
    assert ["suppressed", "replayed"] == await words(box, message)


# Many at once


async def test_the_newest_are_replayed_first_and_not_too_many_at_once(box: Gateway) -> None:
    """One transaction has a bound of bytes, however many messages it is asked for; none is left out."""
    large = [await grown(box, await ended(box), 7_000_000) for _ in range(4)]
    newest = [message.id for message in reversed(large)]
    first = await replay(box, *large)
    second = await box.replays.again("default", newest[len(first.entries) :], "replayed")

    assert (newest[:2], newest[2:]) == tuple([entry.id for entry in part.entries] for part in (first, second))


async def test_a_message_alone_is_never_too_large(box: Gateway) -> None:
    """It was accepted, so it can be sent once more."""
    message = await grown(box, await ended(box), 17_000_000)

    assert 1 == len((await replay(box, message)).entries)


# Releasing and dropping


async def test_a_held_message_is_released(box: Gateway) -> None:
    """Which is a replay under another name."""
    message = await ended(box, "held")
    again = await replay(box, message, word="released")

    assert [message.id] == [entry.id for entry in again.entries]
    assert ("accepted", 1) == ((row := await box.row(message)).status, row.series)
    assert "released" in await words(box, message)


@pytest.mark.parametrize("word", ["failed", "suppressed", "sent", "uncertain"])
async def test_only_what_is_held_is_released_or_dropped(box: Gateway, word: str) -> None:
    """A human decides on a doubt, not on a fact."""
    message = await ended(box, word)
    before = await box.row(message)
    again = await replay(box, message, word="released")

    assert [Skipped(message.id, Obstacle.NOT_HELD, word)] == again.skipped
    assert Skipped(message.id, Obstacle.NOT_HELD, word) == await box.replays.drop("default", message.id)
    assert before == await box.row(message)


async def test_a_dropped_message_has_failed(box: Gateway) -> None:
    """The timeline says who did it, and nothing more is awaited."""
    message = await ended(box, "held")

    assert await box.replays.drop("default", message.id) is None

    row = await box.row(message)
    *_, last = await box.ledger.timeline(message.id)

    assert ("failed", "dropped", None) == (row.status, row.reason, row.due_at)
    assert ("dropped", "gateway", None) == (last.event, last.actor, last.reason)


async def test_nothing_but_sent_brings_a_dropped_message_back(box: Gateway) -> None:
    """Neither the doubt, nor a failure, nor a further attempt."""
    message = await ended(box, "held")
    await box.replays.drop("default", message.id)
    before = await box.row(message)
    for word in ("held", "uncertain", "sending", "failed", "suppressed", "expired"):
        await box.ledger.record([event(message.id, word, 7)])
    after = await box.row(message)

    assert (before.status, before.progress, before.reason) == (after.status, after.progress, after.reason)

    await box.ledger.record([event(message.id, "sent", 1)])

    assert "sent" == (await box.row(message)).status


async def test_a_dropped_message_can_still_be_replayed(box: Gateway) -> None:
    """A human may think better of it."""
    message = await ended(box, "held")
    await box.replays.drop("default", message.id)
    await replay(box, message)
    await box.ledger.record([event(message.id, "held", 2, series=1)])
    await box.replays.drop("default", message.id)

    assert 2 == (await words(box, message)).count("dropped")


async def test_held_is_above_the_doubt_and_not_the_end(box: Gateway) -> None:
    """It follows uncertain of its attempt, in either order; that it was sent beats it."""
    message = await ended(box, "held")
    await box.ledger.record([event(message.id, "uncertain")])

    assert ("held", None) == ((row := await box.row(message)).status, row.due_at)

    await box.ledger.record([event(message.id, "sent")])

    assert "sent" == (await box.row(message)).status


# Races


async def one_wins(box: Gateway, message: Entry, deeds: Sequence[str]) -> list[str]:
    """Do all at once; return which of them was done."""

    async def do(deed: str) -> str | None:
        if deed == "drop":
            return None if await box.replays.drop("default", message.id) else deed
        return deed if (await replay(box, message, word=deed)).entries else None

    return [deed for deed in await asyncio.gather(*map(do, deeds)) if deed]


@pytest.mark.parametrize(
    "deeds",
    [
        ["replayed"] * 4,
        ["released"] * 4,
        ["drop"] * 4,
        ["replayed", "released", "drop", "released"],
    ],
)
async def test_of_several_at_once_one_is_done(box: Gateway, deeds: list[str]) -> None:
    """Exactly one, each time; the others are told that it is too late, or send what was dropped."""
    for _ in range(ROUNDS // 4):
        message = await ended(box, "held")
        done = await one_wins(box, message, deeds)
        row, timeline = await box.row(message), await words(box, message)
        happened = [word for word in timeline if word in ("replayed", "released", "dropped")]

        assert len(done) == len(happened)
        # A message that was dropped has failed, and what has failed can be replayed.
        assert [done[0]] == done or {"drop", "replayed"} == set(done)
        assert ("failed", 0) == (row.status, row.series) if done == ["drop"] else row.series == 1


async def test_two_bulk_replays_share_the_messages(box: Gateway) -> None:
    """Each message is replayed by one of them, whatever order they name them in."""
    entries = [await ended(box) for _ in range(60)]
    ids = [one.id for one in entries]
    parts = await asyncio.gather(
        *(box.replays.again("default", order, "replayed") for order in (ids, ids[::-1], ids[30:], ids[:30]))
    )
    replayed = [entry.id for part in parts for entry in part.entries]

    assert sorted(ids) == sorted(replayed)
    assert {1} == {(await box.row(one)).series for one in entries}


async def test_replays_and_recorders_do_not_lock_each_other_out(box: Gateway) -> None:
    """They touch the same messages at the same time, in whatever order these came."""
    entries = [await ended(box) for _ in range(100)]
    ids: list[UUID] = [one.id for one in entries]
    for series in range(1, 9):
        later = [event(one, "failed", 100, series=series - 1) for one in reversed(ids)]
        await asyncio.gather(
            *(box.ledger.mark_queued(ids[::-1]) for _ in range(2)),
            replay(box, *entries),
            box.ledger.record(later),
        )
        await box.ledger.record([event(one, "failed", 1, series=series) for one in ids])

    assert {("failed", 8)} == {(row.status, row.series) for row in [await box.row(one) for one in entries]}


async def test_a_replay_and_the_word_that_it_was_sent(box: Gateway) -> None:
    """Whichever comes first, in the end it is sent."""
    for _ in range(ROUNDS // 4):
        message = await ended(box, "held")
        await asyncio.gather(
            replay(box, message, word="released"), box.ledger.record([event(message.id, "sent")])
        )

        assert "sent" == (await box.row(message)).status


async def test_an_entry_without_recipients_of_ours_is_replayed(box: Gateway) -> None:
    """A welcome message, whose arguments are its summary."""
    message = entry()
    message = Entry(
        message.id,
        message.tenant,
        message.lane,
        message.task,
        json.dumps({"email": ANN, "message_id": str(message.id)}).encode(),
    )
    await box.append(message)
    await box.ledger.record([event(message.id, "failed")])
    await replay(box, message)
    (taken,) = await take(box)

    assert 1 == json.loads(taken.arguments)["series"]
