"""Callers who press: so many at a time, each posting again as soon as it is answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import median, quantiles

import aiohttp

from tests.flow.system import EMAIL, System

_PAUSE_SECONDS = 0.02
"""After a refusal; far less than the Retry-After that it came with."""


@dataclass
class Answers:
    """What callers were answered, and how soon in seconds."""

    seconds: float
    by_status: dict[int, list[float]] = field(default_factory=dict)
    unanswered: int = 0

    @property
    def statuses(self) -> Counter[int]:
        """How many answers of each status."""
        return Counter({status: len(times) for status, times in self.by_status.items()})

    @property
    def goodput(self) -> float:
        """Accepted requests a second."""
        return len(self.by_status.get(202, ())) / self.seconds

    def typical(self, status: int = 202) -> float:
        """The median."""
        return median(self.by_status[status])

    def slow(self, status: int = 202) -> float:
        """The 99th percentile."""
        return quantiles(self.by_status[status], n=100, method="inclusive")[98]


async def press(
    system: System, callers: int, seconds: float, *, key: str = "", pause: float = 0.0
) -> Answers:
    """Have so many callers post for so many seconds."""
    answers = Answers(seconds)
    until = time.monotonic() + seconds
    headers = system.headers(key) if key else system.headers()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        str(system.client.base_url), headers=headers, connector=connector
    ) as session:

        async def call() -> None:
            while time.monotonic() < until:
                begun = time.perf_counter()
                try:
                    async with session.post("/emails", json=EMAIL) as answer:
                        await answer.read()
                        status = answer.status
                except aiohttp.ClientError:
                    answers.unanswered += 1
                    continue
                answers.by_status.setdefault(status, []).append(time.perf_counter() - begun)
                await asyncio.sleep(pause if status == 202 else _PAUSE_SECONDS)

        await asyncio.gather(*(call() for _ in range(callers)))
    return answers
