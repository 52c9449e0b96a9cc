"""Messages that wait for their time: what may be changed, until when, and who comes first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.gateway.acceptance.entries import Draft
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.schema import messages, moment_in
from services.gateway.ledger.suppressions import Suppressions
from shared.signatures import Address, Lane, SendEmail
from tests.contract.ledgers import BEGINNING, Gateway, entry, gateway
from tests.servers.server import free_port

LANES = tuple(Lane)
A_MOMENT = timedelta(seconds=5)
SOON = timedelta(seconds=0.5)
ROUNDS = 200

ANN, BOB, EVA = "ann@example.org", "Bob@Example.org", "eva@example.org"


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's migrated ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


async def clock(box: Gateway) -> datetime:
    """The database's own time."""
    async with box.engine.connect() as connection:
        moment: datetime = (await connection.execute(sa.select(moment_in(0)))).scalar_one()
    return moment


async def schedule(box: Gateway, ahead: timedelta, **fields: Any) -> Entry:
    """Commit a message that is scheduled so far from the database's now."""
    moment = await clock(box) + ahead
    scheduled = entry(status="scheduled", event="scheduled", scheduled_at=moment, **fields)
    await box.append(scheduled)
    return scheduled


async def take(box: Gateway) -> set[UUID]:
    """Take what a sweeper would publish now."""
    return {taken.id for taken in await box.ledger.take_unpublished(LANES, limit=100, lease=30)}


async def words(box: Gateway, message: Entry) -> list[str]:
    """The message's timeline, by the events' names."""
    return [happened.event for happened in await box.ledger.timeline(message.id)]


# Waiting


async def test_a_scheduled_message_waits(box: Gateway) -> None:
    """It is stored with its time, and nobody takes it before."""
    scheduled = await schedule(box, timedelta(hours=1))
    row = await box.row(scheduled)

    assert not await take(box)
    assert ("scheduled", scheduled.scheduled_at) == (row.status, row.scheduled_at)
    assert row.scheduled_at == row.due_at
    assert ["scheduled"] == await words(box, scheduled)


async def test_nothing_is_released_early(box: Gateway) -> None:
    """Not by a millisecond, by the database's clock; and soon after its time it is released."""
    waiting = [await schedule(box, SOON + n * timedelta(milliseconds=37)) for n in range(10)]
    moments = {one.id: one.scheduled_at for one in waiting}
    released: dict[UUID, datetime] = {}
    while len(released) < len(waiting):
        taken = await take(box)
        now = await clock(box)
        released |= dict.fromkeys(taken, now)
        due = {one for one, moment in moments.items() if moment and moment < now - A_MOMENT}

        assert due <= set(released)
        assert not [one for one in taken if moments[one] > now]  # type: ignore[operator]  # all have one

    assert set(moments) == set(released)


async def test_a_released_message_is_like_any_other(box: Gateway) -> None:
    """From now on it is accepted, it remembers when it was to be sent, and it cannot be called back."""
    scheduled = await schedule(box, timedelta(0))

    assert {scheduled.id} == await take(box)

    row = await box.row(scheduled)

    assert ("accepted", scheduled.scheduled_at) == (row.status, row.scheduled_at)
    assert row.due_at > await clock(box)
    assert not await box.schedule.cancel("default", scheduled.id)
    assert not await box.schedule.reschedule("default", scheduled.id, row.due_at)


# Canceling


async def test_a_canceled_message_never_leaves(box: Gateway) -> None:
    """Not even when its time has come; its timeline says so."""
    scheduled = await schedule(box, timedelta(0))

    assert await box.schedule.cancel("default", scheduled.id)

    row = await box.row(scheduled)

    assert ("canceled", None) == (row.status, row.due_at)
    assert not await take(box)
    assert ["scheduled", "canceled"] == await words(box, scheduled)


async def test_canceling_twice_does_nothing_twice(box: Gateway) -> None:
    """The second time it is not scheduled any more."""
    scheduled = await schedule(box, timedelta(hours=1))

    assert [True, False] == [await box.schedule.cancel("default", scheduled.id) for _ in range(2)]
    assert ["scheduled", "canceled"] == await words(box, scheduled)


async def test_only_ones_own_scheduled_messages_are_changed(box: Gateway) -> None:
    """Not another tenant's, not one that was to be sent at once, and not one that is not there."""
    theirs, at_once = await schedule(box, timedelta(hours=1), tenant="theirs"), entry()
    await box.append(at_once)
    before = [await box.row(theirs), await box.row(at_once)]
    moment = await clock(box)
    for message_id in (theirs.id, at_once.id, new_message_id()):
        assert not await box.schedule.cancel("default", message_id)
        assert not await box.schedule.reschedule("default", message_id, moment)

    assert before == [await box.row(theirs), await box.row(at_once)]
    assert [["scheduled"], []] == [await words(box, theirs), await words(box, at_once)]


