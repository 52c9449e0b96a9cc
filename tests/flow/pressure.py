"""Callers who press: so many at a time, each posting again as soon as it is answered."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any, Self, TypeVar

import uvloop

from tests.flow.system import EMAIL, System

T = TypeVar("T")


@dataclass
class Answers:
    """What callers were answered, and how soon in seconds."""

    seconds: float
    by_status: dict[int, list[float]] = field(default_factory=dict)
    unanswered: int = 0

    def __add__(self, more: Answers) -> Answers:
        both = {
            status: [*self.by_status.get(status, ()), *more.by_status.get(status, ())]
            for status in self.by_status | more.by_status
        }
        return Answers(self.seconds + more.seconds, both, self.unanswered + more.unanswered)

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
    system: System, callers: int, seconds: float, *, key: str = "", pause: float = 0.0, patience: float = 0.02
) -> Answers:
    """Have so many callers post for so many seconds; they begin one after another, within a *pause*.

    Each rests for half of its pause to half as long again, as the dice fall: callers who keep step with
    one another would meet always, or never.  Who is refused comes again after *patience* seconds, far less
    than the Retry-After that it was told.  They speak HTTP by themselves: a client for all that there is
    costs more than what is pressed.
    """
    answers = Answers(seconds)
    until = time.monotonic() + seconds
    body = json.dumps(EMAIL).encode()
    headers = {**(system.headers(key) if key else system.headers()), "Content-Type": "application/json"}
    lines = ["POST /emails HTTP/1.1", "Host: pillarbox", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = "\r\n".join([*lines, "", ""]).encode() + body

    async def call(number: int) -> None:
        dice = random.Random(number)
        await asyncio.sleep(pause * number / callers)
        async with _Line(system.port) as line:
            while time.monotonic() < until:
                begun = time.perf_counter()
                try:
                    status = await line.ask(request)
                except (OSError, EOFError):
                    answers.unanswered += 1
                    continue
                answers.by_status.setdefault(status, []).append(time.perf_counter() - begun)
                await asyncio.sleep((pause if status == 202 else patience) * dice.uniform(0.5, 1.5))

    await asyncio.gather(*(call(number) for number in range(callers)))
    return answers


class _Line:
    """A connection, and the next one where that is closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hang_up()

    async def ask(self, request: bytes) -> int:
        """Return the status of the answer, once all of it is there.

        Raises:
            OSError: The connection broke.
            EOFError: It ended too early.
        """
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._open
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"\r\ncontent-length: (\d+)", head)
            assert length is not None
            await reader.readexactly(int(length[1]))
        except BaseException:
            self._hang_up()
            raise
        if b"\r\nconnection: close" in head:
            self._hang_up()
        return int(head.split(b" ", 2)[1])

    def _hang_up(self) -> None:
        if self._open is not None:
            self._open[1].close()
        self._open = None


def pressing(callers: Coroutine[Any, Any, T]) -> T:
    """Run callers, on a loop that leaves as much of a small machine as it can to whom they press."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(callers)
