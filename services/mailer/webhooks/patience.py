"""Receivers that keep everybody waiting are left alone for a moment.

One that never answers would otherwise have every slot wait for it, and all other receivers behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from services.mailer.webhooks.destination import NotPostedError

_IN_A_ROW = 5
_PAUSE_SECONDS = 30.0
_MOST_RECEIVERS = 10_000


@dataclass(slots=True)
class _Slow:
    in_a_row: int = 0
    until: float = 0.0


class Patience:
    """Counts in each mailer process, by the URL, who let the deadline pass."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slow: dict[str, _Slow] = {}

    def admit(self, url: str) -> None:
        """Let an attempt pass, unless so many before it waited in vain; one in a while finds out.

        Raises:
            NotPostedError: The receiver is left alone.
        """
        slow = self._slow.get(url)
        if slow is None or slow.in_a_row < _IN_A_ROW:
            return
        left = slow.until - self._clock()
        if left > 0:
            raise NotPostedError("left alone for a moment: it did not answer in time again and again", left)
        slow.until = self._clock() + _PAUSE_SECONDS

    def waited_in_vain(self, url: str) -> None:
        """It let the deadline pass."""
        slow = self._slow.setdefault(url, _Slow())
        slow.in_a_row += 1
        slow.until = self._clock() + _PAUSE_SECONDS
        if len(self._slow) > _MOST_RECEIVERS:
            del self._slow[next(iter(self._slow))]

    def answered(self, url: str) -> None:
        """It answered."""
        self._slow.pop(url, None)
