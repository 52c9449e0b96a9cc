"""How old claims are removed: a few at a time, and for ever."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

import structlog

from services.mailer.claims.claims import (
    Beginning,
    Claim,
    Claims,
    ClaimsUnavailableError,
    Settled,
    Settlement,
    Wish,
)
from services.mailer.housekeeping import purge, purge_for_ever
from tests.mailer.world import Postbox, World, email

DAY = 86_400.0


class Store:
    """Claims of which so many are too old."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = deque(answers)
        self.asked: list[tuple[float, int]] = []

    async def purge(self, *, older_than: float, limit: int) -> int:
        self.asked.append((older_than, limit))
        answer = self.answers.popleft() if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def take(self, wishes: Sequence[Wish]) -> list[Claim]:
        raise NotImplementedError

    async def begin(self, beginnings: Sequence[Beginning]) -> list[int | None]:
        raise NotImplementedError

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        raise NotImplementedError


async def test_old_claims_are_removed_and_new_ones_stay(world: World) -> None:
    """A copy of an old message that comes now would be sent again, one of a new message is not."""
    delivery = world.delivery(Postbox("postbox"))
    old, new = email(), email()
    await delivery.attempt(old)
    world.pass_time(2 * DAY)
    await delivery.attempt(new)

    assert await purge(world.claims, older_than=DAY) == 1
    assert await purge(world.claims, older_than=DAY) == 0
    assert not isinstance(await world.claim(old), Settled)
    assert isinstance(await world.claim(new), Settled)


async def test_they_are_removed_a_few_at_a_time() -> None:
    """With a pause after each, since attempts come first; until there are none."""
    store = Store(1000, 1000, 3)
    began = time.monotonic()
    purged = await purge(Claims(store), older_than=DAY)

    assert purged == 2003
    assert [(DAY, 1000)] * 4 == store.asked
    assert time.monotonic() - began >= 0.3


async def test_a_database_that_is_away_keeps_them() -> None:
    """Until the next time; what was removed before is told all the same."""
    cause = ConnectionRefusedError("db.example:5432")
    error = ClaimsUnavailableError()
    error.__cause__ = cause
    store = Store(1000, error)
    with structlog.testing.capture_logs() as logs:
        purged = await purge(Claims(store), older_than=DAY)
    expected = [
        {
            "event": "claims.unavailable",
            "during": "purge",
            "cause": "ConnectionRefusedError",
            "log_level": "warning",
        },
        {"event": "claims.purged", "claims": 1000, "log_level": "info"},
    ]

    assert purged == 1000
    assert expected == logs


async def test_nothing_removed_is_not_worth_a_line() -> None:
    """It is so every hour."""
    with structlog.testing.capture_logs() as logs:
        await purge(Claims(Store()), older_than=DAY)

    assert not logs


async def test_it_goes_on_for_ever() -> None:
    """Also after a time at which the database was away; the sooner the shorter claims are kept."""
    store = Store(ClaimsUnavailableError(), 0, 0)
    task = asyncio.create_task(purge_for_ever(Claims(store), older_than=0.05))
    async with asyncio.timeout(10):
        while len(store.asked) < 4:  # noqa: ASYNC110 - the store has no bell
            await asyncio.sleep(0.01)
    still = not task.done()
    task.cancel()

    assert still
    assert {(0.05, 1000)} == set(store.asked)


async def test_nothing_is_removed_at_the_start() -> None:
    """Mailers that start together would all do so at once, in the moment that they have most to do."""
    store = Store()
    task = asyncio.create_task(purge_for_ever(Claims(store), older_than=DAY))
    await asyncio.sleep(0.1)
    task.cancel()

    assert not store.asked
