"""What claims tell of an attempt that may have sent."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from services.mailer.claims.claims import Beginning, Busy, Claims, InDoubt, NotDue, State
from tests.contract.mailers import (
    ACCOUNT,
    OTHER,
    SHORT,
    Stores,
    busy,
    granted,
    in_doubt,
    settle,
    take,
)


async def test_a_dead_mailers_message_comes_free_by_itself(stores: Stores, brief: Claims) -> None:
    """After its lease, with a new token, and with the word that the attempt before did not end."""
    message_id = uuid4()
    await granted(brief, message_id)
    await stores.pass_time()
    await stores.pass_time()

    claim = await in_doubt(brief, message_id, OTHER)

    expected = InDoubt(message_id, 2, 1, claim.age, ACCOUNT, 1, True, claim.asked, claim.quiet, 0)  # noqa: FBT003
    assert expected == claim
    assert 2 * SHORT <= claim.asked < 3 * SHORT
    assert claim.age == pytest.approx(claim.asked, abs=0.05)
    assert SHORT <= claim.quiet < claim.age - SHORT / 2


async def test_a_lost_answer_is_a_doubt(stores: Stores, claims: Claims) -> None:
    """The attempt told how it ended: nobody knows.  The message rests, and then nothing new begins."""
    message_id = uuid4()
    first = await granted(claims, message_id)
    await stores.pass_time()
    await settle(claims, first, State.UNCERTAIN, SHORT, doubts=1)
    rest = await busy(claims, message_id)
    await stores.pass_time()

    claim = await in_doubt(claims, message_id, OTHER)

    expected = InDoubt(message_id, 2, 1, claim.age, ACCOUNT, 1, False, claim.asked, claim.quiet, 0)  # noqa: FBT003
    assert isinstance(rest, NotDue)
    assert expected == claim
    assert SHORT <= claim.quiet < claim.asked - SHORT


async def test_a_doubt_stays_until_it_is_resolved(stores: Stores, brief: Claims) -> None:
    """Looking into it counts no attempt, and its quiet goes on; but what has been told is no crash."""
    message_id = uuid4()
    await granted(brief, message_id)
    await stores.pass_time()
    before = await in_doubt(brief, message_id)
    await stores.pass_time()
    await settle(brief, before, State.UNCERTAIN, doubts=1)

    after = await in_doubt(brief, message_id)

    assert (1, 1, False) == (after.attempt, after.doubts, after.crashed)
    assert after.quiet >= before.quiet + SHORT


async def test_a_doubt_is_claimed_like_any_message(claims: Claims) -> None:
    """While one mailer looks into it, the others find it busy."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.UNCERTAIN, doubts=1)
    await in_doubt(claims, message_id)

    answer = await busy(claims, message_id)

    assert type(answer) is Busy
    assert answer.wait > SHORT


async def test_a_mailer_that_dies_while_it_looks_adds_no_doubt(stores: Stores, brief: Claims) -> None:
    """Nothing had begun; what is said of the attempt in doubt stays as it was."""
    message_id = uuid4()
    await granted(brief, message_id)
    await stores.pass_time()
    before = await in_doubt(brief, message_id)
    await stores.pass_time()

    after = await in_doubt(brief, message_id)

    assert (before.token + 1, 1, 1, True) == (after.token, after.attempt, after.doubts, after.crashed)
    assert after.quiet >= before.quiet + SHORT


async def test_only_one_of_many_looks_into_a_doubt(stores: Stores) -> None:
    """However many mailers notice at once that another one died."""
    message_id = uuid4()
    mailers = await stores.mailers(2, SHORT)
    await granted(mailers[0], message_id)
    await stores.pass_time()

    answers = await asyncio.gather(*(take(mailer, message_id) for mailer in mailers for _ in range(25)))

    assert len([answer for answer in answers if isinstance(answer, InDoubt)]) == 1
    assert len([answer for answer in answers if isinstance(answer, Busy)]) == 49


