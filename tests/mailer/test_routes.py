"""Which account a message goes to, and how it waits for one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from services.mailer.accounts.account import Account
from services.mailer.accounts.circuit import Fuse, Position
from services.mailer.accounts.routes import ClosingError, NoAccountError, Place, Routes
from services.mailer.outcome import Accepted, Deferred
from services.mailer.rates.rates import RatesUnavailableError
from shared.signatures import Lane
from tests.mailer.world import Batched, Postbox, World, email

QUICK = Fuse(in_a_row=2, shortest=0.05, longest=0.05)
PATIENCE = 30.0


@pytest.fixture
def accounts(world: World) -> list[Account]:
    """Two of them."""
    return [world.account(Postbox(name), fuse=QUICK) for name in ("first", "second")]


def routes_of(accounts: Sequence[Account], patience: float = PATIENCE) -> Routes:
    """The same accounts for both lanes."""
    return Routes(dict.fromkeys(Lane, accounts), patience=patience)


def sicken(account: Account) -> None:
    """Open its circuit."""
    for _ in range(2):
        account.circuit.failed()
    assert not account.is_well


def entering(routes: Routes, count: int = 1, lane: Lane = Lane.TRANSACTIONAL) -> list[asyncio.Task[Place]]:
    """So many messages that want to go somewhere."""
    return [asyncio.create_task(routes.enter(email(lane=lane))) for _ in range(count)]


async def a_while(seconds: float = 0.2) -> None:
    """Give those who wait the time to go wrong."""
    await asyncio.sleep(seconds)


async def end(tasks: Sequence[asyncio.Task[Place]]) -> None:
    """Let nobody wait any more."""
    waiting = set(tasks)
    while waiting:  # a wait that ends in the moment of its cancellation is not cancelled
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=0.1)


# Order


async def test_a_message_goes_to_the_first_account(accounts: list[Account]) -> None:
    """However many there are before it."""
    routes = routes_of(accounts)
    places = [await routes.enter(email()) for _ in range(50)]

    assert {"first"} == {place.account.name for place in places}
    assert accounts[0].in_flight == 50
    assert not any(place.probe for place in places)


async def test_it_goes_to_the_next_one_while_the_first_is_ill(accounts: list[Account]) -> None:
    """Without a moment's wait, and back when that is well again."""
    routes = routes_of(accounts, patience=0.0)
    sicken(accounts[0])
    ill = await routes.enter(email())
    accounts[0].circuit._opens_until = None
    well = await routes.enter(email())

    assert ("second", "first") == (ill.account.name, well.account.name)


async def test_it_goes_to_the_next_one_while_the_first_pauses(accounts: list[Account]) -> None:
    """Its provider said that it was too fast; what was not had is not given back."""
    routes = routes_of(accounts, patience=0.0)
    await accounts[0].pace.slow(60.0, "HTTP 429")

    assert (await routes.enter(email())).account.name == "second"
    assert accounts[0].in_flight == 0
    assert accounts[0].pace._returned == 0


async def test_one_tries_the_first_and_the_others_go_to_the_next(
    world: World, accounts: list[Account]
) -> None:
    """Half-open it takes one message, and the second account is well."""
    routes = routes_of(accounts)
    sicken(accounts[0])
    world.clock.move(1.0)
    places = [await routes.enter(email()) for _ in range(5)]

    assert ["first"] + ["second"] * 4 == [place.account.name for place in places]
    assert [True] + [False] * 4 == [place.probe for place in places]


async def test_a_lane_has_accounts_of_its_own(accounts: list[Account]) -> None:
    """A newsletter need not take the way of a password reset."""
    routes = Routes({Lane.TRANSACTIONAL: accounts[:1], Lane.BULK: accounts[1:]}, patience=0.0)
    names = [(await routes.enter(email(lane=lane))).account.name for lane in Lane]

    assert ["first", "second"] == names
    assert accounts == [routes.account("first"), routes.account("second")]
    assert routes.account("third") is None
    assert accounts[1:] == routes.all(Lane.BULK)


async def test_only_some_accounts_may_be_asked_for(accounts: list[Account]) -> None:
    """By an attempt that has tried the others."""
    routes = routes_of(accounts)

    assert (await routes.enter(email(), among=accounts[1:])).account.name == "second"

    sicken(accounts[1])
    with pytest.raises(NoAccountError):
        await routes.enter(email(), among=accounts[1:], patience=0.0)


# Waiting


async def test_messages_wait_in_their_slots_and_one_tries_for_all(
    world: World, accounts: list[Account]
) -> None:
    """When its time has come; the others stay until it has told how it went."""
    routes = routes_of(accounts[:1])
    sicken(accounts[0])
    tasks = entering(routes, 5)
    await a_while()
    before = [task.done() for task in tasks]
    world.clock.move(0.05)
    await a_while()
    going = [task for task in tasks if task.done()]
    (place,) = (task.result() for task in going)
    await place.account.note(Accepted("theirs"))
    place.leave()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)

    assert not any(before)
    assert place.probe
    assert accounts[0].in_flight == 4


