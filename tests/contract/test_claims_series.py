"""A message that came to its end unsent may be taken up again, in a new series of attempts."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from services.mailer.claims.claims import Busy, Claims, Granted, NotDue, Settled, State
from tests.contract.mailers import (
    ACCOUNT,
    OTHER,
    SHORT,
    Stores,
    granted,
    in_doubt,
    locked_claims,
    settle,
    settled,
    take,
)

UNSENT = (State.FAILED, State.SUPPRESSED, State.EXPIRED, State.HELD)


@pytest.mark.parametrize("state", UNSENT)
async def test_a_new_series_takes_up_what_was_not_sent(stores: Stores, claims: Claims, state: State) -> None:
    """Attempts go on counting, time begins anew, and the doubts are a human's business by now."""
    message_id = uuid4()
    first = await granted(claims, message_id)
    await settle(claims, first, state, doubts=3, elsewhere=2, reason="given_up")
    await stores.pass_time()

    second = await granted(claims, message_id, OTHER, series=1)

    assert (first.token + 1, 2, OTHER) == (second.token, second.attempt, second.provider)
    assert second.age < SHORT
    assert await settle(claims, second, State.SENT)
    assert Settled(State.SENT, 2, OTHER, None, None, 1) == await settled(claims, message_id)


async def test_a_new_series_begins_without_doubts(claims: Claims) -> None:
    """What is in doubt afterwards is its own."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.HELD, doubts=3, elsewhere=3)
    await settle(claims, await granted(claims, message_id, series=1), State.DEFERRED)

    assert isinstance(await take(claims, message_id, series=1), Granted)


async def test_what_was_sent_is_never_taken_up_again(claims: Claims) -> None:
    """Whatever the series."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.SENT)

    assert Settled(State.SENT, 1, ACCOUNT, None, None, 0) == await take(claims, message_id, series=9)


async def test_a_copy_of_an_earlier_series_changes_nothing(claims: Claims) -> None:
    """The series that has come to its end is the newest, and neither it nor one before takes it up."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.FAILED)
    await settle(claims, await granted(claims, message_id, series=2), State.FAILED)

    answers = [await take(claims, message_id, series=series) for series in (0, 1, 2)]

    assert [Settled(State.FAILED, 2, ACCOUNT, None, None, 2)] * 3 == answers


async def test_a_series_is_taken_up_once(stores: Stores) -> None:
    """Two mailers get it at the same moment: one of them begins."""
    mailers = await stores.mailers(2)
    ids = [uuid4() for _ in range(50)]
    for message_id in ids:
        await settle(mailers[0], await granted(mailers[0], message_id), State.FAILED)

    answers = await asyncio.gather(*(take(mailer, i, series=1) for mailer in mailers for i in ids))

    assert sorted(ids) == sorted(answer.message_id for answer in answers if isinstance(answer, Granted))
    assert len([answer for answer in answers if isinstance(answer, Busy)]) == 50


async def test_nobody_is_told_of_an_end_that_is_past(server_stores: Stores) -> None:
    """Two mailers look at the same time: who comes second has seen the end before, and finds it busy."""
    mailers = await server_stores.mailers(2)
    failed, due = uuid4(), uuid4()
    await settle(mailers[0], await granted(mailers[0], failed), State.FAILED)
    await settle(mailers[0], await granted(mailers[0], due), State.DEFERRED)
    async with locked_claims(server_stores.url):
        asked = [asyncio.create_task(take(mailer, i, series=1)) for i in (failed, due) for mailer in mailers]
        await asyncio.sleep(0.3)
    answers = await asyncio.gather(*asked)

    for two in (answers[:2], answers[2:]):
        assert {Granted, Busy} == set(map(type, two))


async def test_a_message_under_way_goes_on_in_the_new_series(stores: Stores, claims: Claims) -> None:
    """When it is due, with a new beginning of its time; a copy of the series before goes along."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.DEFERRED, SHORT)
    rest = await take(claims, message_id, series=1)
    await stores.pass_time()
    second = await granted(claims, message_id, series=1)
    await settle(claims, second, State.DEFERRED)
    third = await granted(claims, message_id, series=0)
    await settle(claims, third, State.FAILED)

    assert isinstance(rest, NotDue)
    assert second.age < SHORT
    assert (2, 3) == (second.attempt, third.attempt)
    assert (await settled(claims, message_id)).series == 1


async def test_a_new_series_does_not_hide_a_doubt(stores: Stores, brief: Claims) -> None:
    """A message whose mailer died is looked into first, as in any series."""
    message_id = uuid4()
    await granted(brief, message_id)
    await stores.pass_time()

    claim = await in_doubt(brief, message_id, OTHER, series=1)

    assert (1, ACCOUNT, True) == (claim.doubts, claim.provider, claim.crashed)
    assert claim.age < SHORT <= claim.asked
