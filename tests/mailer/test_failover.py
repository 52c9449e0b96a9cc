"""When another account is asked: only if the one before certainly did not send."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from services.mailer.accounts.routes import ClosingError
from services.mailer.claims.claims import Settled, State
from services.mailer.delivery.ports import NoAnswerError, NotSentError
from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Suppressed,
    Trouble,
    Unauthorised,
    Uncertain,
)
from services.mailer.providers.base import UnsupportedError
from services.mailer.rates.rates import RatesUnavailableError
from shared.signatures import Lane, OnUncertain
from tests.mailer.world import (
    HORIZON,
    LEASE,
    PAUSE,
    SETTLED,
    Answer,
    Batched,
    Keyed,
    Postbox,
    Searched,
    World,
    email,
)

LOST = Uncertain("HTTP 502")
NOT_SENT: list[Answer] = [
    Deferred("HTTP 503"),
    Deferred("HTTP 503", 120.0),
    Deferred("HTTP 429", 1.0, Trouble.PACE),
    NotSentError("ClientConnectorError"),
    Unauthorised("HTTP 401"),
]


@pytest.fixture
def first() -> Postbox:
    """The account that everybody goes to."""
    return Postbox("first")


@pytest.fixture
def second() -> Postbox:
    """The one that is asked if the first cannot be."""
    return Postbox("second")


# What goes elsewhere


@pytest.mark.parametrize("outcome", NOT_SENT)
async def test_what_was_certainly_not_sent_goes_elsewhere(
    world: World, first: Postbox, second: Postbox, outcome: Answer
) -> None:
    """At once, as an attempt of its own, each of which is told; whatever the message wants in doubt."""
    first.says(outcome)
    message = email(on_uncertain=OnUncertain.HOLD)

    returned = await world.delivery(first, second).attempt(message)
    deferred = world.told[1]
    expected = [
        ("sending", 1, "first"),
        ("deferred", 1, "first"),
        ("sending", 2, "second"),
        ("sent", 2, "second"),
    ]

    assert Accepted("theirs") == returned
    assert expected == world.timeline()
    assert deferred.reason
    assert deferred.at == deferred.retry_at
    assert Settled(State.SENT, 2, "second", "theirs", None) == await world.claim(message)


async def test_the_next_attempt_is_written_down_before_it_begins(
    world: World, first: Postbox, second: Postbox
) -> None:
    """A mailer that dies during it must not be thought to have died during the one before."""
    first.says(Deferred("HTTP 503"))
    expected = [
        "claim",
        "mention sending",
        "request first",
        "mention deferred",
        "begin",
        "mention sending",
        "request second",
        "settle",
        "report sent",
    ]
    await world.delivery(first, second).attempt(email())

    assert expected == world.diary


async def test_a_crash_at_the_second_account_is_in_doubt_there(
    world: World, first: Postbox, second: Postbox
) -> None:
    """The first one certainly did not send."""
    first.says(Deferred("HTTP 503"))
    message = email()
    delivery = world.delivery(first, second)
    seen: list[dict[str, object]] = []
    second.says(lambda: seen.append(world.row(message)), Accepted("theirs"))
    await delivery.attempt(message)

    assert ("begun", "second", 2, 0) == tuple(
        seen[0][column] for column in ("state", "provider", "attempt", "doubts")
    )


@pytest.mark.parametrize("outcome", [LOST, NoAnswerError("ServerDisconnectedError"), KeyError("a bug")])
async def test_a_doubt_stays_where_it_is(
    world: World, first: Postbox, second: Postbox, outcome: Answer
) -> None:
    """The first account may have sent it."""
    first.says(outcome)

    assert isinstance(await world.delivery(first, second).attempt(email()), Deferred)
    assert world.asked() == ["request first"]


@pytest.mark.parametrize(
    "outcome",
    [Rejected("HTTP 422"), Suppressed("listed"), Deferred("greylisted", 60.0, Trouble.MESSAGE)],
)
async def test_what_is_the_messages_own_trouble_goes_nowhere_else(
    world: World, first: Postbox, second: Postbox, outcome: Outcome
) -> None:
    """Another provider would say the same, and a list of unwanted recipients is not to be walked around."""
    first.says(outcome)

    assert outcome.reason == (await world.delivery(first, second).attempt(email())).reason
    assert world.asked() == ["request first"]


async def test_each_account_is_asked_once(world: World) -> None:
    """Then the message waits, by the hint of the last one."""
    postboxes = [Postbox("first"), Postbox("second"), Postbox("third")]
    for number, postbox in enumerate(postboxes):
        postbox.says(Deferred("HTTP 503", 10.0 + number))
    message = email()
    outcome = await world.delivery(*postboxes).attempt(message)

    assert Deferred("HTTP 503", 12.0) == outcome
    assert world.asked() == ["request first", "request second", "request third"]
    assert ("deferred", 3, "third") == world.timeline()[-1]
    assert world.told[-1].at + timedelta(seconds=12) == world.told[-1].retry_at
    assert world.row(message)["attempt"] == 3


@pytest.mark.parametrize("fault", ["open", "probing"])
async def test_an_account_that_is_away_is_not_waited_for(
    world: World, first: Postbox, second: Postbox, fault: str
) -> None:
    """The attempt ends, and the message comes again."""
    first.says(Deferred("HTTP 503"))
    away = world.account(second)
    for _ in range(5):
        away.circuit.failed()
    if fault == "probing":
        world.clock.move(1.0)
        away.circuit.enter()

    assert isinstance(await world.delivery(first, away).attempt(email()), Deferred)
    assert world.asked() == ["request first"]


async def test_the_place_at_the_first_account_is_free_while_the_second_is_asked(
    world: World, first: Postbox, second: Postbox
) -> None:
    """And both are in the end."""
    accounts = [world.account(first), world.account(second)]
    first.says(Deferred("HTTP 503"))
    seen: list[list[int]] = []
    second.says(lambda: seen.append([account.in_flight for account in accounts]), Accepted("theirs"))
    await world.delivery(*accounts).attempt(email())
    after = [account.in_flight for account in accounts]

    assert [[0, 1]] == seen
    assert [0, 0] == after


async def test_the_horizon_counts_over_all_accounts(world: World, first: Postbox, second: Postbox) -> None:
    """From the first attempt at any of them."""
    for postbox in (first, second):
        postbox.says(Deferred("HTTP 503", 10.0))
    message = email()
    delivery = world.delivery(first, second, horizon=100.0)
    await delivery.attempt(message)
    world.pass_time(95.0)

    assert isinstance(await delivery.attempt(message), Rejected)


# What one account cannot carry


async def test_what_one_account_cannot_carry_goes_to_one_that_can(
    world: World, first: Postbox, second: Postbox
) -> None:
    """Nothing was sent, and the message is not to blame."""
    first.refuses = UnsupportedError("inline images")
    expected = [
        ("sending", 1, "first"),
        ("deferred", 1, "first"),
        ("sending", 2, "second"),
        ("sent", 2, "second"),
    ]

    assert Accepted("theirs") == await world.delivery(first, second).attempt(email())
    assert expected == world.timeline()
    assert world.told[1].reason == "unsupported: inline images"


async def test_what_nobody_can_carry_fails_at_once(world: World, first: Postbox, second: Postbox) -> None:
    """Without a second attempt that can only come to the same."""
    first.refuses = second.refuses = UnsupportedError("inline images")

    assert Rejected("unsupported: inline images") == await world.delivery(first, second).attempt(email())
    assert [("sending", 1, "first"), ("failed", 1, "first")] == world.timeline()


async def test_a_message_waits_for_the_account_that_can_carry_it(
    world: World, first: Postbox, second: Postbox
) -> None:
    """That is away now, and must not fail for that of the other."""
    first.refuses = UnsupportedError("inline images")
    away = world.account(second)
    for _ in range(5):
        away.circuit.failed()

    assert isinstance(await world.delivery(first, away).attempt(email()), Deferred)


async def test_a_message_is_not_failed_by_the_second_account(
    world: World, first: Postbox, second: Postbox
) -> None:
    """The first one could carry it, and will when it is well again."""
    first.says(Deferred("HTTP 503"), Accepted("theirs"))
    second.refuses = UnsupportedError("inline images")
    message = email()
    delivery = world.delivery(first, second)
    outcome = await delivery.attempt(message)
    world.hurry()

    assert isinstance(outcome, Deferred)
    assert Accepted("theirs") == await delivery.attempt(message)


async def test_a_bug_in_another_provider_does_not_hurt(world: World, first: Postbox, second: Postbox) -> None:
    """It is met, and told of, when that provider is asked."""
    first.refuses = UnsupportedError("inline images")
    second.refuses = ZeroDivisionError("bug")

    with pytest.raises(ZeroDivisionError):
        await world.delivery(first, second).attempt(email())

    assert ("deferred", 2, "second") == world.timeline()[-1]


# After a doubt


@pytest.mark.parametrize("outcome", NOT_SENT)
async def test_a_doubt_with_a_key_never_goes_elsewhere(
    world: World, second: Postbox, outcome: Answer
) -> None:
    """Only the account that was asked can say what came of it."""
    keyed = Keyed("keyed")
    keyed.says(LOST, outcome, Accepted("theirs"))
    message = email()
    delivery = world.delivery(keyed, second)
    for _ in range(2):
        assert isinstance(await delivery.attempt(message), Deferred)
        world.hurry()
    world.clock.move(PAUSE)

    assert Accepted("theirs") == await delivery.attempt(message)
    assert world.asked() == ["request keyed"] * 3


async def test_a_doubt_that_a_search_has_cleared_may_go_elsewhere(world: World, second: Postbox) -> None:
    """The account does not have the message, so that nothing is in doubt any more."""
    searched = Searched("searched")
    searched.says(LOST, Deferred("HTTP 503"))
    message = email(on_uncertain=OnUncertain.HOLD)
    delivery = world.delivery(searched, second)
    await delivery.attempt(message)
    world.pass_time(SETTLED)
    expected = ["request searched", "search searched", "request searched", "request second"]

    assert Accepted("theirs") == await delivery.attempt(message)
    assert expected == world.asked()


async def test_a_doubt_that_nobody_can_resolve_may_go_elsewhere(
    world: World, first: Postbox, second: Postbox
) -> None:
    """It would be sent again anyhow; and it goes on to be a doubt."""
    first.says(LOST, Deferred("HTTP 503"))
    second.says(Rejected("HTTP 422"))
    message = email()
    delivery = world.delivery(first, second)
    await delivery.attempt(message)
    world.hurry()

    assert isinstance(await delivery.attempt(message), Uncertain)
    assert world.asked() == ["request first", "request first", "request second"]
    assert ("held", 1, 1) == tuple(world.row(message)[column] for column in ("state", "doubts", "elsewhere"))


# When the way to the next account is barred


@pytest.mark.parametrize("barred", [ClosingError(), RatesUnavailableError()])
async def test_an_attempt_is_concluded_where_the_way_on_is_barred(
    world: World, first: Postbox, second: Postbox, barred: Exception
) -> None:
    """Left as it is it would look like one whose mailer died, and this message would be held for it."""
    first.says(Deferred("HTTP 503"))
    message = email(on_uncertain=OnUncertain.HOLD)
    away = world.account(second)

    async def fail(*_: object) -> None:
        raise barred

    away.pace.turn = fail  # type: ignore[assignment,method-assign]

    assert isinstance(await world.delivery(first, away).attempt(message), Deferred)
    assert world.row(message)["state"] == "deferred"
    assert away.in_flight == 0


async def test_a_mailer_that_ends_goes_nowhere_else(world: World, first: Postbox, second: Postbox) -> None:
    """It writes down what it knows."""
    delivery = world.delivery(first, second)
    message = email()

    def close() -> None:
        delivery.routes.close()
        raise NotSentError("TimeoutError")

    first.says(close)

    assert isinstance(await delivery.attempt(message), Deferred)
    assert world.asked() == ["request first"]
    assert world.row(message)["state"] == "deferred"


@pytest.mark.parametrize("lane", Lane)
async def test_a_turn_that_is_too_far_off_is_not_waited_for(world: World, first: Postbox, lane: Lane) -> None:
    """Beyond the lease another mailer would believe that this one had died."""
    first.says(Deferred("HTTP 503"))
    message = email(lane=lane)
    slow = world.account(Batched("second"), limit=0.01)
    delivery = world.delivery(first, slow, lease=1.0)
    await slow.pace.turn(message.lane)
    began = time.monotonic()
    outcome = await delivery.attempt(message)
    took = time.monotonic() - began

    assert isinstance(outcome, Deferred)
    assert world.row(message)["state"] == "deferred"
    assert took < 5.0
    assert slow.in_flight == 0


async def test_what_is_known_is_written_down_when_the_claims_were_away(
    world: World, first: Postbox, second: Postbox
) -> None:
    """A second attempt cannot begin, and the first one certainly did not send."""
    first.says(Deferred("HTTP 503", 7.0))
    world.outages["begin"] = 1
    message = email()
    accounts = [world.account(first), world.account(second)]

    assert Deferred("HTTP 503", 7.0) == await world.delivery(*accounts).attempt(message)
    assert world.asked() == ["request first"]
    assert world.row(message)["state"] == "deferred"
    assert [0, 0] == [account.in_flight for account in accounts]


async def test_an_overtaken_attempt_goes_nowhere_else(world: World, first: Postbox, second: Postbox) -> None:
    """The message is another mailer's by now."""
    message = email()

    async def be_overtaken() -> None:
        world.pass_time(LEASE + 1)
        await world.claim(message)
        raise NotSentError("TimeoutError")

    first.says(be_overtaken)

    assert Deferred("Overtaken by another attempt.", LEASE) == await world.delivery(first, second).attempt(
        message
    )
    assert world.asked() == ["request first"]
    assert not world.events


