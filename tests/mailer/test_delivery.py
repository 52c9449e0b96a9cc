"""What one attempt does, and in which order, whatever the provider makes of it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from services.mailer.claims.claims import ClaimsUnavailableError, InDoubt, Settled, State
from services.mailer.delivery.ports import NoAnswerError, NotSentError, UnreportedError
from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Redundant,
    Rejected,
    Suppressed,
    Trouble,
    Unauthorised,
    Uncertain,
)
from services.mailer.providers.base import UnsupportedError
from shared.signatures import OnUncertain, SendEmail
from tests.mailer.world import LEASE, PAUSE, Answer, Postbox, World, again, email

LOST = Uncertain("HTTP 502")
IN_DOUBT: dict[str, Answer] = {
    "no answer": NoAnswerError("ServerDisconnectedError"),
    "an answer that says nothing": LOST,
    "a bug": KeyError("surprise"),
}


@pytest.fixture
def postbox() -> Postbox:
    """The only provider."""
    return Postbox("postbox")


def words(world: World) -> list[tuple[str, int]]:
    """What was reported: event and attempt."""
    return [(event.event, event.attempt) for event in world.events]


# Ends


async def test_nothing_leaves_without_a_claim_and_nothing_is_told_before_it_is_kept(
    world: World, postbox: Postbox
) -> None:
    """Claim, begin, ask, write down, report: in this order."""
    expected = ["claim", "mention sending", "request postbox", "settle", "report sent"]

    await world.delivery(postbox).attempt(email())

    assert expected == world.diary


@pytest.mark.parametrize(
    ("outcome", "state", "event"),
    [
        (Accepted("theirs"), State.SENT, "sent"),
        (Accepted(None), State.SENT, "sent"),
        (Accepted("theirs", "not sent to 1 of 2 recipients"), State.SENT, "sent"),
        (Rejected("HTTP 400"), State.FAILED, "failed"),
        (Suppressed("on the list"), State.SUPPRESSED, "suppressed"),
    ],
)
async def test_an_end_is_kept_reported_and_returned(
    world: World, postbox: Postbox, outcome: Outcome, state: State, event: str
) -> None:
    """Once, with the account's name and the provider's id or its reason."""
    theirs = outcome.provider_message_id if isinstance(outcome, Accepted) else None
    postbox.says(outcome)
    message = email()

    returned = await world.delivery(postbox).attempt(message)
    (reported,) = world.events

    assert outcome == returned
    assert Settled(state, 1, "postbox", theirs, outcome.reason) == await world.claim(message)
    assert (event, 1, "postbox", theirs, outcome.reason, None) == (
        reported.event,
        reported.attempt,
        reported.provider,
        reported.provider_message_id,
        reported.reason,
        reported.retry_at,
    )


async def test_what_no_provider_can_carry_has_failed(world: World, postbox: Postbox) -> None:
    """Nothing is sent, and nothing is dropped silently."""
    postbox.refuses = UnsupportedError("inline images")
    message = email()

    outcome = await world.delivery(postbox).attempt(message)

    assert isinstance(outcome, Rejected)
    assert "inline images" in outcome.reason
    assert not world.requests
    assert Settled(State.FAILED, 1, "postbox", None, outcome.reason) == await world.claim(message)


async def test_what_a_provider_says_is_fit_for_a_database(world: World, postbox: Postbox) -> None:
    """Its id may hold anything, and is kept without what a database refuses."""
    postbox.says(Accepted("the\0irs"))
    message = email()
    await world.delivery(postbox).attempt(message)

    assert Settled(State.SENT, 1, "postbox", "the irs", None) == await world.claim(message)
    assert world.events[0].provider_message_id == "the irs"


# Another attempt follows


@pytest.mark.parametrize("hint", [3.0, 120.0, 900.0])
async def test_the_providers_hint_is_followed(world: World, postbox: Postbox, hint: float) -> None:
    """Exactly, also beyond our own cap: it knows best when it wants to hear of us."""
    postbox.says(Deferred("HTTP 503", hint))
    message = email()
    outcome = await world.delivery(postbox).attempt(message)
    (reported,) = world.events

    assert Deferred("HTTP 503", hint) == outcome
    assert ("deferred", 1, "HTTP 503") == (reported.event, reported.attempt, reported.reason)
    assert reported.at + timedelta(seconds=hint) == reported.retry_at
    assert hint - 2 < getattr(await world.claim(message), "wait", 0) <= hint


@pytest.mark.parametrize("trouble", Trouble)
async def test_a_hint_of_nothing_is_a_second(world: World, postbox: Postbox, trouble: Trouble) -> None:
    """At once would be impolite."""
    postbox.says(Deferred("HTTP 429", 0.0, trouble))

    assert Deferred("HTTP 429", 1.0) == await world.delivery(postbox).attempt(email())


async def test_without_a_hint_the_backoff_decides(world: World, postbox: Postbox) -> None:
    """Longer with each attempt, up to the cap."""
    postbox.says(Deferred("HTTP 503"))

    outcome = await world.delivery(postbox).attempt(email())

    assert isinstance(outcome, Deferred)
    assert 1.0 <= (outcome.retry_after or 0.0) <= 5.0


@pytest.mark.parametrize(("hint", "wait"), [(None, PAUSE), (600.0, 600.0), (0.0, 1.0)])
async def test_a_broken_account_pauses_its_messages(
    world: World, postbox: Postbox, hint: float | None, wait: float
) -> None:
    """Somebody has to repair the key, or its quota comes back; the message is not to blame."""
    postbox.says(Unauthorised("HTTP 401", hint))
    expected = [("deferred", 1)]

    assert Deferred("HTTP 401", wait) == await world.delivery(postbox).attempt(email())
    assert expected == words(world)


async def test_what_certainly_did_not_leave_is_deferred(world: World, postbox: Postbox) -> None:
    """A refused connection cannot have sent anything, whatever the message says about doubts."""
    postbox.says(NotSentError("ClientConnectorError"))
    message = email(on_uncertain=OnUncertain.HOLD)
    expected = [("deferred", 1)]

    outcome = await world.delivery(postbox).attempt(message)

    assert isinstance(outcome, Deferred)
    assert "ClientConnectorError" in outcome.reason
    assert expected == words(world)


# Nobody knows


@pytest.mark.parametrize("cause", IN_DOUBT)
async def test_a_doubtful_message_is_sent_again(world: World, postbox: Postbox, cause: str) -> None:
    """At least once: that is the default."""
    postbox.says(IN_DOUBT[cause], Accepted("theirs"))
    message = email()
    delivery = world.delivery(postbox)

    outcome = await delivery.attempt(message)
    (reported,) = world.events
    world.hurry()
    await delivery.attempt(message)
    expected = [("uncertain", 1), ("sent", 2)]

    assert isinstance(outcome, Deferred)
    assert 1.0 <= (outcome.retry_after or 0.0) <= 5.0
    assert reported.retry_at is not None
    assert expected == words(world)


@pytest.mark.parametrize("cause", IN_DOUBT)
async def test_a_doubtful_message_may_be_held(world: World, postbox: Postbox, cause: str) -> None:
    """At most once: a human decides, and until then nobody sends it again."""
    postbox.says(IN_DOUBT[cause])
    message = email(on_uncertain=OnUncertain.HOLD)
    delivery = world.delivery(postbox)

    outcome = await delivery.attempt(message)
    await delivery.attempt(message)
    claim = await world.claim(message)
    expected = [("sending", 1), ("uncertain", 1), ("held", 1), ("held", 1)]

    assert isinstance(outcome, Uncertain)
    assert isinstance(claim, Settled)
    assert State.HELD == claim.state
    assert expected == [(event.event, event.attempt) for event in world.told]
    assert {None} == {event.retry_at for event in world.told}
    assert world.asked() == ["request postbox"]


async def test_a_crashed_attempt_is_told_and_the_message_sent_again(world: World, postbox: Postbox) -> None:
    """The first attempt is uncertain for ever; the second one counts as the second."""
    message = email()
    delivery = world.delivery(postbox)
    await world.crash(message, "postbox")

    assert Accepted("theirs") == await delivery.attempt(message)
    assert [("uncertain", 1), ("sending", 2)] == [(event.event, event.attempt) for event in world.mentioned]
    assert [("sent", 2)] == words(world)
    assert Settled(State.SENT, 2, "postbox", "theirs", None) == await world.claim(message)


async def test_a_crashed_attempt_of_a_message_to_be_held_is_the_last(world: World, postbox: Postbox) -> None:
    """It may have sent, so nobody sends again."""
    message = email(on_uncertain=OnUncertain.HOLD)
    delivery = world.delivery(postbox)
    await world.crash(message, "postbox")

    outcome = await delivery.attempt(message)
    claim = await world.claim(message)

    assert isinstance(outcome, Uncertain)
    assert isinstance(claim, Settled)
    assert State.HELD == claim.state
    assert not world.requests
    assert [("uncertain", 1, "postbox"), ("held", 1, "postbox")] == world.timeline()


async def test_a_bug_before_anything_left_is_no_crashed_attempt(world: World, postbox: Postbox) -> None:
    """The next attempt need not wait for the lease, and nothing is in doubt."""
    postbox.refuses = ZeroDivisionError("bug")
    message = email(on_uncertain=OnUncertain.HOLD)
    delivery = world.delivery(postbox)
    with pytest.raises(ZeroDivisionError):
        await delivery.attempt(message)
    told = world.told[-1]

    postbox.refuses = None
    expected = [("sent", 2)]

    assert ("deferred", "internal_error: ZeroDivisionError") == (told.event, told.reason)
    assert told.at + timedelta(seconds=600) == told.retry_at
    assert Accepted("theirs") == await delivery.attempt(message)
    assert expected == words(world)


# Giving up


async def test_an_expired_message_is_not_sent(world: World, postbox: Postbox) -> None:
    """Nobody wants the code of yesterday; the claim keeps who would have been asked."""
    message = email(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    expected = [("expired", 1)]

    assert Rejected("expired") == await world.delivery(postbox).attempt(message)
    assert expected == words(world)
    assert not world.requests
    assert Settled(State.EXPIRED, 1, "postbox", None, "expired") == await world.claim(message)


async def test_a_message_that_expires_while_it_is_claimed_is_not_sent(world: World, postbox: Postbox) -> None:
    """It may have waited for its claim, or for its turn before that."""
    message = email(expires_at=datetime.now(UTC) + timedelta(seconds=0.3))
    world.before["claim"] = lambda: asyncio.sleep(0.4)

    assert Rejected("expired") == await world.delivery(postbox).attempt(message)
    assert not world.requests


async def test_a_message_that_expires_later_is_sent(world: World, postbox: Postbox) -> None:
    """Until then it is a message like any other."""
    message = email(expires_at=datetime.now(UTC) + timedelta(minutes=1))

    assert Accepted("theirs") == await world.delivery(postbox).attempt(message)


@pytest.mark.parametrize("outcome", [Deferred("HTTP 503"), Unauthorised("HTTP 401")])
async def test_a_message_is_given_up_after_the_horizon(
    world: World, postbox: Postbox, outcome: Outcome
) -> None:
    """When its next attempt would come too late; the last reason is told."""
    postbox.says(outcome)
    message = email()

    returned = await world.delivery(postbox, horizon=0.5).attempt(message)
    expected = [("failed", 1)]

    assert isinstance(returned, Rejected)
    assert "given_up: after 1 attempts: HTTP" in returned.reason
    assert expected == words(world)
    assert Settled(State.FAILED, 1, "postbox", None, returned.reason) == await world.claim(message)


async def test_a_message_in_doubt_is_held_after_the_horizon(world: World, postbox: Postbox) -> None:
    """It may have been sent, and nothing may say that it was not."""
    postbox.says(LOST)
    message = email()

    returned = await world.delivery(postbox, horizon=0.5).attempt(message)
    expected = [("sending", 1, "postbox"), ("uncertain", 1, "postbox"), ("held", 1, "postbox")]

    assert isinstance(returned, Uncertain)
    assert "given_up" in returned.reason
    assert expected == world.timeline()
    assert Settled(State.HELD, 1, "postbox", None, returned.reason) == await world.claim(message)


async def test_the_horizon_counts_from_the_first_attempt(world: World, postbox: Postbox) -> None:
    """Not from the newest one."""
    postbox.says(Deferred("HTTP 503", 10.0))
    message = email()
    delivery = world.delivery(postbox, horizon=100.0)
    outcomes = []
    for _ in range(3):
        outcomes.append(type(await delivery.attempt(message)))
        world.pass_time(45.0)
    expected = [("deferred", 1), ("deferred", 2), ("failed", 3)]

    assert [Deferred, Deferred, Rejected] == outcomes
    assert expected == words(world)


# Others


async def test_a_busy_message_comes_back_later(world: World, postbox: Postbox) -> None:
    """Another attempt is under way: not a word is said, nothing is sent."""
    message = email()
    delivery = world.delivery(postbox)
    asked, answer = asyncio.Event(), asyncio.Event()

    async def think() -> None:
        asked.set()
        await answer.wait()

    world.during = think
    first = asyncio.create_task(delivery.attempt(message))
    await asked.wait()
    second = await delivery.attempt(message)
    answer.set()

    assert isinstance(second, Deferred)
    assert LEASE - 5 < (second.retry_after or 0) <= LEASE
    assert Accepted("theirs") == await first
    assert len(world.events) == 1
    assert world.asked() == ["request postbox"]


@pytest.mark.parametrize(("copies_breed", "expected"), [(True, Redundant), (False, Deferred)])
async def test_a_copy_of_a_resting_message_is_let_go_only_where_copies_breed(
    world: World, postbox: Postbox, *, copies_breed: bool, expected: type
) -> None:
    """On Redis each would breed others; elsewhere it may be the only one, left by a mailer that died."""
    postbox.says(Deferred("HTTP 503", 30.0))
    message = email()
    delivery = world.delivery(postbox, copies_breed=copies_breed)
    await delivery.attempt(message)
    early = await delivery.attempt(message)

    assert expected is type(early)
    assert len(world.events) == 1
    assert world.asked() == ["request postbox"]


async def test_a_copy_of_a_message_under_way_is_kept_even_where_copies_breed(
    world: World, postbox: Postbox
) -> None:
    """If that attempt's mailer dies this may be the only one left."""
    message = email()
    delivery = world.delivery(postbox, copies_breed=True)
    await world.claim(message, "postbox")

    assert isinstance(await delivery.attempt(message), Deferred)