async def test_a_late_event_does_not_bring_it_back(box: Gateway) -> None:
    """Canceled is the end, also of what a mailer may have to say about it."""
    scheduled = await schedule(box, timedelta(hours=1))
    await box.schedule.cancel("default", scheduled.id)
    await box.ledger.mark_queued([scheduled.id])

    assert "canceled" == (await box.row(scheduled)).status


# Rescheduling


async def test_a_message_gets_another_time(box: Gateway) -> None:
    """Later or earlier, as often as one likes; each is in the timeline."""
    scheduled = await schedule(box, timedelta(0))
    now = await clock(box)

    assert await box.schedule.reschedule("default", scheduled.id, now + timedelta(hours=2))
    assert not await take(box)
    assert await box.schedule.reschedule("default", scheduled.id, now + timedelta(hours=1))

    row = await box.row(scheduled)

    assert ("scheduled", now + timedelta(hours=1)) == (row.status, row.scheduled_at)
    assert row.scheduled_at == row.due_at
    assert await box.schedule.reschedule("default", scheduled.id, now)
    assert {scheduled.id} == await take(box)
    assert ["scheduled", *["rescheduled"] * 3] == await words(box, scheduled)


# Expiring


async def test_what_expired_is_not_published(box: Gateway) -> None:
    """It ends with a reason; what has not expired is left to the sweeper."""
    now = await clock(box)
    late = await schedule(box, -timedelta(seconds=2), expires_at=now - timedelta(seconds=1))
    in_time = await schedule(box, -timedelta(seconds=2), expires_at=now + timedelta(hours=1))
    at_once = entry(expires_at=now - timedelta(seconds=1))
    await box.append(at_once)

    assert {in_time.id} == await take(box)
    assert {late.id, at_once.id} == set(await box.schedule.expire(limit=10))
    assert not await box.schedule.expire(limit=10)

    row = await box.row(late)

    assert ("expired", None) == (row.status, row.due_at)
    assert row.reason
    assert ["scheduled", "expired"] == await words(box, late)
    assert "accepted" == (await box.row(in_time)).status


async def test_what_the_broker_has_is_the_mailers_to_expire(box: Gateway) -> None:
    """Only the mailer knows whether it was sent in time."""
    (queued,) = await box.publish()
    async with box.engine.begin() as connection:
        long_ago = {"expires_at": moment_in(-60), "due_at": moment_in(-30)}
        await connection.execute(sa.update(messages).values(**long_ago))

    assert not await box.schedule.expire(limit=10)
    assert "queued" == (await box.row(queued)).status


async def test_no_more_expire_at_once_than_asked_for(box: Gateway) -> None:
    """The rest expires the next time."""
    now = await clock(box)
    for _ in range(5):
        await schedule(box, -timedelta(seconds=2), expires_at=now - timedelta(seconds=1))

    assert [3, 2, 0] == [len(await box.schedule.expire(limit=3)) for _ in range(3)]


# Who comes first


async def test_a_message_is_canceled_or_taken_never_both(database_url: str) -> None:
    """Two gateways, at the very moment that it is due: exactly one of them has its way, each time."""
    async with gateway(database_url) as one, gateway(database_url) as other:
        await migrate(one.engine)
        canceled_first = 0
        for number in range(ROUNDS):
            scheduled = await schedule(one, timedelta(0))
            cancel = one.schedule.cancel("default", scheduled.id)
            pair = (cancel, take(other)) if number % 2 else (take(other), cancel)
            results = await asyncio.gather(*pair)
            canceled, taken = results if number % 2 else results[::-1]
            status = (await one.row(scheduled)).status

            # Whoever finds it locked passes it over, so it may be taken later; but not once canceled.
            later = await take(other) if not taken else set()
            assert [canceled] == [not (taken or later)], number
            assert ("canceled" if canceled else "accepted") == (await one.row(scheduled)).status, status
            canceled_first += bool(canceled)

    assert 0 < canceled_first < ROUNDS


