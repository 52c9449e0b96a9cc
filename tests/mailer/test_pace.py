"""How messages wait for their turns, and how an account that has no limit gets one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field, replace

import pytest

from services.mailer.accounts.pace import Pace, PausedError
from services.mailer.outcome import Accepted, Deferred, Rejected, Trouble
from services.mailer.providers.hints import Allowance
from services.mailer.rates.rates import RatesUnavailableError, Slice
from shared.signatures import Lane
from tests.mailer.world import Clock, Postbox, World, email

AT_ONCE = Slice(0.0, 0.001)
T, B = Lane.TRANSACTIONAL, Lane.BULK


@dataclass
class Rates:
    """A store of rates that says what it is told to say."""

    answers: deque[Slice | Exception] = field(default_factory=lambda: deque([AT_ONCE]))
    leases: list[tuple[str, int, float, float]] = field(default_factory=list)
    slowed: list[tuple[str, float, float, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, whoever leases waits."""

    def __post_init__(self) -> None:
        self.gate.set()

    async def lease(self, account: str, *, count: int, limit: float, share: float = 1.0) -> Slice:
        self.leases.append((account, count, limit, share))
        await self.gate.wait()
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return replace(answer, turns=count) if answer.length and not answer.turns else answer

    async def slow(self, account: str, *, pause: float, limit: float, reason: str) -> None:
        self.slowed.append((account, pause, limit, reason))

    async def pause(self, account: str, *, pause: float, reason: str | None) -> None:
        raise NotImplementedError

    async def paused(self, account: str) -> tuple[float, str | None]:
        raise NotImplementedError


@pytest.fixture
async def rates() -> Rates:
    """A store that gives a slice to whoever asks."""
    return Rates()


@pytest.fixture
def clock() -> Clock:
    """What the pace takes the time from."""
    return Clock()


def waiting(pace: Pace, *lanes: Lane) -> list[asyncio.Task[None]]:
    """So many who wait for their turns."""
    return [asyncio.create_task(pace.turn(lane)) for lane in lanes]


async def noted(order: list[str], name: str, pace: Pace, lane: Lane) -> None:
    """Wait for a turn, and note when it came."""
    await pace.turn(lane)
    order.append(name)


async def breathe() -> None:
    """Let everybody do what can be done at once."""
    for _ in range(20):
        await asyncio.sleep(0)


# Without a limit


async def test_an_account_without_a_limit_gives_turns_at_once(rates: Rates) -> None:
    """And nobody asks the database for them."""
    pace = Pace(rates, "main", None)
    for lane in (T, B) * 50:
        await asyncio.wait_for(pace.turn(lane), 10)

    assert pace.limit is None
    assert not rates.leases


async def test_a_complaint_teaches_a_limit(rates: Rates, clock: Clock) -> None:
    """What the provider took in the best of the last seconds; and all mailers are told to rest."""
    pace = Pace(rates, "main", None, clock=clock)
    for taken in (3, 20, 5):
        for _ in range(taken):
            pace.accepted()
        clock.move(1.0)
    await pace.slow(None, "HTTP 429")

    assert pace.limit == 20.0
    assert [("main", 1.0, 20.0, "HTTP 429")] == rates.slowed


async def test_what_was_taken_long_ago_teaches_nothing(rates: Rates, clock: Clock) -> None:
    """Ten seconds are remembered; an account that takes nothing at all may be asked once a second."""
    pace = Pace(rates, "main", None, clock=clock)
    for _ in range(50):
        pace.accepted()
    for _ in range(30):
        clock.move(1.0)
        pace.accepted()
    busy = pace
    await busy.slow(1.0, "HTTP 429")
    idle = Pace(rates, "main", None, clock=clock)
    await idle.slow(1.0, "HTTP 429")

    assert (1.0, 1.0) == (busy.limit, idle.limit)
    assert len(busy._accepted) <= 21


