"""How an attempt that may have sent is resolved: by its key, by a search, or by the message's own wish."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

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
from services.mailer.providers.base import Found, Unclear, UnsupportedError
from services.mailer.rates.rates import RatesUnavailableError
from shared.signatures import OnUncertain, SendEmail
from tests.mailer.world import (
    HORIZON,
    LEASE,
    SETTLED,
    WINDOW,
    Answer,
    Keyed,
    Postbox,
    Searched,
    World,
    email,
)

LOST = Uncertain("HTTP 502")
HOLD = OnUncertain.HOLD
SOON_EXPIRED = timedelta(seconds=-1)


async def state(world: World, message: SendEmail) -> State:
    """What the claims say of a message that has come to its end."""
    claim = await world.claim(message)
    assert isinstance(claim, Settled)
    return claim.state


# By its key


@pytest.mark.parametrize("on_uncertain", OnUncertain)
@pytest.mark.parametrize("lost", [LOST, NoAnswerError("ServerDisconnectedError")])
async def test_a_provider_with_keys_is_asked_again_for_the_very_same_thing(
    world: World, lost: Answer, on_uncertain: OnUncertain
) -> None:
    """Byte by byte, so that it is one message to it; whoever wants to be held need not be."""
    keyed = Keyed("keyed")
    keyed.says(lost, Accepted("theirs"))
    message = email(on_uncertain=on_uncertain)
    delivery = world.delivery(keyed)
    waiting = await delivery.attempt(message)
    world.hurry()

    assert isinstance(waiting, Deferred)
    assert 1.0 <= (waiting.retry_after or 0) <= 5.0
    assert Accepted("theirs") == await delivery.attempt(message)
    assert world.requests[0] == world.requests[1]
    assert ("sent", 2, "keyed") == world.timeline()[-1]


async def test_a_crashed_attempt_is_asked_again_with_its_key(world: World) -> None:
    """How it ended is not known, so that it is the same."""
    keyed = Keyed("keyed")
    message = email(on_uncertain=HOLD)
    delivery = world.delivery(keyed)
    await world.crash(message, "keyed")

    assert Accepted("theirs") == await delivery.attempt(message)


async def test_a_key_is_worth_any_number_of_attempts(world: World) -> None:
    """None of them can be a second copy."""
    keyed = Keyed("keyed")
    keyed.says(LOST)
    message = email()
    delivery = world.delivery(keyed, resend_limit=2)
    for _ in range(4):
        assert isinstance(await delivery.attempt(message), Deferred)
        world.hurry()


@pytest.mark.parametrize(
    ("outcome", "event"), [(Rejected("HTTP 422"), "failed"), (Suppressed("listed"), "suppressed")]
)
async def test_a_refusal_under_the_same_key_is_an_end(world: World, outcome: Outcome, event: str) -> None:
    """Had the provider taken it before, it would have said so again."""
    keyed = Keyed("keyed")
    keyed.says(LOST, outcome)
    message = email()
    delivery = world.delivery(keyed)
    await delivery.attempt(message)
    world.hurry()

    assert outcome == await delivery.attempt(message)
    assert (event, 2, "keyed") == world.timeline()[-1]


async def test_a_message_that_it_could_not_build_again_is_held(world: World) -> None:
    """A newer mailer may refuse what the one before has sent: the provider was not asked."""
    keyed = Keyed("keyed")
    message = email()
    delivery = world.delivery(keyed)
    await world.crash(message, "keyed")
    keyed.refuses = UnsupportedError("inline images")

    assert isinstance(await delivery.attempt(message), Uncertain)
    assert await state(world, message) is State.HELD


@pytest.mark.parametrize(
    ("passed", "held"), [(WINDOW - LEASE - 5.0, False), (WINDOW - LEASE, True), (WINDOW + 1.0, True)]
)
async def test_a_key_counts_for_its_window(world: World, passed: float, *, held: bool) -> None:
    """Less the lease, in which the request may be on its way yet; after that nothing can be known."""
    keyed = Keyed("keyed")
    keyed.says(LOST, Accepted("theirs"))
    message = email(on_uncertain=HOLD)
    delivery = world.delivery(keyed)
    await delivery.attempt(message)
    world.pass_time(passed)
    outcome = await delivery.attempt(message)

    assert held == isinstance(outcome, Uncertain)
    assert (1 if held else 2) == len(world.requests)


async def test_the_window_counts_from_the_first_request(world: World) -> None:
    """Not from the newest one: the provider remembers when it saw the key first."""
    keyed = Keyed("keyed")
    keyed.says(LOST)
    message = email(on_uncertain=HOLD)
    delivery = world.delivery(keyed)
    outcomes = []
    for _ in range(3):
        outcomes.append(type(await delivery.attempt(message)))
        world.pass_time(WINDOW / 2 - 10)
    expected = [Deferred, Deferred, Uncertain]

    assert expected == outcomes


async def test_the_settings_may_know_the_window_better(world: World) -> None:
    """What counts is the account's, not the provider's word for all of them."""
    keyed = Keyed("keyed")
    keyed.says(LOST)
    account = world.account(keyed, traits=Keyed.traits.__class__(key_window=WINDOW * 2))
    message = email(on_uncertain=HOLD)
    delivery = world.delivery(account)
    await delivery.attempt(message)
    world.pass_time(WINDOW + 1)

    assert isinstance(await delivery.attempt(message), Deferred)


async def test_a_message_whose_key_is_worth_nothing_is_sent_again_if_it_may(world: World) -> None:
    """And a refusal then says nothing of the attempt before: to the provider it is another message."""
    keyed = Keyed("keyed")
    keyed.says(LOST, Rejected("HTTP 422"))
    message = email()
    delivery = world.delivery(keyed)
    await delivery.attempt(message)
    world.pass_time(WINDOW + 1)

    assert isinstance(await delivery.attempt(message), Uncertain)
    assert await state(world, message) is State.HELD


# By a search


async def test_a_provider_that_can_be_searched_is_left_time(world: World) -> None:
    """Its search may not know yet what it took a moment ago, and who asks then sends twice."""
    searched = Searched("searched")
    searched.says(LOST)
    message = email(on_uncertain=HOLD)
    delivery = world.delivery(searched)
    first = await delivery.attempt(message)
    world.hurry()
    early = await delivery.attempt(message)

    assert Deferred("HTTP 502", SETTLED) == first
    assert isinstance(early, Deferred)
    assert SETTLED - 5 < (early.retry_after or 0) <= SETTLED
    assert world.asked() == ["request searched"]
    assert ("uncertain", 1) == (world.row(message)["state"], world.row(message)["doubts"])


async def test_a_crashed_attempt_is_left_the_same_time(world: World) -> None:
    """From the end of its lease: until then its request may have been on its way."""
    searched = Searched("searched")
    message = email()
    delivery = world.delivery(searched)
    await world.crash(message, "searched")
    early = await delivery.attempt(message)
    world.pass_time(SETTLED)
    await delivery.attempt(message)
    expected = [("uncertain", 1, "searched"), ("sending", 2, "searched"), ("sent", 2, "searched")]

    assert isinstance(early, Deferred)
    assert SETTLED - 5 < (early.retry_after or 0) < SETTLED
    assert expected == world.timeline()


async def test_what_is_found_is_sent(world: World) -> None:
    """By the attempt that was in doubt, without another request."""
    searched = Searched("searched")
    searched.says(LOST)
    searched.findings[0] = Found("theirs")
    message = email()
    delivery = world.delivery(searched)
    await delivery.attempt(message)
    world.pass_time(SETTLED)

    assert Accepted("theirs") == await delivery.attempt(message)
    assert world.asked() == ["request searched", "search searched"]
    assert ("sent", 1, "searched") == world.timeline()[-1]
    assert Settled(State.SENT, 1, "searched", "theirs", None) == await world.claim(message)


async def test_it_is_asked_for_what_came_after_the_first_attempt(world: World) -> None:
    """And an hour more: its clock may go differently from ours."""
    searched = Searched("searched")
    searched.says(LOST)
    message = email()
    delivery = world.delivery(searched)
    await delivery.attempt(message)
    world.pass_time(200.0)
    await delivery.attempt(message)
    asked, since = searched.asked
    expected = datetime.now(UTC) - timedelta(seconds=3600 + 200)

    assert message.message_id == asked
    assert abs(since - expected) < timedelta(seconds=10)


@pytest.mark.parametrize("on_uncertain", OnUncertain)
async def test_what_is_not_there_is_sent_again(world: World, on_uncertain: OnUncertain) -> None:
    """It is certain, so nobody has to be held for it."""
    searched = Searched("searched")
    searched.says(LOST, Accepted("theirs"))
    message = email(on_uncertain=on_uncertain)
    delivery = world.delivery(searched)
    await delivery.attempt(message)
    world.pass_time(SETTLED)
    expected = ["request searched", "search searched", "request searched"]

    assert Accepted("theirs") == await delivery.attempt(message)
    assert expected == world.asked()
    assert ("sent", 2, "searched") == world.timeline()[-1]


async def test_what_is_not_there_may_be_refused_for_good(world: World) -> None:
    """Nothing is in doubt any more."""
    searched = Searched("searched")
    searched.says(LOST, Rejected("HTTP 422"))
    message = email()
    delivery = world.delivery(searched)
    await delivery.attempt(message)
    world.pass_time(SETTLED)

    assert Rejected("HTTP 422") == await delivery.attempt(message)
    assert await state(world, message) is State.FAILED


@pytest.mark.parametrize(
    "failure", [Unclear("HTTP 500"), NotSentError("TimeoutError"), NoAnswerError("TimeoutError")]
)
async def test_a_search_that_fails_is_made_again(
    world: World, failure: Unclear | NotSentError | NoAnswerError
) -> None:
    """Until then nothing is sent, and nothing is said."""
    searched = Searched("searched")
    searched.says(LOST)
    searched.findings.clear()
    searched.findings.extend([failure, Found("theirs")])
    message = email()
    delivery = world.delivery(searched)
    await delivery.attempt(message)
    world.pass_time(SETTLED)
    later = await delivery.attempt(message)
    told = len(world.told)
    world.pass_time(SETTLED)
    found = await delivery.attempt(message)

    assert isinstance(later, Deferred)
    assert "search_failed" in later.reason
    assert 1.0 <= (later.retry_after or 0) <= 5.0
    assert told == 2
    assert Accepted("theirs") == found
    assert world.asked().count("request searched") == 1


async def test_a_search_that_fails_for_long_is_repeated_seldom(world: World) -> None:
    """Thousands of messages in doubt must not keep down the provider that they are in doubt about."""
    waits = []
    for _ in range(50):
        searched = Searched("searched")
        searched.says(LOST)
        searched.findings[0] = Unclear("HTTP 500")
        message, delivery = email(), world.delivery(searched)
        await delivery.attempt(message)
        world.pass_time(HORIZON / 4)
        later = await delivery.attempt(message)
        assert isinstance(later, Deferred)
        waits.append(later.retry_after or 0)

    assert max(waits) > 25.0


async def test_a_doubt_that_cannot_be_resolved_is_given_up(world: World) -> None:
    """At the horizon, and held: it may have been sent."""
    searched = Searched("searched")
    searched.says(LOST)
    searched.findings[0] = Unclear("HTTP 500")
    message = email()
    delivery = world.delivery(searched)
    await delivery.attempt(message)
    world.pass_time(HORIZON)
    outcome = await delivery.attempt(message)

    assert isinstance(outcome, Uncertain)
    assert "given_up: search_failed: HTTP 500" in outcome.reason
    assert ("held", 1, "searched") == world.timeline()[-1]
    assert await state(world, message) is State.HELD


async def test_a_doubt_is_searched_for_under_one_claim(world: World) -> None:
    """A mailer whose search took too long sends nothing: another one is at it."""
    searched = Searched("searched")
    searched.says(LOST)
    message = email()
    delivery = world.delivery(searched)
    await delivery.attempt(message)
    world.pass_time(SETTLED)

    async def be_overtaken() -> None:
        world.pass_time(LEASE + 1)
        await world.claim(message)

    world.before["begin"] = be_overtaken

    assert Deferred("Overtaken by another attempt.", LEASE) == await delivery.attempt(message)
    assert world.asked() == ["request searched", "search searched"]


async def test_a_lost_attempt_is_told_once(world: World) -> None:
    """However often it is looked into."""
    searched = Searched("searched")
    searched.findings[0] = Unclear("HTTP 500")
    message = email()
    delivery = world.delivery(searched)
    await world.crash(message, "searched")
    for _ in range(3):
        await delivery.attempt(message)
        world.pass_time(SETTLED)

    assert [("uncertain", 1, "searched")] == world.timeline()


async def test_a_mailer_that_did_not_say_whom_it_asked_leaves_no_name(world: World) -> None:
    """One of version 0.2.0 that died during the attempt; the doubt is the message's own matter."""
    delivery = world.delivery(Postbox("postbox"))
    message = email()
    await world.crash(message, "")
    await delivery.attempt(message)
    expected = [("uncertain", 1, None), ("sending", 2, "postbox"), ("sent", 2, "postbox")]

    assert expected == world.timeline()