# Before a claim is taken


async def test_without_an_account_no_attempt_is_burned(world: World, first: Postbox) -> None:
    """The message goes back to the broker for as long as its account is away, and has no claim."""
    account = world.account(first)
    account.circuit.refused(PAUSE)
    account.circuit.refused(PAUSE)
    account.circuit.refused(PAUSE)

    outcome = await world.delivery(account, waits=5.0).attempt(email())

    assert isinstance(outcome, Deferred)
    assert 55.0 < (outcome.retry_after or 0) <= PAUSE
    assert not world.diary
    assert not world.told


async def test_a_message_that_waited_is_its_first_attempt(world: World, first: Postbox) -> None:
    """However long it waited: the horizon begins with the first attempt."""
    account = world.account(first)
    delivery = world.delivery(account, horizon=HORIZON, waits=30.0)
    message = email()
    for _ in range(5):
        account.circuit.failed()
    waiting = asyncio.create_task(delivery.attempt(message))
    await asyncio.sleep(0.05)
    before = list(world.diary)
    world.clock.move(1.0)
    await waiting

    assert not before
    assert [("sending", 1, "first"), ("sent", 1, "first")] == world.timeline()


async def test_an_ended_mailer_begins_nothing(world: World, first: Postbox) -> None:
    """Whoever comes then goes back to the broker."""
    delivery = world.delivery(first)
    delivery.routes.close()
    with pytest.raises(ClosingError):
        await delivery.attempt(email())

    assert not world.diary


