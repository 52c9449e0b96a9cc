"""Time that passes when a test wants it to: in a mailer's database, and for its circuits and paces."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from shared.signatures import SendEmail
from tests.mailer.aging import age_sqlite

_LONG = 1000.0


@dataclass
class PassingTime:
    """Of the mailer whose claims and rates are in *file*."""

    file: Path
    _now: float = field(default_factory=time.monotonic)
    _looked: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Tell the time, as a clock that counts seconds does, and that stands still meanwhile."""
        return self._now

    def stood_still(self) -> None:
        """Give back what has passed in the database since this was said last, however slow the machine."""
        looked, self._looked = self._looked, time.monotonic()
        age_sqlite(self.file, looked - self._looked)

    def passes(self, seconds: float) -> None:
        """Let so many seconds pass, and no less."""
        self._now += seconds
        age_sqlite(self.file, seconds)
        self._looked = time.monotonic()

    def ends_pauses(self) -> None:
        """Let every account be willing again; for messages no time passes."""
        self._now += _LONG
        age_sqlite(self.file, _LONG, ["rates"])

    def hurries(self, message: SendEmail) -> None:
        """Let the message's next attempt be due, as far as its claim goes; no time passes otherwise."""
        with closing(sqlite3.connect(self.file, timeout=10)) as database, database:
            ours = str(message.message_id)
            database.execute("UPDATE claims SET free_at = 0 WHERE free_at > 0 AND message_id = ?", (ours,))