# By the message's own wish, and how a doubt ends


@pytest.mark.parametrize(
    "refusal",
    [
        Rejected("HTTP 422"),
        Suppressed("listed"),
        Deferred("HTTP 503", HORIZON + 1),
        Unauthorised("HTTP 401", HORIZON + 1),
    ],
)
async def test_a_refused_message_that_may_have_been_sent_before_is_held(
    world: World, refusal: Outcome
) -> None:
    """Nobody may say that it was not sent: the attempt before may have."""
    postbox = Postbox("postbox")
    postbox.says(LOST, refusal)
    message = email()
    delivery = world.delivery(postbox)
    await delivery.attempt(message)
    world.hurry()
    outcome = await delivery.attempt(message)

    assert isinstance(outcome, Uncertain)
    assert refusal.reason is not None
    assert refusal.reason in outcome.reason
    assert ("held", 2, "postbox") == world.timeline()[-1]
    assert ("held", 1) == (world.row(message)["state"], world.row(message)["doubts"])


async def test_a_doubt_is_not_forgotten_by_what_comes_between(world: World) -> None:
    """Neither by a deferral nor by a mailer that was too fast."""
    postbox = Postbox("postbox")
    postbox.says(LOST, Deferred("HTTP 503"), Deferred("HTTP 429", 1.0, Trouble.PACE), Rejected("HTTP 422"))
    message = email()
    delivery = world.delivery(postbox)
    outcomes = []
    for _ in range(4):
        outcomes.append(type(await delivery.attempt(message)))
        world.hurry()
    expected = [Deferred, Deferred, Deferred, Uncertain]

    assert expected == outcomes