async def test_a_complaint_counts_once_in_a_pause(rates: Rates, clock: Clock) -> None:
    """All that was under way together hears it; the next time the limit shrinks."""
    pace = Pace(rates, "main", None, clock=clock)
    for _ in range(100):
        pace.accepted()
    limits = []
    for _ in range(2):
        for _ in range(50):
            await pace.slow(2.0, "HTTP 429")
        limits.append(pace.limit)
        clock.move(2.0)
    grown = 100.0 * 1.02**2

    assert limits == [100.0, pytest.approx(grown * 0.85)]


async def test_a_limit_never_shrinks_to_nothing(rates: Rates, clock: Clock) -> None:
    """One message in five seconds is tried, whatever the provider says."""
    pace = Pace(rates, "main", None, clock=clock)
    for _ in range(100):
        await pace.slow(0.0, "HTTP 429")

    assert pace.limit == 0.2
    assert rates.slowed[-1][2] == 0.2


async def test_a_learned_limit_grows_while_nobody_complains(rates: Rates, clock: Clock) -> None:
    """By a fiftieth each second; after a night it is none to speak of, and still a number."""
    pace = Pace(rates, "main", None, clock=clock)
    await pace.slow(0.0, "HTTP 429")
    limits = []
    for seconds in (10.0, 25.0, 100_000.0):
        clock.move(seconds)
        limits.append(pace.limit or 0.0)

    assert limits[:2] == [pytest.approx(1.02**10), pytest.approx(1.02**35)]
    assert limits[2] > 1_000_000


async def test_an_account_with_a_learned_limit_leases_its_turns(rates: Rates, clock: Clock) -> None:
    """Like one with a limit in the settings."""
    pace = Pace(rates, "main", None, clock=clock)
    await pace.slow(0.0, "HTTP 429")
    await pace.turn(T)

    assert [("main", 1, 1.0, 1.0)] == rates.leases


async def test_headers_teach_a_limit(rates: Rates, clock: Clock) -> None:
    """A little less than the provider allows, and no less than is tried anyway."""
    pace = Pace(rates, "main", None, clock=clock)
    limits = []
    for per_second in (10.0, 0.0, 0.01):
        pace.told(per_second, None, None)
        limits.append(pace.limit)

    assert [9.0, 9.0, 0.2] == limits


async def test_headers_that_say_that_nothing_is_left_pause_the_account(rates: Rates, clock: Clock) -> None:
    """Until the window ends; where the rate is known it is not used up, only well used."""
    unknown, known = (Pace(rates, "main", None, clock=clock) for _ in range(2))
    unknown.told(None, 0, 30.0)
    known.told(10.0, 0, 30.0)
    with pytest.raises(PausedError) as paused:
        await unknown.turn(T)

    assert paused.value.wait == 30.0
    await known.turn(T)


@pytest.mark.parametrize(("remaining", "reset"), [(1, 30.0), (0, None), (None, 30.0)])
async def test_headers_that_say_nothing_of_the_sort_pause_nobody(
    rates: Rates, remaining: int | None, reset: float | None
) -> None:
    """Something is left, or nobody knows until when."""
    pace = Pace(rates, "main", None)
    pace.told(None, remaining, reset)
    await asyncio.wait_for(pace.turn(T), 10)


async def test_a_pause_that_headers_ask_for_does_not_cut_another_short(rates: Rates, clock: Clock) -> None:
    """The longest counts."""
    pace = Pace(rates, "main", None, clock=clock)
    pace.told(None, 0, 30.0)
    pace.told(None, 0, 3.0)
    await pace.slow(5.0, "HTTP 429")
    with pytest.raises(PausedError) as paused:
        await pace.turn(T)

    assert paused.value.wait == 30.0