@pytest.mark.parametrize("copies_breed", [True, False])
async def test_a_retry_that_comes_a_little_early_waits(
    world: World, postbox: Postbox, *, copies_breed: bool
) -> None:
    """Clocks differ and delays are whole seconds; letting it go would lose the message."""
    postbox.says(Deferred("HTTP 503", 3.0))
    message = email()
    delivery = world.delivery(postbox, copies_breed=copies_breed)
    await delivery.attempt(message)
    early = await delivery.attempt(message)

    assert isinstance(early, Deferred)
    assert 1 <= (early.retry_after or 0) <= 3
    assert world.asked() == ["request postbox"]


async def test_a_message_in_doubt_too_often_is_held(world: World, postbox: Postbox) -> None:
    """Even one that asked to be sent again: somewhere a recipient may have all the copies."""
    postbox.says(NoAnswerError("one"), NotSentError("two"), NoAnswerError("three"))
    message = email()
    delivery = world.delivery(postbox, resend_limit=2)
    outcomes = []
    for _ in range(3):
        outcomes.append(type(await delivery.attempt(message)))
        world.hurry()
    expected = [Deferred, Deferred, Uncertain]

    assert expected == outcomes
    assert getattr(await world.claim(message), "state", None) is State.HELD


async def test_a_message_that_crashed_too_often_is_held(world: World, postbox: Postbox) -> None:
    """It may be what kills the mailers, or they die after sending it."""
    message = email()
    delivery = world.delivery(postbox, resend_limit=2)
    for _ in range(2):
        await world.crash(message, "postbox")

    assert isinstance(await delivery.attempt(message), Uncertain)
    assert not world.requests


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (Accepted("theirs"), "sent"),
        (Accepted("theirs", "not sent to 1 of 2 recipients"), "sent"),
        (Rejected("HTTP 400"), "failed"),
        (Suppressed("listed"), "suppressed"),
    ],
)
async def test_a_settled_message_is_told_again(
    world: World, postbox: Postbox, outcome: Outcome, event: str
) -> None:
    """Its report may have been lost; it is the same report, and nothing is sent."""
    postbox.says(outcome)
    message = email(series=3)
    delivery = world.delivery(postbox)
    await delivery.attempt(message)
    repeated = await delivery.attempt(message)
    first, second = world.events
    expected = Accepted("theirs") if isinstance(outcome, Accepted) else Rejected(outcome.reason or "")

    assert expected == repeated
    assert (event, first.model_copy(update={"at": second.at})) == (second.event, second)
    assert world.asked() == ["request postbox"]


