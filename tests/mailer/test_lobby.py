"""How bulk messages share a request, and what each of them makes of its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.mailer.accounts.account import Account
from services.mailer.accounts.lobby import Group
from services.mailer.accounts.pace import Pace, PausedError
from services.mailer.accounts.routes import ClosingError
from services.mailer.delivery.delivery import Delivery
from services.mailer.delivery.ports import NoAnswerError, NotSentError
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
from services.mailer.providers.base import Submission, UnsupportedError
from services.mailer.rates.rates import RatesUnavailableError
from shared.signatures import Attachment, Lane, OnUncertain, SendEmail
from tests.mailer.world import LEASE, Batched, Postbox, World, email

ALONE = Deferred("the batch was refused: HTTP 422", 0.0, Trouble.MESSAGE)


@pytest.fixture
def batched() -> Batched:
    """A provider that takes five messages in one request."""
    return Batched("batched")


def bulk(count: int = 1, **fields: object) -> list[SendEmail]:
    """So many messages of a newsletter."""
    return [email(lane=Lane.BULK, **fields) for _ in range(count)]


async def attempt(delivery: Delivery, messages: Sequence[SendEmail]) -> list[Outcome | Redundant]:
    """Attempt all of them at the same moment, each in a slot of its own."""
    return await asyncio.wait_for(asyncio.gather(*(delivery.attempt(each) for each in messages)), 30)


async def members(account: Account, messages: Sequence[SendEmail]) -> list[Group]:
    """Give the group that each of the messages is in."""
    assert account.lobby is not None
    return await asyncio.wait_for(asyncio.gather(*map(account.lobby.join, messages)), 30)


def sizes(groups: Sequence[Group]) -> list[int]:
    """How many of them share a group, in the order of the messages."""
    return [groups.count(group) for group in dict.fromkeys(groups)]


# Who shares a request


async def test_what_waits_at_the_same_moment_shares_a_request(world: World, batched: Batched) -> None:
    """Each has its own claim, outcome and event."""
    batched.says([Accepted(f"theirs {number}") for number in range(4)])
    messages = bulk(4)
    outcomes = await attempt(world.delivery(batched), messages)
    expected = [Accepted(f"theirs {number}") for number in range(4)]

    assert expected == outcomes
    assert batched.sizes == [4]
    assert len(world.requests) == 1
    assert {each.message_id for each in messages} == {event.message_id for event in world.events}
    assert {("sent", 1, "batched")} == {(each.event, each.attempt, each.provider) for each in world.events}


async def test_a_message_that_is_alone_goes_alone(world: World, batched: Batched) -> None:
    """As an ordinary request, and at once: nobody waits on purpose."""
    began = time.monotonic()
    await attempt(world.delivery(batched), bulk())

    assert time.monotonic() - began < 5.0
    assert not batched.sizes
    assert world.requests[0].url == "https://batched.example/send"


async def test_transactional_messages_never_share_a_request(world: World, batched: Batched) -> None:
    """Somebody waits for each of them."""
    await attempt(world.delivery(batched), [email() for _ in range(5)] + bulk(2))

    assert batched.sizes == [2]
    assert len(world.requests) == 6


async def test_what_waits_while_requests_are_on_their_way_shares_the_next(
    world: World, batched: Batched
) -> None:
    """So the groups are as large as the provider is slow."""
    account = world.account(batched, requests=1)
    delivery = world.delivery(account)
    answer, asked = asyncio.Event(), asyncio.Event()

    async def think() -> None:
        asked.set()
        await answer.wait()

    world.during = think
    first = asyncio.create_task(delivery.attempt(bulk()[0]))
    await asked.wait()
    others = []
    for message in bulk(4):
        others.append(asyncio.create_task(delivery.attempt(message)))
        await asyncio.sleep(0)
    answer.set()
    await asyncio.wait_for(asyncio.gather(first, *others), 30)

    assert batched.sizes == [4]


async def test_several_requests_are_on_their_way_at_once(world: World, batched: Batched) -> None:
    """As many as the settings say, and no more."""
    account = world.account(batched, requests=2)
    delivery = world.delivery(account)
    answer = asyncio.Event()
    world.during = answer.wait
    tasks = [asyncio.create_task(delivery.attempt(message)) for message in bulk(15)]
    async with asyncio.timeout(10):
        while len(world.requests) < 2:  # noqa: ASYNC110 - a world has no bell
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    during = len(world.requests)
    answer.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 30)

    assert during == 2
    assert batched.sizes == [5, 5, 5]


async def test_a_group_is_as_large_as_the_provider_takes(world: World, batched: Batched) -> None:
    """Who is too many comes first in the next."""
    groups = await members(world.account(batched), bulk(12))

    assert [5, 5, 2] == sizes(groups)
    assert groups == sorted(groups, key=list(dict.fromkeys(groups)).index)


async def test_a_group_holds_no_more_bytes_than_a_request_may(world: World, batched: Batched) -> None:
    """Twenty million; a larger message goes with nobody."""
    texts = [9_000_000, 9_000_000, 9_000_000, 25_000_000, 100, 100]
    messages = [email(lane=Lane.BULK, text="x" * size) for size in texts]
    groups = await members(world.account(batched), messages)

    assert [2, 1, 1, 2] == sizes(groups)


async def test_a_message_that_is_no_http_request_goes_alone(world: World, batched: Batched) -> None:
    """Nothing is known of how large it becomes."""
    submission = Submission(
        host="h", port=25, security="none", sender="a@b.c", recipients=("d@e.f",), body=b"x"
    )
    account = world.account(batched)
    batched.build = lambda _: submission  # type: ignore[method-assign,assignment,return-value]

    assert [1, 1] == sizes(await members(account, bulk(2)))


async def test_only_messages_that_agree_share_a_request(world: World, batched: Batched) -> None:
    """On what the provider wants once for all of them; the others do not wait for them."""
    messages = [*bulk(2, tenant="a"), *bulk(2, tenant="b"), *bulk(1, tenant="a"), *bulk(1, tenant="b")]
    groups = await members(world.account(batched), messages)

    assert [3, 3] == sizes(groups)
    assert groups[0] is groups[1] is groups[4]


async def test_what_has_to_go_alone_goes_alone(world: World, batched: Batched) -> None:
    """With an attachment, say."""
    file = Attachment(filename="a.txt", content="eA==")
    messages = [*bulk(2, attachments=(file,)), *bulk(2)]
    groups = await members(world.account(batched), messages)

    assert [1, 1, 2] == sizes(groups)


async def test_those_who_wait_longest_go_first(world: World, batched: Batched) -> None:
    """What is left over of a large newsletter comes after the others who were there."""
    account = world.account(batched, requests=1)
    messages = [*bulk(7, tenant="a"), *bulk(2, tenant="b")]
    joining = [asyncio.create_task(account.lobby.join(each)) for each in messages]  # type: ignore[union-attr]
    order = []
    for _ in range(3):
        await asyncio.sleep(0.05)
        done = [number for number, task in enumerate(joining) if task.done() and number not in order]
        order.extend(done)
        for number in done:
            joining[number].result().drop(messages[number].message_id)

    assert [0, 1, 2, 3, 4, 7, 8, 5, 6] == order


async def test_two_copies_of_a_message_are_in_different_groups(world: World, batched: Batched) -> None:
    """Their claims tell them apart; the copy drops out."""
    (message,) = bulk()
    account = world.account(batched)
    delivery = world.delivery(account)
    groups = await members(account, [message, message, *bulk(2)])
    for group in groups:
        group.drop(message.message_id)
    outcomes = await attempt(delivery, [message, message])

    assert groups[0] is not groups[1]
    assert {Accepted, Deferred} == set(map(type, outcomes))
    assert len(world.events) == 1


async def test_a_group_takes_one_turn(world: World, batched: Batched) -> None:
    """However large it is: providers count requests."""
    account = world.account(batched, limit=1000.0)
    turns = []
    turn = account.pace.turn

    async def note(lane: Lane) -> None:
        turns.append(lane)
        await turn(lane)

    account.pace.turn = note  # type: ignore[method-assign]
    await attempt(world.delivery(account), bulk(5))

    assert [Lane.BULK] == turns


# Who drops out


@pytest.mark.parametrize("why", ["busy", "settled", "expired", "in doubt", "unsupported", "too late"])
async def test_who_cannot_come_keeps_nobody(world: World, batched: Batched, why: str) -> None:
    """The others leave without it."""
    account = world.account(batched)
    delivery = world.delivery(account)
    (odd,) = bulk(on_uncertain=OnUncertain.HOLD)
    if why == "expired":
        odd = odd.model_copy(update={"expires_at": datetime.now(UTC) + timedelta(seconds=0.3)})
        world.before["claim"] = lambda: asyncio.sleep(0.4)
    elif why == "unsupported":
        batched.refuses_only(odd.message_id, UnsupportedError("inline images"))
    elif why == "settled":
        await delivery.attempt(odd)
    elif why == "in doubt":
        await world.crash(odd, "batched")
    elif why == "busy":
        await world.claim(odd)
    else:
        odd = odd.model_copy(update={"expires_at": datetime.now(UTC) - timedelta(seconds=1)})
    world.requests.clear()
    others = bulk(3)
    outcomes = await attempt(delivery, [*others[:1], odd, *others[1:]])

    assert [Accepted] * 3 == [type(each) for each in (outcomes[0], *outcomes[2:])]
    assert batched.sizes == [3]
    assert len(world.requests) == 1
    assert account.in_flight == 0


async def test_a_message_in_doubt_goes_its_own_way(world: World, batched: Batched) -> None:
    """By itself, and in its own turn."""
    account = world.account(batched, limit=1000.0)
    delivery = world.delivery(account)
    odd, *others = bulk(4)
    await world.crash(odd, "batched")
    turns = []
    turn = account.pace.turn

    async def note(lane: Lane) -> None:
        turns.append(lane)
        await turn(lane)

    account.pace.turn = note  # type: ignore[method-assign]
    outcomes = await attempt(delivery, [odd, *others])

    assert [Accepted("theirs")] * 4 == outcomes
    assert batched.sizes == [3]
    assert {"https://batched.example/send", "https://batched.example/batch"} == {
        request.url for request in world.requests
    }
    assert [Lane.BULK] * 2 == turns


@pytest.mark.parametrize("error", [PausedError(20.0), RatesUnavailableError(), ClosingError()])
async def test_a_message_in_doubt_without_a_turn_is_given_back(
    world: World, batched: Batched, error: Exception
) -> None:
    """As it was: still in doubt, and free for whoever comes next."""
    account = world.account(batched)
    delivery = world.delivery(account)
    (message,) = bulk()
    await world.crash(message, "batched")

    async def fail(_: Lane) -> None:
        account.pace.turn = refuse  # type: ignore[assignment,method-assign]

    async def refuse(_: Lane) -> None:
        raise error

    account.pace.turn = fail  # type: ignore[assignment,method-assign]
    outcome = await delivery.attempt(message)

    assert isinstance(outcome, Deferred)
    assert (20.0 if isinstance(error, PausedError) else 1.0) == outcome.retry_after
    assert ("uncertain", 1) == (world.row(message)["state"], world.row(message)["doubts"])
    assert not world.requests


async def test_a_group_that_nobody_comes_to_leaves_nothing_behind(world: World, batched: Batched) -> None:
    """Its request and its turn go to the next one."""
    account = world.account(batched, requests=1, limit=1000.0)
    delivery = world.delivery(account)
    messages = bulk(3)
    await attempt(delivery, messages)
    for _ in range(3):
        await attempt(delivery, messages)

    assert len(world.requests) == 1
    assert account.lobby is not None
    assert (1, 1) == (account.lobby._free._value, account.pace._returned)


@pytest.mark.parametrize("when", ["waiting", "chosen", "joined"])
async def test_a_member_whose_task_ends_keeps_nobody(world: World, batched: Batched, when: str) -> None:
    """Wherever it is by then."""
    account = world.account(batched, requests=1)
    assert account.lobby is not None
    dead, *others = bulk(4)
    joining = [asyncio.create_task(account.lobby.join(each)) for each in (dead, *others)]
    await asyncio.sleep(0)
    if when == "waiting":
        joining[0].cancel()
        groups = [await task for task in joining[1:]]
    elif when == "chosen":
        await asyncio.sleep(0)
        assert not account.lobby._waiting
        assert not joining[0].done()
        joining[0].cancel()
        groups = [await task for task in joining[1:]]
    else:
        groups = [await task for task in joining][1:]
        dying = asyncio.create_task(groups[0].exchange(dead, 0.0, _accept))
        await asyncio.sleep(0)
        dying.cancel()
    exchanges = [group.exchange(each, 0.0, _accept) for group, each in zip(groups, others, strict=True)]

    assert [Accepted("theirs")] * 3 == await asyncio.wait_for(asyncio.gather(*exchanges), 5)
    assert account.lobby._free._value == 1


async def _accept(messages: Sequence[SendEmail], _: float) -> Sequence[Outcome]:
    return [Accepted("theirs")] * len(messages)


async def test_a_member_whose_task_ends_during_the_request_changes_nothing(
    world: World, batched: Batched
) -> None:
    """The others have their outcomes, and its attempt looks like a crash."""
    account = world.account(batched)
    delivery = world.delivery(account)
    messages = bulk(3)
    answer, asked = asyncio.Event(), asyncio.Event()

    async def think() -> None:
        asked.set()
        await answer.wait()

    world.during = think
    tasks = [asyncio.create_task(delivery.attempt(message)) for message in messages]
    await asked.wait()
    tasks[0].cancel()
    answer.set()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)

    assert isinstance(results[0], asyncio.CancelledError)
    assert [Accepted("theirs")] * 2 == results[1:]
    assert world.row(messages[0])["state"] == "begun"


# What becomes of a batch


async def test_each_member_has_its_own_outcome(world: World, batched: Batched) -> None:
    """One that is refused does not hurt the others."""
    outcomes: list[Outcome] = [
        Accepted("theirs"),
        Rejected("HTTP 422"),
        Suppressed("listed"),
        Deferred("HTTP 503", 30.0, Trouble.MESSAGE),
    ]
    batched.says(outcomes)
    messages = bulk(4)
    told = await attempt(world.delivery(batched), messages)
    states = [world.row(message)["state"] for message in messages]

    assert [*outcomes[:3], Deferred("HTTP 503", 30.0)] == told
    assert ["sent", "failed", "suppressed", "deferred"] == states


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (NoAnswerError("ServerDisconnectedError"), "uncertain"),
        (Uncertain("HTTP 502"), "uncertain"),
        (KeyError("a bug"), "uncertain"),
        (NotSentError("ClientConnectorError"), "deferred"),
        (Deferred("HTTP 503"), "deferred"),
    ],
)
async def test_what_becomes_of_the_whole_becomes_of_each(
    world: World, batched: Batched, answer: Outcome | Exception, state: str
) -> None:
    """Certainly not sent, or in doubt; and it is one failure of the account."""
    account = world.account(batched)
    batched.says(answer)
    messages = bulk(5)
    outcomes = await attempt(world.delivery(account), messages)

    assert {Deferred} == set(map(type, outcomes))
    assert {state} == {world.row(message)["state"] for message in messages}
    assert len(world.requests) == 1
    assert account.circuit._failures == 1
    assert account.is_well


async def test_a_refused_account_is_refused_once(world: World, batched: Batched) -> None:
    """By one request, not by its members."""
    account = world.account(batched)
    batched.says(Unauthorised("HTTP 401"))
    await attempt(world.delivery(account), bulk(5))

    assert account.is_well


async def test_a_batch_is_taken_for_one_turn_well_used(world: World, batched: Batched) -> None:
    """A limit is learned in requests, and not in messages."""
    account = world.account(batched)
    account.pace = Pace(world.rates, "batched", None, clock=world.clock)
    batched.says([Accepted(f"theirs {number}") for number in range(5)])
    for _ in range(3):
        await attempt(world.delivery(account), bulk(5))
    await account.note(Deferred("HTTP 429", 1.0, Trouble.PACE))

    assert account.pace.limit == 3.0


async def test_members_of_a_lost_batch_are_sent_alone(world: World, batched: Batched) -> None:
    """Each is in doubt by itself from then on."""
    batched.says(NoAnswerError("ServerDisconnectedError"), Accepted("theirs"))
    messages = bulk(3)
    delivery = world.delivery(batched)
    await attempt(delivery, messages)
    world.hurry()

    assert [Accepted("theirs")] * 3 == await attempt(delivery, messages)
    assert batched.sizes == [3]


@pytest.mark.parametrize("wrong", [[Accepted("theirs")], [Accepted("theirs")] * 5, [], KeyError("a bug")])
async def test_an_answer_that_is_not_about_each_is_about_none(
    world: World, batched: Batched, wrong: list[Outcome] | Exception
) -> None:
    """A bug after which all of them may be sent."""
    batched.says([Accepted("theirs")] * 3)
    messages = bulk(3)

    def read(*_: object) -> list[Outcome]:
        if isinstance(wrong, Exception):
            raise wrong
        return wrong

    batched.read_batch = read  # type: ignore[assignment,method-assign]
    await attempt(world.delivery(batched), messages)

    assert {"uncertain"} == {world.row(message)["state"] for message in messages}


# A batch that is refused as one


async def test_a_batch_that_is_refused_as_one_is_tried_one_by_one(world: World, batched: Batched) -> None:
    """At once, in the same attempt: one of them was to blame, and nobody said which."""
    batched.says(ALONE, Accepted("theirs"), Rejected("HTTP 422"), Accepted("theirs"))
    messages = bulk(3)
    outcomes = await attempt(world.delivery(batched), messages)

    assert [Accepted, Rejected, Accepted] == [type(each) for each in outcomes]
    assert world.asked() == ["request batched"] * 4
    assert {1} == {event.attempt for event in world.told}
    assert not [event for event in world.told if event.event == "deferred"]


async def test_who_was_in_a_refused_batch_is_in_no_other(world: World, batched: Batched) -> None:
    """It might be the one to blame."""
    account = world.account(batched)
    batched.says(ALONE, Deferred("HTTP 503"), Deferred("HTTP 503"), Accepted("theirs"))
    messages = bulk(2)
    delivery = world.delivery(account)
    await attempt(delivery, messages)
    world.hurry()
    await attempt(delivery, [*messages, *bulk(2)])

    assert batched.sizes == [2, 2]
    assert len(world.requests) == 6


async def test_only_so_many_are_remembered(world: World, batched: Batched) -> None:
    """The newest ones; a mailer lives for months."""
    account = world.account(batched)
    assert account.lobby is not None
    messages = bulk(2)
    account.lobby.goes_alone(messages[0].message_id)
    for other in bulk(9_999):
        account.lobby.goes_alone(other.message_id)
    remembered = sizes(await members(account, [messages[0], *bulk()]))
    account.lobby.goes_alone(messages[1].message_id)
    forgotten = sizes(await members(account, [messages[0], *bulk()]))

    assert [1, 1] == remembered
    assert [2] == forgotten


@pytest.mark.parametrize("error", [UnsupportedError("more than 1 MB"), ZeroDivisionError("bug")])
async def test_a_batch_that_cannot_be_built_is_sent_one_by_one(
    world: World, batched: Batched, error: Exception
) -> None:
    """Each by itself is fine."""
    batched.overfull = error
    messages = bulk(3)

    assert [Accepted("theirs")] * 3 == await attempt(world.delivery(batched), messages)
    assert len(world.requests) == 3
    assert {"https://batched.example/send"} == {request.url for request in world.requests}


async def test_members_of_a_refused_batch_keep_to_the_rate(world: World, batched: Batched) -> None:
    """Each takes a turn."""
    account = world.account(batched, limit=1000.0)
    batched.says(ALONE, Accepted("theirs"))
    turns = []
    turn = account.pace.turn

    async def note(lane: Lane) -> None:
        turns.append(lane)
        await turn(lane)

    account.pace.turn = note  # type: ignore[method-assign]
    await attempt(world.delivery(account), bulk(3))

    assert [Lane.BULK] * 4 == turns


@pytest.mark.parametrize("error", [PausedError(20.0), RatesUnavailableError(), ClosingError()])
async def test_without_a_turn_they_come_again_later(world: World, batched: Batched, error: Exception) -> None:
    """Certainly not sent; and who had another outcome keeps it."""
    account = world.account(batched)
    batched.says([ALONE, Accepted("theirs"), ALONE])
    messages = bulk(3)

    async def refuse(_: Lane) -> None:
        raise error

    def close_the_way() -> None:
        account.pace.turn = refuse  # type: ignore[assignment,method-assign]

    world.during = close_the_way
    outcomes = await attempt(world.delivery(account), messages)
    states = [world.row(message)["state"] for message in messages]

    assert [Deferred, Accepted, Deferred] == [type(each) for each in outcomes]
    assert ["deferred", "sent", "deferred"] == states
    assert [1.0, 1.0] == [each.retry_after for each in outcomes if isinstance(each, Deferred)]


async def test_a_turn_beyond_the_lease_is_not_waited_for(world: World, batched: Batched) -> None:
    """It would be another mailer's by then; whoever was accepted does not wait for the others."""
    account = world.account(batched, limit=0.1)
    batched.says([ALONE, Accepted("theirs")])
    messages = bulk(2)
    outcomes = await attempt(world.delivery(account, lease=2.0), messages)
    states = [world.row(message)["state"] for message in messages]

    assert [Deferred, Accepted] == [type(each) for each in outcomes]
    assert ["deferred", "sent"] == states
    assert len(world.requests) == 1