async def test_a_message_is_moved_or_taken_never_both(database_url: str) -> None:
    """Once it was given another time nobody takes it before."""
    async with gateway(database_url) as one, gateway(database_url) as other:
        await migrate(one.engine)
        for number in range(ROUNDS // 4):
            scheduled = await schedule(one, timedelta(0))
            moment = await clock(one) + timedelta(hours=1)
            move = one.schedule.reschedule("default", scheduled.id, moment)
            pair = (move, take(other)) if number % 2 else (take(other), move)
            results = await asyncio.gather(*pair)
            moved, taken = results if number % 2 else results[::-1]
            row = await one.row(scheduled)

            assert bool(moved) != bool(taken or await take(other)), number
            assert (moment if moved else scheduled.scheduled_at) == row.scheduled_at


# Suppressed meanwhile


def draft(box_time: datetime, to: list[str], cc: list[str] | None = None, **fields: Any) -> Entry:
    """A message as an acceptance makes it, due at once."""
    signature = SendEmail(
        message_id=new_message_id(),
        sender=Address(email="shop@example.com"),
        to=tuple(Address(email=address) for address in to),
        cc=tuple(Address(email=address) for address in cc or ()),
        subject="Hi",
        text="Hello",
        **fields,
    )
    return Draft(signature, box_time).entry(frozenset())


async def test_who_was_suppressed_meanwhile_is_left_out(box: Gateway) -> None:
    """The message goes to the others, its row says so, and so does its timeline."""
    scheduled = draft(await clock(box), [ANN, BOB], [EVA])
    untouched = draft(await clock(box), [EVA])
    await box.append(scheduled, untouched)
    await Suppressions(box.sessions).add("default", [ANN, "bob@example.org", "nobody@example.org"])
    await Suppressions(box.sessions).add("another", [EVA])
    await Suppressions(box.sessions).remove("default", [ANN])

    taken = {one.id: one for one in await box.ledger.take_unpublished(LANES, limit=10, lease=30)}

    row = await box.row(scheduled)
    signature = SendEmail.parse(taken[scheduled.id].arguments)

    assert ([ANN], [EVA]) == ([a.email for a in signature.to], [a.email for a in signature.cc])
    assert taken[scheduled.id].arguments == row.arguments
    assert signature.to == SendEmail.parse(row.summary).to
    assert "accepted" == row.status
    assert "/to/1" in row.reason
    assert ["scheduled", "recipients_suppressed"] == await words(box, scheduled)
    assert untouched.arguments == taken[untouched.id].arguments
    assert ["scheduled"] == await words(box, untouched)


async def test_with_nobody_left_it_ends(box: Gateway) -> None:
    """A message that would go to its cc alone is not what was meant."""
    scheduled = draft(await clock(box), [ANN], [EVA])
    await box.append(scheduled)
    await Suppressions(box.sessions).add("default", [ANN])

    assert not await take(box)

    row = await box.row(scheduled)

    assert ("suppressed", None) == (row.status, row.due_at)
    assert row.reason
    assert row.progress > 0
    assert ["scheduled", "suppressed"] == await words(box, scheduled)
    assert not await take(box)


async def test_who_is_not_scheduled_was_asked_about_already(box: Gateway) -> None:
    """A message that is sent at once was looked at when it was accepted, a moment ago."""
    at_once = Draft(SendEmail.parse(draft(await clock(box), [ANN]).arguments)).entry(frozenset())
    await box.append(at_once)
    await Suppressions(box.sessions).add("default", [ANN])

    assert {at_once.id} == await take(box)


async def test_many_are_released_at_once(box: Gateway) -> None:
    """Of several tenants, with more recipients than one query asks for."""
    now = await clock(box)
    sent = [
        draft(now, [f"user{n}-{i}@example.org" for i in range(25)], tenant=f"tenant-{n % 3}")
        for n in range(90)
    ]
    await box.append(*sent)
    await Suppressions(box.sessions).add("tenant-1", [f"user{n}-7@example.org" for n in range(90)])

    taken = await box.ledger.take_unpublished(LANES, limit=100, lease=30)
    counts = {(one.tenant, len(SendEmail.parse(one.arguments).to)) for one in taken}

    assert 90 == len(taken)
    assert {("tenant-0", 25), ("tenant-1", 24), ("tenant-2", 25)} == counts


async def test_what_cannot_be_read_is_not_held_up(box: Gateway) -> None:
    """A newer gateway may have written it; the others' messages do not wait for it."""
    strange = await schedule(box, timedelta(0), summary=b'{"strange":true}')
    known = draft(await clock(box), [ANN])
    await box.append(known)

    assert {strange.id, known.id} == await take(box)


async def test_an_unreachable_ledger_is_unavailable() -> None:
    """Every question is answered with the same exception."""
    async with gateway(f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/nowhere") as box:
        some = new_message_id()
        questions = [
            box.schedule.cancel("default", some),
            box.schedule.reschedule("default", some, BEGINNING),
            box.schedule.expire(limit=1),
        ]
        answers = await asyncio.gather(*questions, return_exceptions=True)

    assert {LedgerUnavailableError} == set(map(type, answers))