async def test_an_attempt_after_a_doubt_is_one_of_its_own(stores: Stores, brief: Claims) -> None:
    """It is counted when it begins; when its mailer dies there are two doubts, at two providers."""
    message_id = uuid4()
    await granted(brief, message_id)
    await stores.pass_time()
    doubt = await in_doubt(brief, message_id)

    assert await brief.begin(Beginning(message_id, doubt.token, OTHER, doubts=1, elsewhere=1)) == 2

    await stores.pass_time()
    claim = await in_doubt(brief, message_id)

    assert (2, OTHER, 2, 1, True) == (
        claim.attempt,
        claim.provider,
        claim.doubts,
        claim.elsewhere,
        claim.crashed,
    )


async def test_a_doubt_outlives_a_refusal(claims: Claims) -> None:
    """The attempt after it certainly did not send; the one before may still have."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.UNCERTAIN, doubts=1)
    doubt = await in_doubt(claims, message_id)
    await claims.begin(Beginning(message_id, doubt.token, ACCOUNT, doubts=1))
    await settle(claims, doubt, State.DEFERRED, doubts=1)

    claim = await in_doubt(claims, message_id)

    assert (2, 1, False) == (claim.attempt, claim.doubts, claim.crashed)


async def test_a_doubt_that_is_resolved_is_gone(claims: Claims) -> None:
    """The provider does not have the message: the next attempt is granted as if there had been none."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.UNCERTAIN, doubts=1)
    await settle(claims, await in_doubt(claims, message_id), State.DEFERRED, doubts=0)

    assert (await granted(claims, message_id)).attempt == 2


async def test_what_is_written_of_doubts_is_told(claims: Claims) -> None:
    """Their number, and how many of them are about other providers."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.UNCERTAIN, doubts=5, elsewhere=3)

    claim = await in_doubt(claims, message_id)

    assert (5, 3) == (claim.doubts, claim.elsewhere)


# Since when the provider was asked


@pytest.mark.parametrize("state", [State.DEFERRED, State.UNCERTAIN])
async def test_a_provider_is_asked_from_its_first_request_on(
    stores: Stores, claims: Claims, state: State
) -> None:
    """However many follow, whether under one claim or under several."""
    message_id = uuid4()
    claim = await granted(claims, message_id)
    await stores.pass_time()
    await claims.begin(Beginning(message_id, claim.token, ACCOUNT, doubts=0))
    await settle(claims, claim, state, doubts=1)
    again = await in_doubt(claims, message_id)
    await stores.pass_time()
    await claims.begin(Beginning(message_id, again.token, ACCOUNT, doubts=1))
    await settle(claims, again, State.UNCERTAIN, doubts=2)

    doubt = await in_doubt(claims, message_id)

    assert doubt.asked >= 2 * SHORT
    assert doubt.age == pytest.approx(doubt.asked, abs=0.05)


async def test_another_provider_is_asked_anew(stores: Stores, claims: Claims) -> None:
    """Whether the message goes there under the same claim or under the next, and when it comes back."""
    message_id = uuid4()
    first = await granted(claims, message_id)
    await stores.pass_time()
    await claims.begin(Beginning(message_id, first.token, OTHER, doubts=0))
    await settle(claims, first, State.UNCERTAIN, doubts=1)
    there = await in_doubt(claims, message_id)
    await stores.pass_time()
    await settle(claims, there, State.DEFERRED)
    await settle(claims, await granted(claims, message_id), State.UNCERTAIN, doubts=1)

    back = await in_doubt(claims, message_id)

    assert (OTHER, ACCOUNT) == (there.provider, back.provider)
    assert there.asked < there.age - SHORT
    assert back.asked < back.age - 2 * SHORT


async def test_a_deferral_does_not_make_a_provider_forget(stores: Stores, claims: Claims) -> None:
    """The next attempt at the same one is under the same key."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.DEFERRED)
    await stores.pass_time()
    await settle(claims, await granted(claims, message_id), State.UNCERTAIN, doubts=1)

    assert (await in_doubt(claims, message_id)).asked >= SHORT
