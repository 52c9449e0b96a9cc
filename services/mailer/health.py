"""How an orchestrator is told that a mailer lives, and that it consumes: two files, nothing to connect to.

``beat`` is touched once a second for as long as the mailer makes progress: the consumer's loop goes
round (also while it only tries to reach the broker again) and so does the loop that attempts run on.
An idle mailer beats, and so does one whose broker or provider is away; one that is blocked or deaf does
not.  ``ready`` is there from the first connection to the broker until the mailer is told to stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import structlog

from services.mailer.background import BackgroundLoop

log = structlog.get_logger()

_BEAT_SECONDS: Final = 1.0


class Underway(Protocol):
    """A message that a slot works on, as Celery knows it."""

    time_start: float | None
    """When the slot began, in seconds since 1970."""


class Health:
    """Writes the files into *folder*; without one it does nothing.

    *longest* is how many seconds a slot can rightly be busy with one message; *slots* is how many there
    are.  With half of them busy for longer the mailer counts as blocked, whatever its loops do.
    """

    def __init__(
        self,
        folder: Path | None,
        background: BackgroundLoop,
        *,
        longest: float,
        slots: int,
        underway: Callable[[], Iterable[Underway]],
    ) -> None:
        self._folder = folder
        self._background = background
        self._longest = longest
        self._slots = slots
        self._underway = underway
        self._last = 0.0
        self._stuck = False

    def round(self) -> None:
        """The consumer's loop has gone round once more: called as often as it does."""
        now = time.monotonic()
        if self._folder is None or now < self._last + _BEAT_SECONDS:
            return
        self._last = now
        if not self._is_stuck():
            self._background.submit(self._beat(self._folder / "beat"))

    def ready(self) -> None:
        """It consumes."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "ready").touch()

    def stopping(self) -> None:
        """It takes no more."""
        if self._folder is not None:
            with suppress(OSError):
                (self._folder / "ready").unlink(missing_ok=True)

    async def _beat(self, path: Path) -> None:
        with suppress(OSError):  # a full disk must not end the mailer: the probe finds the old beat
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()  # noqa: ASYNC240 - that this loop has come to do it is the news

    def _is_stuck(self) -> bool:
        now = time.time()
        begun = (one.time_start for one in tuple(self._underway()))
        overdue = sum(now - at > self._longest for at in begun if at is not None)
        stuck = overdue * 2 > self._slots
        if stuck and not self._stuck:
            log.error("mailer.stuck", messages=overdue, longest_s=self._longest)
        self._stuck = stuck
        return stuck