async def test_an_expired_message_is_told_again(world: World, postbox: Postbox) -> None:
    """As expired, not as anything else."""
    message = email(expires_at=datetime.now(UTC))
    delivery = world.delivery(postbox)
    for _ in range(2):
        assert Rejected("expired") == await delivery.attempt(message)
    expected = [("expired", 1), ("expired", 1)]

    assert expected == words(world)


async def test_an_overtaken_attempt_says_nothing(world: World, postbox: Postbox) -> None:
    """It was frozen for longer than its lease; the newer attempt's word counts."""
    message = email()
    delivery = world.delivery(postbox)

    async def be_overtaken() -> None:
        world.pass_time(LEASE + 1)
        assert isinstance(await world.claim(message), InDoubt)

    world.during = be_overtaken
    outcome = await delivery.attempt(message)

    assert Deferred("Overtaken by another attempt.", LEASE) == outcome
    assert not world.events


async def test_an_overtaken_attempt_does_not_report_expiry(world: World, postbox: Postbox) -> None:
    """The newer attempt will."""
    message = email(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    delivery = world.delivery(postbox)
    world.before["settle"] = lambda: _overtake(world, message)
    await delivery.attempt(message)

    assert not world.events


async def test_a_mailer_that_was_frozen_before_it_began_sends_nothing(world: World, postbox: Postbox) -> None:
    """Somebody else may hold the claim by now; so it waits for its next turn."""
    delivery = world.delivery(postbox, lease=1.0)
    postbox.building = lambda: time.sleep(0.6)
    expected = Deferred("The mailer was too slow to begin.", 1.0)

    assert expected == await delivery.attempt(email())
    assert not world.requests


async def test_a_mailer_that_was_frozen_while_it_claimed_sends_nothing(
    world: World, postbox: Postbox
) -> None:
    """The lease counts from when the claim was asked for, not from when its answer was read."""
    delivery = world.delivery(postbox, lease=1.0)
    world.before["claim"] = lambda: asyncio.sleep(0.6)

    assert isinstance(await delivery.attempt(email()), Deferred)
    assert not world.requests


# Outages of our own


async def test_without_claims_nothing_is_sent(world: World, postbox: Postbox) -> None:
    """Not even begun."""
    world.outages["claim"] = 1

    with pytest.raises(ClaimsUnavailableError):
        await world.delivery(postbox).attempt(email())

    assert world.diary == ["claim"]


async def test_an_outcome_that_cannot_be_kept_is_not_told(world: World, postbox: Postbox) -> None:
    """It is tried for as long as the lease lasts; after that the attempt counts as crashed."""
    delivery = world.delivery(postbox, lease=2.0)
    world.outages["settle"] = 100

    with pytest.raises(ClaimsUnavailableError):
        await delivery.attempt(email())

    assert not world.events
    assert 2 <= world.diary.count("settle") <= 4  # once a second


async def test_an_outcome_is_kept_once_the_claims_are_back(world: World, postbox: Postbox) -> None:
    """A database that is away for a moment does not make an accepted message doubtful."""
    delivery = world.delivery(postbox)
    world.outages["settle"] = 1
    expected = [("sent", 1)]

    assert Accepted("theirs") == await delivery.attempt(email())
    assert expected == words(world)


async def test_an_end_that_cannot_be_told_is_told_when_asked_again(world: World, postbox: Postbox) -> None:
    """It is kept, so the slot is free, the message is not sent again, and the sweeper gets its answer."""
    message = email()
    delivery = world.delivery(postbox)
    world.unreported = True
    first = await delivery.attempt(message)
    world.unreported = False

    assert Accepted("theirs") == first
    expected = [("sent", 1)]

    assert Accepted("theirs") == await delivery.attempt(message)
    assert expected == words(world)
    assert world.asked() == ["request postbox"]


async def test_a_deferral_that_cannot_be_told_comes_again(world: World, postbox: Postbox) -> None:
    """The message is not at its end, so nothing may be acknowledged."""
    postbox.says(Deferred("HTTP 503", 1.0))
    world.unreported = True

    with pytest.raises(UnreportedError):
        await world.delivery(postbox).attempt(email())


# A new series


async def test_a_failed_message_is_taken_up_again_in_a_new_series(world: World, postbox: Postbox) -> None:
    """The attempts count on, and their events say which series they are of."""
    postbox.says(Rejected("HTTP 400"), Accepted("theirs"))
    message = email()
    delivery = world.delivery(postbox)
    await delivery.attempt(message)
    await delivery.attempt(again(message, 1))
    expected = [("failed", 1, 0), ("sent", 2, 1)]

    assert expected == [(event.event, event.attempt, event.series) for event in world.events]
    assert Settled(State.SENT, 2, "postbox", "theirs", None, 1) == await world.claim(message)


async def test_a_new_series_has_its_own_horizon(world: World, postbox: Postbox) -> None:
    """Whoever replays a message after a week does not want it given up at once."""
    postbox.says(Deferred("HTTP 503", 10.0))
    message = email()
    delivery = world.delivery(postbox, horizon=5.0)
    await delivery.attempt(message)
    world.pass_time(1000.0)
    outcome = await world.delivery(postbox, horizon=20.0).attempt(again(message, 1))

    assert Deferred("HTTP 503", 10.0) == outcome


async def test_a_held_message_is_sent_when_a_human_says_so(world: World, postbox: Postbox) -> None:
    """Once; a copy of the series before brings nothing, and is answered with what came of it."""
    postbox.says(LOST, Accepted("theirs"))
    message = email(on_uncertain=OnUncertain.HOLD)
    delivery = world.delivery(postbox)
    await delivery.attempt(message)

    assert Accepted("theirs") == await delivery.attempt(again(message, 1))
    assert Accepted("theirs") == await delivery.attempt(message)
    assert Accepted("theirs") == await delivery.attempt(again(message, 2))
    assert world.asked() == ["request postbox"] * 2


async def _overtake(world: World, message: SendEmail) -> None:
    world.pass_time(LEASE + 1)
    await world.claim(message)