async def test_the_others_stay_when_it_went_ill(world: World, accounts: list[Account]) -> None:
    """Until the next one may try."""
    routes = routes_of(accounts[:1])
    sicken(accounts[0])
    tasks = entering(routes, 5)
    counts = []
    for _ in range(3):
        world.clock.move(0.05)
        await a_while()
        done = [task for task in tasks if task.done()]
        counts.append(len(done))
        (place,) = (task.result() for task in done if not task.result()._left)
        await place.account.note(Deferred("HTTP 503"))
        place.leave()
    await end(tasks)

    assert counts == [1, 2, 3]


async def test_another_one_tries_if_the_first_does_not_go_after_all(
    world: World, accounts: list[Account]
) -> None:
    """Its message had been sent before, say."""
    routes = routes_of(accounts[:1])
    sicken(accounts[0])
    world.clock.move(0.05)
    with await routes.enter(email()) as place:
        tasks = entering(routes, 2)
        await a_while()
        during = [task.done() for task in tasks]
    await a_while()
    after = [task.done() for task in tasks]
    await end(tasks)

    assert place.probe
    assert [False, False] == during
    assert [False, True] == sorted(after)


async def test_load_comes_back_to_those_who_wait(world: World, accounts: list[Account]) -> None:
    """As much as the account may carry now."""
    accounts[0].slots = 20
    routes = routes_of(accounts[:1])
    sicken(accounts[0])
    world.clock.move(0.05)
    await accounts[0].note(Accepted("theirs"))
    tasks = entering(routes, 10)
    counts = []
    for _ in range(3):
        await a_while()
        counts.append(sum(task.done() for task in tasks))
        world.clock.move(1.12)  # a tenth more of the load
    await end(tasks)

    assert counts == [2, 4, 6]


async def test_patience_ends(accounts: list[Account]) -> None:
    """With the wait until it is worth asking again, a second at least."""
    routes = routes_of(accounts[:1], patience=0.3)
    sicken(accounts[0])
    began = time.monotonic()
    with pytest.raises(NoAccountError) as gone:
        await routes.enter(email())

    assert 0.2 <= time.monotonic() - began < 5.0
    assert gone.value.wait == 1.0


async def test_what_cannot_be_waited_for_is_not(accounts: list[Account]) -> None:
    """The account says how long it pauses; the soonest of all counts."""
    routes = routes_of(accounts, patience=10.0)
    for account, pause in zip(accounts, (50.0, 40.0), strict=True):
        await account.pace.slow(pause, "HTTP 429")
    with pytest.raises(NoAccountError) as gone:
        await asyncio.wait_for(routes.enter(email()), 5)

    assert 35.0 < gone.value.wait <= 40.0


async def test_nobody_wakes_the_others_for_nothing(world: World, accounts: list[Account]) -> None:
    """An account that came back and then pauses is found so by each of those who wait, once in a while."""
    account = accounts[0]
    routes = routes_of([account])
    sicken(account)
    world.clock.move(0.05)
    await account.note(Accepted("theirs"))
    looked = 0
    turn = account.pace.turn

    async def count(lane: Lane) -> None:
        nonlocal looked
        looked += 1
        await turn(lane)

    account.pace.turn = count  # type: ignore[method-assign]
    await account.pace.slow(20.0, "HTTP 429")
    tasks = entering(routes, 5)
    await a_while(0.3)
    await end(tasks)

    assert 5 <= looked <= 50


# Turns


async def test_an_account_that_falls_ill_during_the_wait_for_a_turn_is_left(
    world: World, accounts: list[Account]
) -> None:
    """The turn goes to somebody else, and the message to the next account."""
    slow = world.account(Postbox("slow"), limit=2.0, fuse=QUICK)
    routes = routes_of([slow, accounts[1]])
    await slow.pace.turn(Lane.TRANSACTIONAL)
    (task,) = entering(routes)
    await a_while(0.05)
    sicken(slow)
    place = await asyncio.wait_for(task, 5)

    assert place.account.name == "second"
    assert slow.in_flight == 0
    assert slow.pace._returned == 1


@pytest.mark.parametrize("used", [True, False])
async def test_who_becomes_the_one_that_tries_during_the_wait_for_a_turn_is_it(
    world: World, *, used: bool
) -> None:
    """And leaves it to another one if it does not go after all."""
    slow = world.account(Postbox("slow"), limit=0.5, fuse=QUICK)
    routes = routes_of([slow])
    await slow.pace.turn(Lane.TRANSACTIONAL)
    (task,) = entering(routes)
    await a_while(0.05)
    sicken(slow)
    world.clock.move(0.05)
    place = await asyncio.wait_for(task, 10)
    during = slow.circuit.admits
    if used:
        await slow.note(Accepted("theirs"))
    place.leave(unused=not used)

    assert place.probe
    assert not during
    assert used == slow.is_well
    assert slow.circuit.admits


@pytest.mark.parametrize("unused", [True, False])
async def test_a_turn_that_is_not_used_is_given_back(world: World, *, unused: bool) -> None:
    """Once, however often the place is left."""
    account = world.account(Postbox("postbox"), limit=100.0)
    place = await routes_of([account]).enter(email())
    with place:
        place.leave(unused=unused)
        place.leave(unused=True)

    assert account.in_flight == 0
    assert int(unused) == account.pace._returned
    assert unused is not place.was_used