async def test_a_limit_in_the_settings_is_the_operators_word(rates: Rates, clock: Clock) -> None:
    """No header lifts it, and after a complaint the mailers' common store slows down from it."""
    pace = Pace(rates, "main", 7.0, clock=clock)
    pace.told(100.0, 0, 30.0)
    await pace.slow(1.5, "HTTP 429")

    assert pace.limit == 7.0
    assert [("main", 1.5, 7.0, "HTTP 429")] == rates.slowed


async def test_an_account_learns_from_what_its_provider_says(world: World) -> None:
    """From a refusal for its pace, and from the headers of any answer."""
    postbox = Postbox("postbox")
    account = world.account(postbox)
    delivery = world.delivery(account)
    await delivery.attempt(email())
    before = account.pace.limit
    postbox.headers = {"ratelimit-policy": '"default";q=20;w=2'}
    await delivery.attempt(email())
    from_headers = account.pace.limit
    postbox.headers = {}
    account.pace._learned = None
    postbox.says(Deferred("HTTP 429", 30.0, Trouble.PACE))
    await delivery.attempt(email())

    assert before is None
    assert from_headers == pytest.approx(9.0, rel=0.5)
    assert account.pace.limit == pytest.approx(2.0, rel=0.5)
    assert 20.0 < (await world.rates.paused("postbox"))[0] <= 30.0


async def test_an_account_learns_from_what_its_provider_takes(world: World) -> None:
    """And from nothing else that it says."""
    postbox = Postbox("postbox")
    postbox.says(
        *[Accepted("theirs")] * 3, *[Rejected("HTTP 422")] * 3, Deferred("HTTP 429", 1.0, Trouble.PACE)
    )
    account = world.account(postbox)
    account.pace = Pace(world.rates, "postbox", None, clock=world.clock)
    delivery = world.delivery(account)
    for _ in range(7):
        await delivery.attempt(email())

    assert account.pace.limit == 3.0


async def test_an_answer_without_headers_teaches_nothing(world: World) -> None:
    """As most providers give."""
    account = world.account(Postbox("postbox"))
    account.allow(Allowance())
    account.allow(None)
    await account.note(Accepted("theirs"))

    assert account.pace.limit is None


async def test_a_complaint_that_cannot_be_shared_is_heeded_all_the_same(world: World) -> None:
    """By the mailer that heard it."""
    account = world.account(Postbox("postbox"))

    async def fail(*_: object, **__: object) -> None:
        raise RatesUnavailableError

    world.rates.slow = fail  # type: ignore[method-assign]
    await account.note(Deferred("HTTP 429", 30.0, Trouble.PACE))
    with pytest.raises(PausedError):
        await account.turn(email())

    assert account.pace.limit == pytest.approx(1.0, rel=0.2)


# Turns


async def test_transactional_messages_have_their_turn_first(rates: Rates) -> None:
    """Whoever came before them."""
    pace = Pace(rates, "main", 1000.0)
    order: list[str] = []
    rates.gate.clear()
    lanes = {"b1": B, "b2": B, "t1": T, "b3": B, "t2": T}
    tasks = [asyncio.create_task(noted(order, name, pace, lane)) for name, lane in lanes.items()]
    await breathe()
    rates.gate.set()
    await asyncio.gather(*tasks)

    assert order == ["t1", "t2", "b1", "b2", "b3"]


async def test_a_transactional_message_overtakes_within_a_slice(rates: Rates) -> None:
    """The next turn is its, although the slice was leased for others."""
    pace = Pace(rates, "main", 20.0)
    order: list[str] = []
    rates.answers = deque([Slice(0.0, 1.0)])
    first, second = (asyncio.create_task(noted(order, name, pace, B)) for name in ("b1", "b2"))
    await asyncio.wait([first])
    await noted(order, "t", pace, T)
    await second

    assert order == ["b1", "t", "b2"]