async def test_a_bug_between_does_not_forget_a_doubt(world: World) -> None:
    """The claim is given back as it was."""
    postbox = Postbox("postbox")
    postbox.says(LOST, Rejected("HTTP 422"))
    message = email()
    delivery = world.delivery(postbox)
    await delivery.attempt(message)
    world.hurry()
    postbox.refuses = ZeroDivisionError("bug")
    with pytest.raises(ZeroDivisionError):
        await delivery.attempt(message)
    postbox.refuses = None

    assert isinstance(await delivery.attempt(message), Uncertain)


# Expired


@pytest.mark.parametrize("kind", [Postbox, Keyed])
async def test_an_expired_message_in_doubt_is_held(world: World, kind: type[Postbox]) -> None:
    """It must not be sent, not even to find out."""
    postbox = kind("postbox")
    message = email(expires_at=datetime.now(UTC) + SOON_EXPIRED)
    delivery = world.delivery(postbox)
    await world.crash(message, "postbox")

    outcome = await delivery.attempt(message)

    assert isinstance(outcome, Uncertain)
    assert "expired" in outcome.reason
    assert not world.requests
    assert await state(world, message) is State.HELD


async def test_an_expired_message_that_is_found_was_sent(world: World) -> None:
    """In time, by the attempt in doubt."""
    searched = Searched("searched")
    searched.findings[0] = Found("theirs")
    message = email(expires_at=datetime.now(UTC) + SOON_EXPIRED)
    delivery = world.delivery(searched)
    await world.crash(message, "searched")
    world.pass_time(SETTLED)

    assert Accepted("theirs") == await delivery.attempt(message)
    assert world.asked() == ["search searched"]


