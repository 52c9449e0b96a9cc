"""What the mailer may rely on in its claims, be they kept in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from services.mailer.claims.claims import (
    Beginning,
    Busy,
    Claims,
    Granted,
    NotDue,
    Settled,
    Settlement,
    State,
)
from tests.contract.mailers import (
    ACCOUNT,
    LEASE,
    OTHER,
    SHORT,
    CountingStore,
    Stores,
    busy,
    granted,
    in_doubt,
    locked_claims,
    settle,
    settled,
    take,
)

FINAL = (State.SENT, State.FAILED, State.SUPPRESSED, State.EXPIRED, State.HELD)


async def test_the_first_claim_is_granted(claims: Claims) -> None:
    """Nobody has tried the message before."""
    message_id = uuid4()

    claim = await granted(claims, message_id)

    assert Granted(message_id, token=1, attempt=1, age=claim.age, provider=ACCOUNT) == claim
    assert 0 <= claim.age < 1


async def test_each_message_has_its_own_claim(claims: Claims) -> None:
    """One message's claim keeps nobody from another one."""
    for _ in range(3):
        assert (await granted(claims, uuid4())).attempt == 1


async def test_a_claimed_message_is_busy(stores: Stores, claims: Claims) -> None:
    """For this mailer and for any other, no longer than the lease; it does not merely rest."""
    message_id = uuid4()
    await granted(claims, message_id)

    answers = [await busy(taker, message_id) for taker in (claims, Claims(stores.open()))]

    assert {Busy} == set(map(type, answers))
    assert all(LEASE - 5 < answer.wait <= LEASE for answer in answers)


async def test_a_message_rests_until_its_next_attempt(stores: Stores, claims: Claims) -> None:
    """However often it is asked for meanwhile; then it is granted."""
    message_id = uuid4()
    first = await granted(claims, message_id)

    assert await settle(claims, first, State.DEFERRED, SHORT, reason="HTTP 503")

    rest = await busy(claims, message_id)
    await stores.pass_time()
    second = await granted(claims, message_id)

    assert isinstance(rest, NotDue)
    assert 0 < rest.wait <= SHORT
    assert (2, 2) == (second.token, second.attempt)
    assert SHORT <= second.age < SHORT + 5


async def test_a_message_may_come_again_at_once(claims: Claims) -> None:
    """A wait of nothing is over when it begins."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.DEFERRED, 0.0)

    assert (await granted(claims, message_id)).attempt == 2


async def test_a_new_claim_has_a_whole_lease(claims: Claims) -> None:
    """The second attempt is protected like the first."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.DEFERRED)
    await granted(claims, message_id)

    assert LEASE - 5 < (await busy(claims, message_id)).wait <= LEASE


async def test_a_deferred_message_may_go_elsewhere(claims: Claims) -> None:
    """Its next attempt is made where its taker wishes."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.DEFERRED)

    assert (await granted(claims, message_id, OTHER)).provider == OTHER


@pytest.mark.parametrize("state", FINAL)
async def test_the_end_is_told_as_it_was_written(claims: Claims, state: State) -> None:
    """To whoever asks, however often."""
    message_id = uuid4()
    claim = await granted(claims, message_id)
    await settle(claims, claim, state, provider="sendgrid", provider_message_id="14c5d75ce93", reason="spät")
    expected = Settled(state, 1, "sendgrid", "14c5d75ce93", "spät", 0)

    for _ in range(2):
        assert expected == await take(claims, message_id)


async def test_details_are_optional(claims: Claims) -> None:
    """What was not said is not told; but where the attempt began is written down already."""
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.EXPIRED)

    assert Settled(State.EXPIRED, 1, ACCOUNT, None, None) == await take(claims, message_id)


async def test_a_further_attempt_begins_under_the_same_claim(claims: Claims) -> None:
    """After one that certainly did not send, somewhere else."""
    message_id = uuid4()
    claim = await granted(claims, message_id)

    assert await claims.begin(Beginning(message_id, claim.token, OTHER, doubts=0)) == 2
    assert await settle(claims, claim, State.SENT)
    assert Settled(State.SENT, 2, OTHER, None, None) == await take(claims, message_id)


async def test_a_further_attempt_has_a_whole_lease(stores: Stores) -> None:
    """The time that the first one took is not its loss."""
    message_id = uuid4()
    claims = Claims(stores.open())
    claim = await granted(claims, message_id)
    await stores.pass_time(0.6 * LEASE)
    await claims.begin(Beginning(message_id, claim.token, OTHER, doubts=0))
    await stores.pass_time(0.6 * LEASE)

    assert isinstance(await take(claims, message_id), Busy)


# Fencing


async def test_a_frozen_mailer_cannot_write_any_more(stores: Stores, brief: Claims) -> None:
    """Once somebody else has the claim, the old token is worth nothing."""
    message_id = uuid4()
    old = await granted(brief, message_id)
    await stores.pass_time()
    new = await in_doubt(brief, message_id)

    assert not await settle(brief, old, State.SENT, provider="old")
    assert await settle(brief, new, State.FAILED, provider="new")
    assert not await settle(brief, old, State.SENT, provider="old")
    assert Settled(State.FAILED, 1, "new", None, None) == await take(brief, message_id)


async def test_a_frozen_mailer_cannot_begin_any_more(stores: Stores, brief: Claims) -> None:
    """Neither while the message is somebody else's, nor after; and nothing changes by its trying."""
    message_id = uuid4()
    old = await granted(brief, message_id)
    await stores.pass_time()
    new = await in_doubt(brief, message_id)
    late = Beginning(message_id, old.token, OTHER, doubts=7)

    assert await brief.begin(late) is None
    assert await settle(brief, new, State.UNCERTAIN, doubts=1)
    assert await brief.begin(late) is None

    claim = await in_doubt(brief, message_id)

    assert (1, ACCOUNT, 1) == (claim.attempt, claim.provider, claim.doubts)