async def test_turns_are_spread_over_their_slice(rates: Rates) -> None:
    """From its beginning, and not before."""
    pace = Pace(rates, "main", 20.0)
    rates.answers = deque([Slice(0.2, 0.4)])
    began = time.monotonic()
    came = []
    for each in asyncio.as_completed(waiting(pace, T, T)):
        await each
        came.append(time.monotonic() - began)

    assert [("main", 2, 20.0, 1.0)] == rates.leases
    assert came[0] >= 0.19
    assert came[1] >= 0.39


async def test_as_many_turns_are_handed_out_as_the_slice_is_for(rates: Rates) -> None:
    """Whatever was asked for: the rate may be far below the limit."""
    pace = Pace(rates, "main", 20.0)
    rates.answers = deque([Slice(0.0, 0.2, 1), AT_ONCE])
    await asyncio.gather(*waiting(pace, T, T))

    assert [2, 1] == [count for _, count, _, _ in rates.leases]


async def test_no_turn_of_a_slice_is_handed_out_in_a_pause(rates: Rates) -> None:
    """However it came about that the provider complained meanwhile; afterwards another slice is asked for."""
    pace = Pace(rates, "main", 20.0)
    rates.answers = deque([Slice(0.0, 0.2), AT_ONCE])
    first, second = waiting(pace, T, T)
    await asyncio.wait_for(first, 5)
    complained = time.monotonic()
    await pace.slow(1.0, "HTTP 429")
    await asyncio.wait_for(second, 5)

    assert time.monotonic() - complained >= 1.0
    assert 2 == len(rates.leases)


async def test_who_waits_when_a_long_pause_begins_is_told(rates: Rates) -> None:
    """And may go to another account."""
    pace = Pace(rates, "main", 20.0)
    rates.answers = deque([Slice(0.0, 0.2), AT_ONCE])
    first, second = waiting(pace, T, T)
    await asyncio.wait_for(first, 5)
    await pace.slow(30.0, "HTTP 429")
    with pytest.raises(PausedError) as paused:
        await asyncio.wait_for(second, 5)

    assert 29 < paused.value.wait <= 30
    assert 1 == len(rates.leases)


async def test_no_turn_is_given_back_into_a_pause(rates: Rates) -> None:
    """Whoever waits would be sent for while the provider has asked for patience."""
    pace = Pace(rates, "main", 5.0)
    await pace.turn(T)
    rates.gate.clear()
    (other,) = waiting(pace, B)
    await breathe()
    await pace.slow(1.0, "HTTP 429")
    pace.give_back()
    await breathe()
    before = other.done()
    rates.gate.set()
    await asyncio.wait_for(other, 5)

    assert not before


@pytest.mark.parametrize(("limit", "count"), [(200.0, 20), (20.0, 2), (5.0, 1), (10_000.0, 30)])
async def test_a_tenth_of_a_second_is_leased_at_once(rates: Rates, limit: float, count: int) -> None:
    """One turn at least, and no more than are waited for."""
    pace = Pace(rates, "main", limit)
    await asyncio.gather(*waiting(pace, *[T] * 30))

    assert count == rates.leases[0][1]


async def test_an_account_that_came_back_asks_for_its_share(rates: Rates) -> None:
    """Its circuit says how much that is."""
    shares = iter((0.1, 0.5))
    pace = Pace(rates, "main", 5.0, share=lambda: next(shares))
    for _ in range(2):
        await pace.turn(T)

    assert [("main", 1, 5.0, 0.1), ("main", 1, 5.0, 0.5)] == rates.leases


async def test_where_nothing_is_given_one_asks_again(rates: Rates) -> None:
    """When the store says so."""
    pace = Pace(rates, "main", 5.0)
    rates.answers = deque([Slice(0.2, 0.0), Slice(0.0, 0.0), AT_ONCE])
    began = time.monotonic()
    await pace.turn(T)

    assert time.monotonic() - began >= 0.2
    assert len(rates.leases) == 3


