"""What mailers may rely on when they share the rate of an account, be it kept in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.mailer.claims.claims import Claims, State
from services.mailer.providers import hints
from services.mailer.rates.rates import (
    LEAST_SHARE,
    RECOVERY_SECONDS,
    SLOWING,
    RatesUnavailableError,
    Slice,
)
from services.mailer.rates.rules import LONGEST_PAUSE_SECONDS
from tests.contract.mailers import ACCOUNT, OTHER, AnyRates, Stores, granted, locked_claims, settle
from tests.servers.postgresql import PostgreSQL
from tests.servers.server import free_port

LIMIT = 100.0
COUNT = 5
LONG = 3600.0
"""Seconds to lease ahead, where nobody shall be turned away."""


@pytest.fixture
def rates(stores: Stores) -> AnyRates:
    """One mailer's rates."""
    return stores.rates()


@pytest.fixture
def slow(stores: Stores) -> AnyRates:
    """Those of a mailer with slow accounts, so that what a test takes is nothing beside a slice."""
    return stores.rates(ahead=100.0)


def about(seconds: float) -> Any:
    """A time that a database's clock has gone on from, by a moment."""
    return pytest.approx(seconds, abs=5.0)


def recovering(rate: float) -> Any:
    """A rate that may have come back by a little meanwhile, and has not sunk."""
    return pytest.approx(1.02 * rate, rel=0.03)


async def lease(rates: AnyRates, count: int = COUNT, limit: float = LIMIT, share: float = 1.0) -> Slice:
    """Lease, of the one account."""
    return await rates.lease(ACCOUNT, count=count, limit=limit, share=share)


async def rate_of(rates: AnyRates, limit: float = LIMIT) -> float:
    """How fast the account may be sent to by now."""
    given = await lease(rates, limit=limit)
    return given.turns / given.length


async def given_away(stores: Stores) -> float:
    """Up to when the account's time is, by the database's clock."""
    if stores.is_postgresql:
        connection = await asyncpg.connect(stores.url)
        moment: float = await connection.fetchval("SELECT free_at FROM rates WHERE account = $1", ACCOUNT)
        await connection.close()
        return moment
    with closing(sqlite3.connect(stores.path)) as db:
        (moment,) = db.execute("SELECT free_at FROM rates WHERE account = ?", (ACCOUNT,)).fetchone()
    return moment


# Slices


async def test_an_account_that_rests_may_be_sent_to_at_once(rates: AnyRates) -> None:
    """The first slice begins now, and is as long as its requests take."""
    assert Slice(0.0, COUNT / LIMIT, COUNT) == await lease(rates)


async def test_a_slice_begins_where_the_one_before_ends(slow: AnyRates) -> None:
    """Whoever asks."""
    await lease(slow, count=50, limit=1.0)

    given = await lease(slow, count=25, limit=1.0)

    assert given.starts_in == about(50.0)
    assert given.length == pytest.approx(25.0)


async def test_time_that_nobody_asked_for_is_gone(stores: Stores, slow: AnyRates) -> None:
    """Nothing piles up while nobody asks."""
    await lease(slow, limit=1.0)
    await stores.pass_time(600)

    assert Slice(0.0, 50.0, 50) == await lease(slow, count=50, limit=1.0)
    assert (await lease(slow, limit=1.0)).starts_in == about(50.0)


async def test_each_account_has_time_of_its_own(rates: AnyRates) -> None:
    """Using one up takes nothing from another, and neither does a pause."""
    await lease(rates, count=1000)
    await rates.pause(ACCOUNT, pause=60.0, reason="401")

    assert Slice(0.0, 0.1, 1) == await rates.lease(OTHER, count=1, limit=10.0)
    assert (0.0, None) == await rates.paused(OTHER)


async def test_nobody_takes_more_than_may_be_taken_ahead(stores: Stores, slow: AnyRates) -> None:
    """Who asks for more is told when to ask again, and nothing is given away by that."""
    await lease(slow, count=150, limit=1.0)

    refused = [await lease(slow, limit=1.0) for _ in range(5)]

    assert {(0.0, False)} == {(given.length, given.paused) for given in refused}
    assert all(40.0 < given.starts_in <= 50.0 for given in refused)

    await stores.pass_time(refused[-1].starts_in)

    assert Slice(about(100.0), COUNT, COUNT) == await lease(slow, limit=1.0)


