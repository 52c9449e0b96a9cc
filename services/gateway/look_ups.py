"""Look-ups in the ledger that are shared, and good for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _LookUp(Generic[V]):
    asked_at: float
    answer: asyncio.Task[V | None]


class LookUps(Generic[K, V]):
    """Who asks for the same thing within ``fresh`` seconds gets the same answer.

    At most ``capacity`` answers are kept.  Failures and misses are not: what has just been made can
    be used at once.
    """

    def __init__(self, look_up: Callable[[K], Awaitable[V | None]], *, fresh: float, capacity: int) -> None:
        self._look_up = look_up
        self._fresh = fresh
        self._capacity = capacity
        self._kept: dict[K, _LookUp[V]] = {}  # the oldest first

    async def get(self, key: K) -> V | None:
        """Return what is there under *key*, or was there at most ``fresh`` seconds ago.

        Raises:
            Exception: What the look-up raised.
        """
        now = asyncio.get_running_loop().time()
        found = self._kept.get(key)
        if found is None or now - found.asked_at > self._fresh:
            found = _LookUp(now, asyncio.create_task(self._ask(key)))
            self._kept.pop(key, None)
            self._kept[key] = found
            found.answer.add_done_callback(lambda answer: self._judge(key, answer))
            self._shrink(now)
        # Whoever goes away must not take the answer from the others.
        return await asyncio.shield(found.answer)

    def forget(self) -> None:
        """Look everything up anew, because something was changed here."""
        self._kept.clear()

    async def _ask(self, key: K) -> V | None:
        return await self._look_up(key)

    def _judge(self, key: K, answer: asyncio.Task[V | None]) -> None:
        useless = answer.cancelled() or answer.exception() is not None or answer.result() is None
        found = self._kept.get(key)
        if useless and found is not None and found.answer is answer:
            del self._kept[key]

    def _shrink(self, now: float) -> None:
        """Forget what is stale, two for each one that is new, and what is too much."""
        for oldest, kept in list(islice(self._kept.items(), 2)):
            if now - kept.asked_at > self._fresh or len(self._kept) > self._capacity:
                del self._kept[oldest]
