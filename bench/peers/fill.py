"""Fills a peer's queue before its workers start: ``python -m bench.peers.fill with_celery 1000``."""

from __future__ import annotations

import asyncio
import sys

from bench import letters
from bench.peers.queueing import queueing

_AT_A_TIME = 50


async def fill(name: str, count: int) -> None:
    """Publish so many e-mails, some at a time."""
    ways = queueing(name)
    await ways.start()
    for first in range(0, count, _AT_A_TIME):
        numbers = range(first, min(first + _AT_A_TIME, count))
        await asyncio.gather(*(ways.publish(letters.email(number)) for number in numbers))
    await ways.stop()


if __name__ == "__main__":
    asyncio.run(fill(sys.argv[1], int(sys.argv[2])))
