"""Time that passes when a test wants it to: in a mailer's database, and for its circuits and paces."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.signatures import SendEmail

_LONG = 1000.0
_MOMENTS = {
    "claims": ("free_at", "first_at", "asked_at", "ended_at", "updated_at"),
    "rates": ("free_at", "changed_at", "paused_until"),
}


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
        self._shift(looked - self._looked, "claims", "rates")

    def passes(self, seconds: float) -> None:
        """Let so many seconds pass, and no less."""
        self._now += seconds
        self._shift(seconds, "claims", "rates")
        self._looked = time.monotonic()

    def ends_pauses(self) -> None:
        """Let every account be willing again; for messages no time passes."""
        self._now += _LONG
        self._shift(_LONG, "rates")

    def hurries(self, message: SendEmail) -> None:
        """Let the message's next attempt be due, as far as its claim goes; no time passes otherwise."""
        with self._database() as database:
            ours = str(message.message_id)
            database.execute("UPDATE claims SET free_at = 0 WHERE free_at > 0 AND message_id = ?", (ours,))

    def _shift(self, seconds: float, *tables: str) -> None:
        with self._database() as database:
            for table in tables:
                if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                    changes = ", ".join(f"{moment} = {moment} - {seconds}" for moment in _MOMENTS[table])
                    database.execute(f"UPDATE {table} SET {changes}")

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=10)) as database:
            yield database
            database.commit()
