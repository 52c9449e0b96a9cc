"""When an account is left alone, who tries it again, and how its load comes back."""

from __future__ import annotations

import pytest

from services.mailer.accounts.account import Account
from services.mailer.accounts.circuit import Circuit, Fuse, Position
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
from tests.mailer.world import PAUSE, Clock, Postbox, World

FUSE = Fuse()


@pytest.fixture
def clock() -> Clock:
    """What the circuit takes the time from."""
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    """A circuit that has seen nothing yet."""
    return Circuit(FUSE, clock)


def fail(circuit: Circuit, times: int = 5) -> bool:
    """Let so many messages fail; whether the last one opened the circuit."""
    return [circuit.failed() for _ in range(times)][-1]


def half_open(circuit: Circuit, clock: Clock) -> None:
    """Open it, and wait until it wants to be tried."""
    assert fail(circuit)
    clock.move(circuit.wait)
    assert circuit.position is Position.HALF_OPEN


# Closed


def test_a_new_circuit_lets_everything_pass(circuit: Circuit) -> None:
    """With all its load, and nobody tries for others."""
    assert circuit.position is Position.CLOSED
    assert (True, 0.0, 1.0) == (circuit.admits, circuit.wait, circuit.share)
    assert not circuit.enter()
    assert circuit.admits


def test_failures_in_a_row_open_it(circuit: Circuit) -> None:
    """The fifth does, and the opening is told once."""
    results = [circuit.failed() for _ in range(6)]
    expected = [False, False, False, False, True, False]

    assert expected == results
    assert circuit.position is Position.OPEN
    assert not circuit.admits
    assert circuit.wait == 1.0


def test_a_success_breaks_the_row(circuit: Circuit) -> None:
    """Four failures are bad luck, as often as they come."""
    for _ in range(4):
        fail(circuit, 4)
        assert not circuit.succeeded()

    assert circuit.position is Position.CLOSED


def alternate(circuit: Circuit, count: int, clock: Clock | None = None, gap: float = 0.0) -> bool:
    """So many messages of which every second one fails; whether the last one opened the circuit."""
    opened = False
    for number in range(count):
        if clock is not None:
            clock.move(gap)
        opened = circuit.failed() if number % 2 else circuit.succeeded()
    return opened


def test_half_of_many_failures_open_it(circuit: Circuit) -> None:
    """Twenty at least, or a quiet night would be one long outage."""
    early = alternate(circuit, 18)
    then = alternate(circuit, 2)

    assert (False, True) == (early, then)
    assert not circuit.admits


def test_less_than_half_do_not(circuit: Circuit) -> None:
    """Some always fail."""
    for _ in range(50):
        circuit.succeeded()
        circuit.failed()
        circuit.succeeded()

    assert circuit.position is Position.CLOSED


def test_only_what_happened_lately_counts(circuit: Circuit, clock: Clock) -> None:
    """Within ten seconds."""
    assert not alternate(circuit, 40, clock, gap=0.55)
    assert circuit.position is Position.CLOSED
    assert alternate(circuit, 2, clock, gap=0.0) or alternate(circuit, 2, clock, gap=0.0)


# Open and half-open


def test_it_opens_for_twice_as_long_each_time(circuit: Circuit, clock: Clock) -> None:
    """Up to a longest time, however long the outage is."""
    fail(circuit)
    waits = []
    for _ in range(40):
        waits.append(circuit.wait)
        clock.move(circuit.wait)
        circuit.enter()
        assert circuit.failed()
    expected = [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]

    assert expected == waits[:6]
    assert {10.0} == set(waits[4:])


def test_a_shortest_time_beyond_the_longest_is_not_waited_for(clock: Clock) -> None:
    """The longest is the operator's word."""
    circuit = Circuit(Fuse(longest=0.5), clock)
    fail(circuit)

    assert circuit.wait == 0.5


def test_it_is_open_until_its_time_has_come(circuit: Circuit, clock: Clock) -> None:
    """And half-open then."""
    fail(circuit)
    clock.move(0.9)
    early = (circuit.position, circuit.admits, circuit.enter())
    clock.move(0.1)

    assert (Position.OPEN, False, False) == early
    assert (Position.HALF_OPEN, True) == (circuit.position, circuit.admits)
    assert circuit.wait == 0.0