async def test_an_expired_message_that_is_not_there_has_expired(world: World) -> None:
    """It is certain that it was not sent."""
    searched = Searched("searched")
    message = email(expires_at=datetime.now(UTC) + SOON_EXPIRED)
    delivery = world.delivery(searched)
    await world.crash(message, "searched")
    world.pass_time(SETTLED)

    assert Rejected("expired") == await delivery.attempt(message)
    assert world.asked() == ["search searched"]
    assert ("expired", 1, "searched") == world.timeline()[-1]
    assert await state(world, message) is State.EXPIRED


async def test_an_expired_message_waits_for_its_search(world: World) -> None:
    """As long as its provider may not know of it yet."""
    searched = Searched("searched")
    message = email(expires_at=datetime.now(UTC) + SOON_EXPIRED)
    delivery = world.delivery(searched)
    await world.crash(message, "searched")

    assert isinstance(await delivery.attempt(message), Deferred)
    assert not world.requests


# Several accounts


@pytest.mark.parametrize("kind", [Keyed, Searched])
async def test_a_doubt_is_resolved_where_it_arose(world: World, kind: type[Postbox]) -> None:
    """Although another account comes first by now; nobody else is asked, and its place is free again."""
    first, second = Postbox("first"), kind("second")
    accounts = [world.account(first), world.account(second)]
    message = email()
    delivery = world.delivery(*accounts)
    await world.crash(message, "second")
    world.pass_time(SETTLED)
    await delivery.attempt(message)
    expected = {Keyed: ["request second"], Searched: ["search second", "request first"]}

    assert expected[kind] == world.asked()
    assert [0, 0] == [account.in_flight for account in accounts]