async def test_who_is_told_to_wait_for_a_day_asks_again_in_a_second(rates: Rates) -> None:
    """Time is given away for a second at most: it is a clock that was set."""
    pace = Pace(rates, "main", 5.0)
    rates.answers = deque([Slice(86_400.0, 0.0), AT_ONCE])
    await asyncio.wait_for(pace.turn(T), 5)

    assert len(rates.leases) == 2


async def test_the_turn_of_one_who_left_goes_to_the_next(rates: Rates) -> None:
    """Nobody gets it who does not wait any more."""
    pace = Pace(rates, "main", 5.0)
    rates.gate.clear()
    first, second = waiting(pace, T, T)
    await breathe()
    first.cancel()
    await breathe()
    rates.gate.set()
    await second

    assert len(rates.leases) == 1
    assert first.cancelled()
    assert pace.waiting == 0


async def test_a_turn_given_back_goes_to_the_next(rates: Rates) -> None:
    """Who need not wait for another slice."""
    pace = Pace(rates, "main", 5.0)
    await pace.turn(T)
    rates.gate.clear()
    (other,) = waiting(pace, B)
    await breathe()
    pace.give_back()

    await asyncio.wait_for(other, 5)


async def test_a_turn_given_back_is_kept_for_whoever_comes(rates: Rates) -> None:
    """One of them: an account that rested may not be stormed."""
    pace = Pace(rates, "main", 5.0)
    await pace.turn(T)
    for _ in range(3):
        pace.give_back()
    await asyncio.gather(*waiting(pace, T, T))

    assert len(rates.leases) == 2


async def test_a_turn_given_back_where_there_is_no_limit_is_nothing(rates: Rates, clock: Clock) -> None:
    """There are more of them than anybody wants."""
    pace = Pace(rates, "main", None, clock=clock)
    await pace.turn(T)
    pace.give_back()
    await pace.slow(0.0, "HTTP 429")
    await pace.turn(T)

    assert len(rates.leases) == 1


# Pauses


@pytest.mark.parametrize("limit", [None, 5.0])
async def test_a_long_pause_is_told_at_once(rates: Rates, clock: Clock, limit: float | None) -> None:
    """So that the message may go elsewhere, or to the broker."""
    pace = Pace(rates, "main", limit, clock=clock)
    await pace.slow(60.0, "HTTP 429")
    clock.move(1.0)
    with pytest.raises(PausedError) as paused:
        await asyncio.wait_for(pace.turn(T), 10)

    assert paused.value.wait == 59.0
    assert not rates.leases


async def test_a_short_pause_is_waited_out(rates: Rates) -> None:
    """Two seconds are less than a way through the broker."""
    pace = Pace(rates, "main", None)
    pace.told(None, 0, 0.4)
    began = time.monotonic()
    await pace.turn(T)

    assert 0.35 <= time.monotonic() - began < 3.0


async def test_a_pause_that_becomes_longer_is_told(rates: Rates) -> None:
    """To those who were waiting it out."""
    pace = Pace(rates, "main", None)
    pace.told(None, 0, 0.3)
    (task,) = waiting(pace, T)
    await breathe()
    pace.told(None, 0, 60.0)

    with pytest.raises(PausedError):
        await asyncio.wait_for(task, 5)


async def test_who_waits_out_a_pause_without_a_limit_heeds_the_one_learned_meanwhile(rates: Rates) -> None:
    """All who waited would go at once otherwise."""
    pace = Pace(rates, "main", None)
    pace.told(None, 0, 0.3)
    (task,) = waiting(pace, T)
    await breathe()
    pace.told(10.0, None, None)
    await asyncio.wait_for(task, 5)

    assert len(rates.leases) == 1


