"""Work that can wait gives way to callers who wait for their 202.

What providers tell comes by the thousand, and all of it runs in the process that accepts mail.  While
nobody sends mail it is done as fast as can be; while somebody does, it takes a part of the time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_RECENT_SECONDS: Final = 0.25
_RESTS: Final = 3.0
"""Seconds of rest for a second of work, while mail is being accepted."""
_LONGEST_SECONDS: Final = 0.25


class Courtesy:
    """Knows whether mail is being accepted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = -_RECENT_SECONDS

    def accepting(self) -> None:
        """Mail has just been accepted."""
        self._last = self._clock()

    @property
    def is_called_for(self) -> bool:
        """Whether mail was accepted in the last quarter of a second."""
        return self._clock() - self._last < _RECENT_SECONDS

    async def rest(self, worked: float) -> None:
        """Rest in proportion to *worked* seconds, if that is called for."""
        if self.is_called_for:
            await asyncio.sleep(min(worked * _RESTS, _LONGEST_SECONDS))