async def test_a_key_waits_for_its_account(world: World) -> None:
    """While it is paused nobody else is asked, whatever the message wants."""
    keyed, other = Keyed("keyed"), Postbox("other")
    keyed.says(LOST)
    accounts = [world.account(keyed), world.account(other)]
    delivery = world.delivery(*accounts)
    message = email()
    await delivery.attempt(message)
    for _ in range(5):
        accounts[0].circuit.failed()
    world.hurry()

    assert isinstance(await delivery.attempt(message), Deferred)
    assert world.asked() == ["request keyed"]
    assert ("uncertain", 1) == (world.row(message)["state"], world.row(message)["doubts"])


async def test_a_doubt_at_an_account_that_is_gone_is_the_messages_own_matter(world: World) -> None:
    """Nobody can be asked about it."""
    postbox = Postbox("postbox")
    delivery = world.delivery(postbox)
    free, held = email(), email(on_uncertain=HOLD)
    for message in (free, held):
        await world.crash(message, "gone")

    assert Accepted("theirs") == await delivery.attempt(free)
    assert isinstance(await delivery.attempt(held), Uncertain)


async def test_an_older_doubt_elsewhere_outlives_a_search(world: World) -> None:
    """The second account does not have the message, the first one may."""
    plain, searched = Postbox("plain"), Searched("searched")
    plain.says(LOST, Deferred("HTTP 503"))
    searched.says(LOST, Rejected("HTTP 422"))
    message = email()
    delivery = world.delivery(plain, searched)
    await delivery.attempt(message)
    world.hurry()
    await delivery.attempt(message)
    elsewhere = world.row(message)["elsewhere"]
    world.pass_time(SETTLED)
    outcome = await delivery.attempt(message)
    expected = [
        "request plain",
        "request plain",
        "request searched",
        "search searched",
        "request plain",
        "request searched",
    ]

    assert expected == world.asked()
    assert elsewhere == 1
    assert isinstance(outcome, Uncertain)
    assert await state(world, message) is State.HELD


async def test_an_older_doubt_elsewhere_outlives_a_key(world: World) -> None:
    """What the second account refuses, the first one may have sent."""
    plain, keyed = Postbox("plain"), Keyed("keyed")
    plain.says(LOST, Deferred("HTTP 503"))
    keyed.says(LOST, Rejected("HTTP 422"))
    message = email()
    delivery = world.delivery(plain, keyed)
    for _ in range(2):
        await delivery.attempt(message)
        world.hurry()

    assert isinstance(await delivery.attempt(message), Uncertain)
    assert world.asked() == ["request plain", "request plain", "request keyed", "request keyed"]
    assert await state(world, message) is State.HELD


async def test_doubts_elsewhere_count_as_doubts(world: World) -> None:
    """A search clears its own account's alone."""
    plain, searched = Postbox("plain"), Searched("searched")
    plain.says(LOST, LOST, Deferred("HTTP 503"))
    searched.says(LOST)
    message = email()
    delivery = world.delivery(plain, searched, resend_limit=3)
    for _ in range(3):
        await delivery.attempt(message)
        world.hurry()
    before = world.row(message)
    world.pass_time(SETTLED)
    await delivery.attempt(message)
    after = world.row(message)

    assert (3, 2) == (before["doubts"], before["elsewhere"])
    assert (3, 2) == (after["doubts"], after["elsewhere"])


async def test_a_doubt_with_no_turn_to_be_had_is_given_back(world: World) -> None:
    """Its claim keeps nobody away for a lease."""
    keyed, other = Keyed("keyed"), Postbox("other")
    account = world.account(keyed, limit=10.0)
    message = email()
    delivery = world.delivery(other, account)
    await world.crash(message, "keyed")

    async def fail(*_: object, **__: object) -> None:
        raise RatesUnavailableError

    world.rates.lease = fail  # type: ignore[assignment]
    outcome = await delivery.attempt(message)

    assert isinstance(outcome, Deferred)
    assert "RatesUnavailableError" in outcome.reason
    assert world.row(message)["state"] == "uncertain"
    assert not world.requests