def test_one_tries_for_all_others(circuit: Circuit, clock: Clock) -> None:
    """Until it comes back nobody else is let in."""
    half_open(circuit, clock)

    assert circuit.enter()
    assert not circuit.admits
    assert not circuit.enter()
    assert circuit.wait > 0


def test_the_one_that_did_not_go_after_all_leaves_it_to_another(circuit: Circuit, clock: Clock) -> None:
    """Whoever was not the one leaves nothing behind."""
    half_open(circuit, clock)
    circuit.enter()
    circuit.leave(probe=False)
    still = circuit.admits
    circuit.leave(probe=True)

    assert not still
    assert circuit.admits
    assert circuit.enter()


def test_a_success_closes_it(circuit: Circuit, clock: Clock) -> None:
    """The closing is told once; the next outage begins anew."""
    half_open(circuit, clock)
    circuit.enter()
    results = [circuit.succeeded(), circuit.succeeded()]
    fail(circuit, 4)
    still = circuit.position
    fail(circuit, 1)

    assert [True, False] == results
    assert still is Position.CLOSED
    assert circuit.wait == 1.0


def test_what_led_to_the_opening_is_forgotten(circuit: Circuit, clock: Clock) -> None:
    """Else the first failure after it would open it again."""
    alternate(circuit, 20)
    clock.move(circuit.wait)
    circuit.enter()
    circuit.succeeded()

    assert not circuit.failed()
    assert circuit.position is Position.CLOSED


def test_a_failure_opens_it_again(circuit: Circuit, clock: Clock) -> None:
    """A single one is enough."""
    half_open(circuit, clock)
    circuit.enter()

    assert circuit.failed()
    assert circuit.position is Position.OPEN
    assert circuit.wait == 2.0


# Answers to what was under way when it opened


def test_a_late_success_does_not_close_an_open_circuit(circuit: Circuit) -> None:
    """It was asked before the others failed."""
    fail(circuit)

    assert not circuit.succeeded()
    assert circuit.position is Position.OPEN


def test_late_failures_do_not_make_it_longer(circuit: Circuit) -> None:
    """They are of the same outage."""
    fail(circuit)
    fail(circuit, 20)

    assert circuit.wait == 1.0


def test_a_late_failure_does_not_take_the_try_away(circuit: Circuit, clock: Clock) -> None:
    """Nobody has tried yet."""
    half_open(circuit, clock)

    assert not circuit.failed()
    assert circuit.position is Position.HALF_OPEN
    assert circuit.admits


def test_a_late_success_closes_a_half_open_circuit(circuit: Circuit, clock: Clock) -> None:
    """The account answered after its time was over."""
    half_open(circuit, clock)

    assert circuit.succeeded()
    assert circuit.admits


def test_a_late_failure_while_one_tries_is_taken_for_its_own(circuit: Circuit, clock: Clock) -> None:
    """To be on the safe side; and what the try comes to then is late itself."""
    half_open(circuit, clock)
    circuit.enter()

    assert circuit.failed()
    assert not circuit.succeeded()
    assert circuit.position is Position.OPEN


# Refusals of the account


def test_three_refusals_in_a_row_pause_the_account(circuit: Circuit) -> None:
    """For as long as is said; told once."""
    results = [circuit.refused(60.0) for _ in range(4)]
    expected = [False, False, True, False]

    assert expected == results
    assert circuit.wait == 60.0


def test_a_refusal_among_successes_pauses_nobody(circuit: Circuit) -> None:
    """It may be about one sender."""
    for _ in range(10):
        circuit.refused(60.0)
        circuit.refused(60.0)
        circuit.succeeded()

    assert circuit.position is Position.CLOSED


def test_a_refusal_is_no_failure(circuit: Circuit) -> None:
    """Nor does it break a row of them."""
    fail(circuit, 4)
    circuit.refused(60.0)

    assert fail(circuit, 1)
    assert circuit.wait == 1.0


def test_a_refused_try_pauses_it_again(circuit: Circuit, clock: Clock) -> None:
    """For as long as the first time: nobody has repaired the key yet."""
    for _ in range(3):
        circuit.refused(60.0)
    clock.move(60.0)
    circuit.enter()

    assert circuit.refused(60.0)
    assert circuit.wait == 60.0