async def test_a_bug_while_one_is_built_hurts_nobody_else(world: World, batched: Batched) -> None:
    """It meets it in its own attempt, where its claim is given back."""
    odd, *others = bulk(3)
    batched.refuses_only(odd.message_id, ZeroDivisionError("bug"))
    delivery = world.delivery(batched)
    tasks = [asyncio.create_task(delivery.attempt(each)) for each in (odd, *others)]
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)

    assert isinstance(results[0], ZeroDivisionError)
    assert [Accepted("theirs")] * 2 == results[1:]
    assert world.row(odd)["state"] == "deferred"


async def test_a_group_that_was_frozen_sends_nothing(world: World, batched: Batched) -> None:
    """The oldest of its claims counts."""
    batched.building = lambda: time.sleep(0.3)
    account = world.account(batched)
    messages = bulk(3)
    outcomes = await attempt(world.delivery(account, lease=1.0), messages)

    assert {Deferred("The mailer was too slow to begin.", 1.0)} == set(outcomes)
    assert not world.requests
    assert {"deferred"} == {world.row(message)["state"] for message in messages}


# Elsewhere


async def test_members_of_a_batch_go_elsewhere_together(world: World, batched: Batched) -> None:
    """Each from its own attempt, into the lobby there."""
    other = Batched("other")
    batched.says(Deferred("HTTP 503"))
    outcomes = await attempt(world.delivery(batched, other), bulk(3))

    assert [Accepted("theirs")] * 3 == outcomes
    assert ([3], [3]) == (batched.sizes, other.sizes)


async def test_a_paused_account_is_told_to_everybody_in_its_lobby(world: World, batched: Batched) -> None:
    """And they go to the next account."""
    account = world.account(batched)
    await account.pace.slow(60.0, "HTTP 429")
    outcomes = await attempt(world.delivery(account, Postbox("other")), bulk(3))

    assert [Accepted("theirs")] * 3 == outcomes
    assert world.asked() == ["request other"] * 3
    assert account.lobby is not None
    assert account.lobby._free._value == 4


async def test_an_overtaken_member_does_not_hurt_the_others(world: World, batched: Batched) -> None:
    """Its own claim is lost, theirs are not."""
    messages = bulk(3)

    async def be_overtaken() -> None:
        world.pass_time(LEASE + 1)
        await world.claim(messages[1])

    world.during = be_overtaken
    outcomes = await attempt(world.delivery(batched), messages)

    assert [Accepted, Deferred, Accepted] == [type(each) for each in outcomes]
    assert len(world.events) == 2