async def test_a_store_of_rates_that_is_away_is_told(world: World) -> None:
    """Nothing has begun, and nothing is left behind."""
    account = world.account(Postbox("postbox"), limit=100.0)

    async def fail(*_: object, **__: object) -> None:
        raise RatesUnavailableError

    world.rates.lease = fail  # type: ignore[assignment]
    routes = routes_of([account])
    with pytest.raises(RatesUnavailableError):
        await routes.enter(email())

    assert account.in_flight == 0
    assert not any(routes._waiting.values())


async def test_a_turn_is_had_once(world: World) -> None:
    """Its own, if the one before was its group's."""
    account = world.account(Batched("batched"), limit=100.0)
    routes = routes_of([account])
    alone = await routes.enter(email())
    shared = await routes.enter(email(lane=Lane.BULK))
    turns = []

    async def note(lane: Lane) -> None:
        turns.append(lane)

    account.pace.turn = note  # type: ignore[method-assign]
    await alone.own_turn()
    await shared.own_turn()
    before = list(turns)
    shared.go_alone()
    for _ in range(2):
        await shared.own_turn()

    assert not before
    assert [Lane.BULK] == turns


# The lane's pause


async def test_a_lane_pauses_while_somebody_waits_for_its_sick_accounts(accounts: list[Account]) -> None:
    """And that somebody is enough to find out when they are well; the other lane does not matter."""
    routes = Routes({Lane.TRANSACTIONAL: accounts[:1], Lane.BULK: accounts}, patience=PATIENCE)
    seen = [routes.paused(Lane.TRANSACTIONAL)]
    sicken(accounts[0])
    seen.append(routes.paused(Lane.TRANSACTIONAL))
    tasks = entering(routes)
    await a_while(0.05)
    seen.append(routes.paused(Lane.TRANSACTIONAL))
    bulk = routes.paused(Lane.BULK)
    await end(tasks)
    seen.append(routes.paused(Lane.TRANSACTIONAL))

    assert [False, False, True, False] == seen
    assert not bulk


async def test_a_lane_with_one_account_that_is_well_does_not_pause(accounts: list[Account]) -> None:
    """However many wait for their turns there."""
    routes = routes_of(accounts)
    sicken(accounts[0])
    routes._waiting[Lane.BULK] = 5

    assert not routes.paused(Lane.BULK)


async def test_a_half_open_account_is_not_well_yet(world: World, accounts: list[Account]) -> None:
    """One message tries it, and no more are wanted."""
    routes = routes_of(accounts[:1])
    sicken(accounts[0])
    tasks = entering(routes, 2)
    world.clock.move(0.05)
    await a_while()
    paused = routes.paused(Lane.TRANSACTIONAL)
    await end(tasks)

    assert accounts[0].circuit.position is Position.HALF_OPEN
    assert paused


# The end


async def test_who_waits_for_an_account_is_freed_by_the_closing(accounts: list[Account]) -> None:
    """At once, and so is whoever comes later; who is in may stay."""
    routes = routes_of(accounts[:1])
    place = await routes.enter(email())
    sicken(accounts[0])
    tasks = entering(routes, 3)
    await a_while(0.05)
    routes.close()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    with pytest.raises(ClosingError):
        await routes.enter(email())
    place.leave()

    assert {ClosingError} == set(map(type, results))
    assert accounts[0].in_flight == 0
    assert not any(routes._waiting.values())


@pytest.mark.parametrize("lane", Lane)
async def test_who_waits_for_a_turn_is_freed_by_the_closing(world: World, lane: Lane) -> None:
    """In its lane, and in its lobby."""
    account = world.account(Batched("batched"), limit=0.01)
    routes = routes_of([account])
    await account.pace.turn(lane)
    tasks = entering(routes, 3, lane)
    await a_while(0.05)
    routes.close()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)

    assert {ClosingError} == set(map(type, results))
    assert account.in_flight == 0


async def test_who_waits_for_a_request_to_come_back_is_freed_by_the_closing(world: World) -> None:
    """All the requests of its lobby are on their way."""
    account = world.account(Batched("batched"), requests=1)
    routes = routes_of([account])
    first = await routes.enter(email(lane=Lane.BULK))
    tasks = entering(routes, 3, Lane.BULK)
    await a_while(0.05)
    routes.close()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    first.leave(unused=True)
    await a_while(0.05)

    assert {ClosingError} == set(map(type, results))
    assert account.in_flight == 0
    assert account.lobby is not None
    assert account.lobby._task is None


async def test_who_waits_out_a_short_pause_begins_nothing_after_the_closing(
    accounts: list[Account],
) -> None:
    """Its turn comes, and is one too late."""
    routes = routes_of(accounts[:1])
    accounts[0].pace.told(None, 0, 0.3)
    tasks = entering(routes)
    await a_while(0.05)
    routes.close()
    (result,) = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)

    assert isinstance(result, ClosingError)
    assert accounts[0].in_flight == 0