async def test_a_frozen_attempt_is_fenced_off_in_the_same_batch_too(stores: Stores, brief: Claims) -> None:
    """Both attempts may be in one mailer, and end at the same moment."""
    message_id, other = uuid4(), uuid4()
    old = await granted(brief, message_id)
    await stores.pass_time()
    new = await in_doubt(brief, message_id)
    another = await granted(brief, other)
    settlements = [
        Settlement(other, another.token, State.SENT),
        Settlement(message_id, old.token, State.SENT, provider="old"),
        Settlement(message_id, new.token, State.FAILED, provider="new"),
    ]
    expected = [True, False, True]

    assert expected == await asyncio.gather(*map(brief.settle, settlements))
    assert Settled(State.FAILED, 1, "new", None, None) == await take(brief, message_id)


async def test_nothing_begins_once_the_end_is_written(claims: Claims) -> None:
    """A claim is over when it is settled."""
    message_id = uuid4()
    claim = await granted(claims, message_id)
    await settle(claims, claim, State.SENT)

    assert await claims.begin(Beginning(message_id, claim.token, OTHER, doubts=0)) is None
    assert Settled(State.SENT, 1, ACCOUNT, None, None) == await take(claims, message_id)


async def test_a_late_outcome_counts_while_nobody_else_has_the_claim(stores: Stores, brief: Claims) -> None:
    """A lease that has ended is not lost before it is taken."""
    message_id = uuid4()
    claim = await granted(brief, message_id)
    await stores.pass_time()

    assert await settle(brief, claim, State.SENT)

    await settled(brief, message_id)


async def test_a_message_without_a_claim_can_be_neither_begun_nor_settled(claims: Claims) -> None:
    """Nothing is written for it, and it is still free."""
    message_id = uuid4()

    assert not await claims.settle(Settlement(message_id, 1, State.SENT))
    assert await claims.begin(Beginning(message_id, 1, ACCOUNT, doubts=0)) is None
    assert (await granted(claims, message_id)).attempt == 1


# Many at once


async def test_only_one_of_many_gets_the_message(stores: Stores) -> None:
    """Fifty deliveries of one message to two mailers at the same moment."""
    message_id = uuid4()
    mailers = await stores.mailers(2)

    answers = await asyncio.gather(*(take(mailer, message_id) for mailer in mailers for _ in range(25)))

    assert len([answer for answer in answers if isinstance(answer, Granted)]) == 1
    assert len([answer for answer in answers if isinstance(answer, Busy)]) == 49


async def test_mailers_with_many_messages_do_not_stand_in_each_others_way(stores: Stores) -> None:
    """Two mailers claim the same hundred messages, one backwards: each message is granted once."""
    ids = [uuid4() for _ in range(100)]
    mailers = await stores.mailers(2)
    orders = [ids, ids[::-1]]

    answers = await asyncio.gather(
        *(take(mailer, i) for mailer, order in zip(mailers, orders, strict=True) for i in order)
    )

    assert sorted(ids) == sorted(answer.message_id for answer in answers if isinstance(answer, Granted))


