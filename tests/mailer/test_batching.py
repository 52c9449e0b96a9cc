"""How many attempts share one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.mailer.batching import Batching


class Doubler:
    """Doubles numbers, slowly, and remembers in which batches they came."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.running = 0
        self.most_running = 0

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.batches.append(list(numbers))
        await asyncio.sleep(0.01)
        self.running -= 1
        if 13 in numbers:
            message = "unlucky"
            raise ArithmeticError(message)
        return [2 * number for number in numbers]


async def test_each_caller_gets_its_own_result() -> None:
    """In whatever company it was served."""
    doubled = Batching(Doubler())
    expected = [2 * number for number in range(20, 50)]

    assert expected == await asyncio.gather(*map(doubled, range(20, 50)))


async def test_a_batch_is_what_waits_when_the_one_before_is_done() -> None:
    """Nobody waits on purpose, and nobody is left behind."""
    doubler = Doubler()
    doubled = Batching(doubler)
    first = asyncio.create_task(doubled(1))
    await asyncio.sleep(0.001)
    await asyncio.gather(first, *map(doubled, (2, 3, 4)))
    await doubled(5)
    expected = [[1], [2, 3, 4], [5]]

    assert expected == doubler.batches


async def test_runs_do_not_overlap() -> None:
    """There is one connection behind them."""
    doubler = Doubler()
    doubled = Batching(doubler, limit=2)
    await asyncio.gather(*map(doubled, range(20, 30)))

    assert doubler.most_running == 1


async def test_a_batch_has_a_limit() -> None:
    """A thousand waiting attempts do not become one giant statement."""
    doubler = Doubler()
    doubled = Batching(doubler, limit=4)
    await asyncio.gather(*map(doubled, range(20, 30)))
    expected = [4, 4, 2]

    assert expected == list(map(len, doubler.batches))


async def test_a_failure_is_told_to_everybody_in_the_batch_and_nobody_else() -> None:
    """The next batch is served as if nothing had happened."""
    doubled = Batching(Doubler(), limit=2)
    results = await asyncio.gather(*map(doubled, (12, 13, 14, 15)), return_exceptions=True)
    expected = [ArithmeticError, ArithmeticError, 28, 30]

    assert expected == [type(result) if isinstance(result, Exception) else result for result in results]


async def test_a_caller_who_gave_up_disturbs_nobody() -> None:
    """Its neighbours get their results all the same."""
    doubled = Batching(Doubler())
    calls = [asyncio.create_task(doubled(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0.001)
    calls[1].cancel()
    expected = [2, 6]

    assert expected == [await calls[0], await calls[2]]

    with pytest.raises(asyncio.CancelledError):
        await calls[1]


async def test_it_starts_again_after_a_rest() -> None:
    """Work comes when it comes."""
    doubled = Batching(Doubler())
    results = []
    for number in (1, 2):
        results.append(await doubled(number))
        await asyncio.sleep(0.02)
    expected = [2, 4]

    assert expected == results