async def test_a_cautious_asker_gets_fewer_turns(rates: AnyRates) -> None:
    """A tenth of the rate: a tenth of the requests in the same time, but one at least."""
    shares = [(50, 0.1), (5, 0.1), (50, 0.5)]
    given = [await lease(rates, count=count, share=share) for count, share in shares]

    assert [5, 1, 25] == [one.turns for one in given]
    assert [pytest.approx(length) for length in (0.5, 0.1, 0.5)] == [one.length for one in given]


@pytest.mark.parametrize("askers", [1, 4])
async def test_the_total_is_the_same_for_any_number_of_mailers(stores: Stores, askers: int) -> None:
    """No two slices overlap, so nobody sends in another's; and no time between them is lost."""
    mailers = [stores.rates(ahead=LONG) for _ in range(askers)]
    for mailer in mailers:
        await mailer.paused(ACCOUNT)  # connected, all of them
    await lease(mailers[0])
    begin = await given_away(stores)

    async def take(mailer: AnyRates) -> float:
        return sum([(await lease(mailer)).length for _ in range(200 // askers)])

    taken = sum(await asyncio.gather(*map(take, mailers)))

    assert taken == pytest.approx(200 * COUNT / LIMIT)
    assert taken == pytest.approx(await given_away(stores) - begin)


async def test_who_asks_again_when_told_keeps_the_account_busy(stores: Stores) -> None:
    """Four mailers that take what they get, for some seconds: all of the time is given, to all of them."""
    mailers = [stores.rates(ahead=2.0) for _ in range(4)]
    for mailer in mailers:
        await mailer.paused(ACCOUNT)  # connected, all of them
    await lease(mailers[0], count=150)  # time for them to begin in
    begin, end = await given_away(stores), time.monotonic() + 5.0

    async def work(mailer: AnyRates) -> float:
        used = 0.0
        while time.monotonic() < end:
            given = await lease(mailer, count=50)
            used += given.length
            await asyncio.sleep(given.starts_in)
        return used

    shares = await asyncio.gather(*map(work, mailers))

    assert sum(shares) == pytest.approx(await given_away(stores) - begin)
    assert min(shares) > 0.25


async def test_a_limit_that_changes_holds_from_the_next_slice_on(rates: AnyRates) -> None:
    """Upwards and downwards; for an account that was slowed before as well."""
    assert [COUNT / 10, COUNT / 1000] == [
        (await lease(rates, limit=limit)).length for limit in (10.0, 1000.0)
    ]

    await rates.slow(ACCOUNT, pause=0.01, limit=1000.0, reason="429")
    await asyncio.sleep(0.02)

    assert await rate_of(rates, 10.0) == pytest.approx(10.0)


# Clocks that are set


SET_BACK = [7200.0, 86_400.0, 3650 * 86_400.0]


@pytest.mark.parametrize("seconds", SET_BACK)
async def test_time_given_away_by_a_clock_that_was_ahead_is_free(
    stores: Stores, rates: AnyRates, seconds: float
) -> None:
    """Otherwise nothing would be sent until the clock is there again."""
    await lease(rates, count=150)
    await lease(rates)  # refused: it is full
    await stores.pass_time(-seconds)

    assert Slice(0.0, COUNT / LIMIT, COUNT) == await lease(rates)


@pytest.mark.parametrize("seconds", SET_BACK)
async def test_a_pause_by_a_clock_that_was_ahead_is_over(
    stores: Stores, rates: AnyRates, seconds: float
) -> None:
    """And the rate is back; the next refusal slows it down again, and for its own time."""
    await lease(rates)
    await rates.slow(ACCOUNT, pause=30.0, limit=LIMIT, reason="429")
    await stores.pass_time(-seconds)

    assert (0.0, None) == await rates.paused(ACCOUNT)
    assert await rate_of(rates) == pytest.approx(LIMIT, rel=0.01)

    await rates.slow(ACCOUNT, pause=20.0, limit=LIMIT, reason="again")
    assert (about(20.0), "again") == await rates.paused(ACCOUNT)
    await stores.pass_time(20.0)
    assert await rate_of(rates) == recovering(SLOWING * LIMIT)


async def test_a_clock_that_is_set_back_a_little_is_waited_for(stores: Stores, slow: AnyRates) -> None:
    """Half of what may be taken ahead is no error worth sending too fast for."""
    await lease(slow, count=150, limit=1.0)
    await stores.pass_time(-50.0)

    assert 0.0 == (await lease(slow, limit=1.0)).length


def test_no_provider_may_ask_for_a_longer_pause() -> None:
    """What it asks for is cut before it comes here."""
    assert max(hints.LONGEST, hints.QUOTA_LONGEST) <= LONGEST_PAUSE_SECONDS


# Pauses


async def test_nothing_is_given_while_an_account_pauses(stores: Stores, rates: AnyRates) -> None:
    """All mailers are told why, and when to ask again; then it goes on at its rate."""
    await lease(rates)
    await rates.pause(ACCOUNT, pause=30.0, reason="401: unauthorised")
    told = Slice(about(30.0), 0.0, paused=True, reason="401: unauthorised")

    for mailer in (rates, stores.rates()):
        assert told == await lease(mailer)
        assert (about(30.0), "401: unauthorised") == await mailer.paused(ACCOUNT)

    await stores.pass_time(30.0)

    assert (0.0, None) == await rates.paused(ACCOUNT)
    assert Slice(0.0, COUNT / LIMIT, COUNT) == await lease(rates)


async def test_an_account_that_nobody_used_may_pause(rates: AnyRates) -> None:
    """It is known by its name."""
    assert (0.0, None) == await rates.paused(ACCOUNT)

    await rates.pause(ACCOUNT, pause=30.0, reason="quota")

    assert (await lease(rates)).paused


@pytest.mark.parametrize("pauses", [(60.0, 10.0), (10.0, 60.0)])
async def test_the_longer_pause_counts(rates: AnyRates, pauses: tuple[float, float]) -> None:
    """With its reason, whichever came first."""
    for pause in pauses:
        await rates.pause(ACCOUNT, pause=pause, reason=f"for {pause}")

    assert (about(60.0), "for 60.0") == await rates.paused(ACCOUNT)


async def test_a_pause_can_be_ended(stores: Stores, rates: AnyRates) -> None:
    """However long it was; even that of an account that was too fast, which recovers from then on."""
    await rates.pause(ACCOUNT, pause=600.0, reason="401")
    await rates.pause(ACCOUNT, pause=0.0, reason=None)

    assert (0.0, None) == await rates.paused(ACCOUNT)
    assert not (await lease(rates)).paused

    await rates.slow(ACCOUNT, pause=600.0, limit=LIMIT, reason="429")
    await rates.pause(ACCOUNT, pause=0.0, reason=None)

    assert (0.0, None) == await rates.paused(ACCOUNT)
    assert await rate_of(rates) == recovering(SLOWING * LIMIT)

    await stores.pass_time(RECOVERY_SECONDS / 10)

    assert await rate_of(rates) == recovering((SLOWING + 0.1) * LIMIT)


# Too fast


async def test_an_account_that_was_too_fast_pauses_and_slows_down(stores: Stores, rates: AnyRates) -> None:
    """It is as slow when the pause ends as when it began."""
    await lease(rates)
    await rates.slow(ACCOUNT, pause=30.0, limit=LIMIT, reason="429")

    assert (about(30.0), "429") == await rates.paused(ACCOUNT)
    assert Slice(about(30.0), 0.0, paused=True, reason="429") == await lease(rates)

    await stores.pass_time(30.0)

    assert await rate_of(rates) == recovering(SLOWING * LIMIT)


async def test_the_first_thing_heard_of_an_account_may_be_that_it_is_too_fast(
    stores: Stores, rates: AnyRates
) -> None:
    """It slows down like any other."""
    await rates.slow(ACCOUNT, pause=30.0, limit=LIMIT, reason="429")
    await stores.pass_time(30.0)

    assert await rate_of(rates) == recovering(SLOWING * LIMIT)


async def test_one_burst_slows_once(stores: Stores, rates: AnyRates) -> None:
    """Twenty refusals, heard by two mailers, are one; the longest pause asked for counts."""
    other = stores.rates()
    await lease(rates)
    pauses = [5.0, 30.0, *[1.0] * 8]

    await asyncio.gather(
        *(m.slow(ACCOUNT, pause=pause, limit=LIMIT, reason="429") for m in (rates, other) for pause in pauses)
    )

    assert (await rates.paused(ACCOUNT))[0] == about(30.0)

    await stores.pass_time(30.0)

    assert await rate_of(rates) == recovering(SLOWING * LIMIT)


async def test_a_pause_for_another_reason_does_not_hide_a_burst(stores: Stores, rates: AnyRates) -> None:
    """Nor does it make one burst two, when it is the longer one."""
    await rates.pause(ACCOUNT, pause=60.0, reason="401")
    for _ in range(2):
        await rates.slow(ACCOUNT, pause=10.0, limit=LIMIT, reason="429")
        await stores.pass_time(20.0)

    assert (about(20.0), "401") == await rates.paused(ACCOUNT)

    await stores.pass_time(20.0)

    assert await rate_of(rates) == recovering(SLOWING * LIMIT)


async def test_burst_after_burst_slows_further_but_not_to_nothing(stores: Stores, rates: AnyRates) -> None:
    """There is a least share of the limit that is always tried."""
    found = []
    for _ in range(12):
        await rates.slow(ACCOUNT, pause=1.0, limit=LIMIT, reason="429")
        begun = time.monotonic()
        await stores.pass_time(1.0)
        rate = await rate_of(rates)
        found.append(rate - LIMIT / RECOVERY_SECONDS * (time.monotonic() - begun))  # recovered meanwhile

    assert found[1] == pytest.approx(SLOWING**2 * LIMIT, rel=0.02)
    assert all(after < before * 1.02 for before, after in pairwise(found))
    assert found[-1] == pytest.approx(LEAST_SHARE * LIMIT, rel=0.1)


async def test_a_slice_is_no_longer_where_the_rate_is_low(stores: Stores, rates: AnyRates) -> None:
    """A pause that begins meanwhile would otherwise be noticed after seconds, and so would other mailers."""
    for _ in range(12):
        await rates.slow(ACCOUNT, pause=1.0, limit=LIMIT, reason="429")
        await stores.pass_time(1.0)
    given = [await lease(rates, count=count) for count in (1, 10, 50)]

    assert [1, 1] == [one.turns for one in given[:2]]
    assert 2 <= given[2].turns <= 4
    assert all(one.length == pytest.approx(one.turns / (LEAST_SHARE * LIMIT), rel=0.5) for one in given)
    assert given[2].length <= 50 / LIMIT


async def test_a_slowed_account_recovers(stores: Stores, rates: AnyRates) -> None:
    """Little by little, up to its limit."""
    await rates.slow(ACCOUNT, pause=1.0, limit=LIMIT, reason="429")
    await stores.pass_time(1.0)
    found = []
    for _ in range(5):
        found.append(await rate_of(rates) / LIMIT)
        await stores.pass_time(RECOVERY_SECONDS / 10)

    expected = [min(SLOWING + 0.1 * tenths, 1.0) for tenths in range(5)]
    assert [recovering(share) for share in expected] == found


async def test_an_account_that_recovers_slows_from_where_it_is(stores: Stores, rates: AnyRates) -> None:
    """Not from where it fell to."""
    await rates.slow(ACCOUNT, pause=1.0, limit=LIMIT, reason="429")
    await stores.pass_time(1.0 + RECOVERY_SECONDS)
    await rates.slow(ACCOUNT, pause=1.0, limit=LIMIT, reason="429")
    await stores.pass_time(1.0)

    assert await rate_of(rates) == recovering(SLOWING * LIMIT)


# Availability


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_unreachable_rates_are_unavailable(kind: str, tmp_path: Path) -> None:
    """Nobody knows then how fast one may send."""
    url = f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/nowhere"
    stores = Stores(url if kind == "postgresql" else f"sqlite:///{tmp_path}")
    rates = stores.rates()

    answers = await asyncio.gather(
        lease(rates),
        rates.slow(ACCOUNT, pause=1.0, limit=LIMIT, reason="429"),
        rates.pause(ACCOUNT, pause=1.0, reason=None),
        rates.paused(ACCOUNT),
        return_exceptions=True,
    )
    await stores.close()

    assert {RatesUnavailableError} == set(map(type, answers))


async def test_a_restarted_postgresql_remembers(postgresql: PostgreSQL, server_stores: Stores) -> None:
    """The pause goes on, and the connection is made again."""
    rates = server_stores.rates()
    await rates.pause(ACCOUNT, pause=600.0, reason="401")
    await asyncio.to_thread(postgresql.stop)
    with pytest.raises(RatesUnavailableError):
        await lease(rates)
    await asyncio.to_thread(postgresql.start)

    assert (await lease(rates)).paused


async def test_rates_do_not_wait_for_claims(server_stores: Stores) -> None:
    """A mailer's claims are stuck behind a lock; its rates are not."""
    claims, rates = Claims(server_stores.open()), server_stores.rates()
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id), State.DEFERRED)
    await lease(rates)
    async with locked_claims(server_stores.url):
        stuck = asyncio.create_task(granted(claims, message_id))
        async with asyncio.timeout(5):
            await lease(rates)

        assert not stuck.done()

    assert (await stuck).attempt == 2