@pytest.mark.parametrize("claim", ["busy", "settled", "expired", "in doubt"])
async def test_a_place_that_is_not_needed_is_given_back(world: World, first: Postbox, claim: str) -> None:
    """Also by the message that would have tried a sick account for all others."""
    account = world.account(first)
    delivery = world.delivery(account)
    message = email(on_uncertain=OnUncertain.HOLD)
    if claim == "settled":
        await delivery.attempt(message)
    elif claim == "busy":
        await world.claim(message)
    elif claim == "in doubt":
        await world.crash(message, "first")
    for _ in range(5):
        account.circuit.failed()
    world.clock.move(1.0)
    await delivery.attempt(message)

    assert account.in_flight == 0
    assert account.circuit.admits


async def test_a_mailer_that_was_too_slow_to_begin_says_nothing_of_the_account(
    world: World, first: Postbox
) -> None:
    """It was not asked, so that it is neither well nor ill, and the next message may try it."""
    account = world.account(first)
    for _ in range(5):
        account.circuit.failed()
    world.clock.move(1.0)
    first.building = lambda: time.sleep(0.6)
    await world.delivery(account, lease=1.0).attempt(email())

    assert not account.is_well
    assert account.circuit.admits


async def test_what_a_provider_cannot_carry_says_nothing_of_the_account(world: World, first: Postbox) -> None:
    """It was not asked either."""
    account = world.account(first)
    for _ in range(5):
        account.circuit.failed()
    world.clock.move(1.0)
    first.refuses = UnsupportedError("inline images")
    await world.delivery(account).attempt(email())

    assert not account.is_well
    assert account.circuit.admits