async def test_mailers_that_ask_in_opposite_orders_do_not_wait_for_each_other(server_stores: Stores) -> None:
    """Neither has what the other waits for: each message is granted once, and nobody is turned away."""
    ours, theirs = await server_stores.mailers(2)
    ids = sorted(uuid4() for _ in range(3))
    for message_id in ids:
        await settle(ours, await granted(ours, message_id), State.DEFERRED)
    async with locked_claims(server_stores.url, ids[1]):
        asked = [asyncio.create_task(take(ours, message_id)) for message_id in ids]
        await asyncio.sleep(0.2)
        asked += [asyncio.create_task(take(theirs, message_id)) for message_id in ids[::-1]]
        await asyncio.sleep(0.2)
    answers = await asyncio.gather(*asked)

    assert ids == sorted(answer.message_id for answer in answers if isinstance(answer, Granted))


async def test_settling_and_taking_do_not_stand_in_each_others_way(server_stores: Stores) -> None:
    """One mailer settles, backwards, what another one asks for: neither has what the other waits for."""
    ours, theirs = await server_stores.mailers(2)
    first, middle, last = sorted(uuid4() for _ in range(3))
    held = [await granted(ours, message_id) for message_id in (last, middle, first)]
    async with locked_claims(server_stores.url, middle):
        settling = [asyncio.create_task(settle(ours, claim, State.SENT)) for claim in held]
        await asyncio.sleep(0.2)
        taking = [asyncio.create_task(take(theirs, message_id)) for message_id in (first, middle, last)]
        await asyncio.sleep(0.2)
    answers = await asyncio.gather(*taking)

    assert all(await asyncio.gather(*settling))
    assert {Busy, Settled} >= set(map(type, answers))


async def test_a_doubled_message_in_a_batch_is_granted_once(claims: Claims) -> None:
    """The second copy finds the first one busy; the others are none the wiser."""
    doubled, other = uuid4(), uuid4()
    expected = [Granted, Busy, Granted, Busy]

    answers = await asyncio.gather(*(take(claims, i) for i in [doubled, doubled, other, doubled]))

    assert expected == list(map(type, answers))


async def test_answers_come_in_the_order_of_the_questions(claims: Claims) -> None:
    """Whatever the database makes of it: each caller gets the claim, and the attempt, that it asked for."""
    ids = [uuid4() for _ in range(50)]
    for message_id in ids[::2]:
        claim = await granted(claims, message_id)
        await settle(claims, claim, State.SENT, provider_message_id=message_id.hex)
    expected: list[Settled | UUID] = [
        Settled(State.SENT, 1, ACCOUNT, message_id.hex, None) if place % 2 == 0 else message_id
        for place, message_id in enumerate(ids)
    ]

    answers = await asyncio.gather(*(take(claims, i) for i in ids))

    assert expected == [answer.message_id if isinstance(answer, Granted) else answer for answer in answers]

    fresh = [answer for answer in answers if isinstance(answer, Granted)]
    await claims.begin(Beginning(fresh[7].message_id, fresh[7].token, OTHER, doubts=0))
    begun = [
        claims.begin(Beginning(claim.message_id, claim.token + place % 2, OTHER, doubts=0))
        for place, claim in enumerate(fresh, 1)
    ]

    assert [None if place % 2 else 3 if place == 8 else 2 for place in range(1, 26)] == await asyncio.gather(
        *begun
    )


async def test_concurrent_attempts_share_commits(stores: Stores) -> None:
    """A hundred claims at the same moment cost a handful of transactions, and so does what follows."""
    store = CountingStore(stores.open())
    claims = Claims(store)
    taken = await asyncio.gather(*(granted(claims, uuid4()) for _ in range(100)))
    begun = await asyncio.gather(
        *(claims.begin(Beginning(claim.message_id, claim.token, OTHER, doubts=0)) for claim in taken)
    )
    written = await asyncio.gather(*(settle(claims, claim, State.SENT) for claim in taken))
    batches = (store.takes, store.begins, store.settles)

    assert [2] * 100 == begun
    assert all(written)
    assert all(len(sizes) < 10 for sizes in batches)
    assert [100, 100, 100] == list(map(sum, batches))


async def test_claims_survive_the_mailer(stores: Stores) -> None:
    """A mailer that starts anew knows what the one before it did."""
    message_id = uuid4()
    before = Claims(stores.open())
    await settle(before, await granted(before, message_id), State.SENT)
    await stores.close()

    await settled(Claims(stores.open()), message_id)