async def test_a_pause_that_another_mailer_asked_for_is_told_to_all(rates: Rates, clock: Clock) -> None:
    """And to whoever comes later, without asking again."""
    pace = Pace(rates, "main", 5.0, clock=clock)
    rates.answers = deque([Slice(30.0, 0.0, paused=True, reason="HTTP 429")])
    results = await asyncio.gather(*waiting(pace, T, B, T), return_exceptions=True)
    clock.move(10.0)
    with pytest.raises(PausedError) as paused:
        await pace.turn(B)

    assert [(PausedError, 30.0, "HTTP 429")] * 3 == [
        (type(each), getattr(each, "wait", 0), str(each)) for each in results
    ]
    assert paused.value.wait == 20.0
    assert len(rates.leases) == 1


@pytest.mark.parametrize("answer", [Slice(0.1, 0.0, paused=True), Slice(2.5, 0.0, paused=False)])
async def test_a_short_pause_or_a_full_account_is_waited_for(rates: Rates, answer: Slice) -> None:
    """Only a long pause is worth going elsewhere for."""
    pace = Pace(rates, "main", 5.0)
    rates.answers = deque([answer, AT_ONCE])
    await asyncio.wait_for(pace.turn(T), 10)

    assert len(rates.leases) == 2


# Ends


async def test_closing_frees_everybody(rates: Rates) -> None:
    """Of both lanes; whoever has a turn keeps it."""
    pace = Pace(rates, "main", 5.0)
    await pace.turn(T)
    rates.gate.clear()
    tasks = waiting(pace, T, B, T)
    await breathe()
    pace.close(ConnectionAbortedError("closing"))
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)

    assert {ConnectionAbortedError} == set(map(type, results))
    assert pace.waiting == 0


@pytest.mark.parametrize("error", [RatesUnavailableError(), ZeroDivisionError("bug")])
async def test_a_store_that_is_away_is_told_to_everybody(rates: Rates, error: Exception) -> None:
    """Nobody waits for ever; and when it is back, turns are given again."""
    pace = Pace(rates, "main", 5.0)
    rates.answers = deque([error, AT_ONCE])
    rates.gate.clear()
    tasks = waiting(pace, T, B, T)
    await breathe()
    rates.gate.set()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    await breathe()
    await asyncio.wait_for(pace.turn(T), 5)

    assert {type(error)} == set(map(type, results))


# With the store that is in use


async def test_a_rate_is_kept(world: World) -> None:
    """However many ask at once; and nothing is saved up while nobody does."""
    pace = Pace(world.rates, "main", 40.0)
    await pace.turn(T)
    await asyncio.sleep(0.3)
    began = time.monotonic()
    await asyncio.gather(*waiting(pace, *[T, B] * 10))
    took = time.monotonic() - began

    assert took >= 19 / 40.0 - 0.11


async def test_mailers_share_a_rate(world: World) -> None:
    """Together they are as fast as one."""
    paces = [Pace(world.rates, "main", 40.0) for _ in range(3)]
    began = time.monotonic()
    await asyncio.gather(*(task for pace in paces for task in waiting(pace, *[T] * 10)))
    took = time.monotonic() - began

    assert took >= 27 / 40.0 - 0.11


async def test_a_complaint_to_one_mailer_pauses_the_others(world: World) -> None:
    """As soon as they ask for turns."""
    first, second = (Pace(world.rates, "main", 40.0) for _ in range(2))
    await first.turn(T)
    await first.slow(60.0, "HTTP 429")
    with pytest.raises(PausedError) as paused:
        await second.turn(T)

    assert 55.0 < paused.value.wait <= 60.0
    assert str(paused.value) == "HTTP 429"


async def test_accounts_have_rates_of_their_own(world: World) -> None:
    """One that is slow keeps nobody from another."""
    slow, quick = Pace(world.rates, "slow", 0.01), Pace(world.rates, "quick", 1000.0)
    await slow.turn(T)
    (task,) = waiting(slow, T)
    await asyncio.wait_for(asyncio.gather(*waiting(quick, *[T] * 20)), 20)

    assert not task.done()
    slow.close(ConnectionAbortedError())
    await asyncio.gather(task, return_exceptions=True)