def test_refusals_while_it_is_open_change_nothing(circuit: Circuit) -> None:
    """They are late."""
    fail(circuit)
    for _ in range(5):
        assert not circuit.refused(60.0)

    assert circuit.wait == 1.0


# The way back


def test_load_comes_back_little_by_little(circuit: Circuit, clock: Clock) -> None:
    """From a tenth to all of it within the ramp."""
    half_open(circuit, clock)
    circuit.enter()
    circuit.succeeded()
    shares = []
    for _ in range(4):
        shares.append(round(circuit.share, 3))
        clock.move(5.0)
    expected = [0.1, 0.55, 1.0, 1.0]

    assert expected == shares


@pytest.mark.parametrize(("passed", "carried"), [(0.0, 10), (5.0, 55), (10.0, 200)])
async def test_an_account_that_came_back_carries_its_share(world: World, passed: float, carried: int) -> None:
    """Of its slots; when it has come back all the way it carries whatever comes."""
    account = world.account(Postbox("postbox"), fuse=FUSE)
    half_open(account.circuit, world.clock)
    account.circuit.enter()
    account.circuit.succeeded()
    world.clock.move(passed)
    entered = 0
    while account.admits and entered < 200:
        account.enter()
        entered += 1

    assert carried == entered


async def test_an_account_that_came_back_carries_one_message_at_least(world: World) -> None:
    """However few slots there are."""
    account = world.account(Postbox("postbox"), fuse=FUSE)
    account.slots = 3
    half_open(account.circuit, world.clock)
    account.circuit.succeeded()

    assert account.admits
    account.enter()

    assert not account.admits
    account.leave()

    assert account.admits


# What an account makes of an outcome


def opened(account: Account) -> bool:
    """Whether it is left alone."""
    return not account.is_well


@pytest.mark.parametrize(
    ("outcome", "times"),
    [
        (Deferred("HTTP 503"), 5),
        (Uncertain("HTTP 502"), 5),
        (Unauthorised("HTTP 401"), 3),
    ],
)
async def test_an_ill_account_is_left_alone(world: World, outcome: Outcome, times: int) -> None:
    """After so many, and not before."""
    account = world.account(Postbox("postbox"), fuse=FUSE)
    seen = []
    for _ in range(times):
        seen.append(opened(account))
        await account.note(outcome)

    assert not any(seen)
    assert opened(account)
    assert not account.admits


@pytest.mark.parametrize(("hint", "wait"), [(None, PAUSE), (600.0, 600.0)])
async def test_a_refused_account_pauses_as_long_as_is_said(
    world: World, hint: float | None, wait: float
) -> None:
    """By its provider, who knows when a quota comes back, or else by the settings."""
    account = world.account(Postbox("postbox"), fuse=FUSE)
    for _ in range(3):
        await account.note(Unauthorised("HTTP 401", hint))

    assert wait == account.wait


@pytest.mark.parametrize(
    "outcome",
    [
        Accepted("theirs"),
        Rejected("HTTP 422"),
        Suppressed("listed"),
        Deferred("greylisted", 60.0, Trouble.MESSAGE),
        Deferred("HTTP 429", 1.0, Trouble.PACE),
    ],
)
@pytest.mark.parametrize("ill", [Deferred("HTTP 503"), Unauthorised("HTTP 401")])
async def test_an_account_that_answers_is_well(world: World, outcome: Outcome, ill: Outcome) -> None:
    """Also if it does not take the message, or not so fast: it breaks the row, and closes the circuit."""
    account = world.account(Postbox("postbox"), fuse=FUSE)
    for _ in range(3):
        await account.note(ill)
        await account.note(ill)
        await account.note(outcome)
    well = account.is_well
    half_open(account.circuit, world.clock)
    account.enter()
    await account.note(outcome)

    assert well
    assert account.is_well


async def test_an_account_may_be_asked_again_soon_at_least(world: World) -> None:
    """Even if nothing says when: while one message tries it, or others have its share."""
    account = world.account(Postbox("postbox"), fuse=FUSE)

    assert 0.0 < account.wait <= 0.1
