"""Rates in SQLite: in the file of the claims, over a connection of their own."""

from __future__ import annotations

from typing import Any

from services.mailer.database.sqlite import NOW, SqliteDatabase
from services.mailer.database.table import Table
from services.mailer.rates.rates import RatesUnavailableError, Slice
from services.mailer.rates.rules import (
    AHEAD_SECONDS,
    COLUMNS,
    LEASE,
    PAUSE,
    PAUSED,
    SLOW,
    pause_of,
    slice_of,
    spelt,
)

_PARAMETERS = ("account", "count", "limit", "share", "ahead", "pause", "reason")
_WORDS = {"clock": NOW, "least": "min", "greatest": "max"} | {name: f":{name}" for name in _PARAMETERS}
_LEASE, _SLOW, _PAUSE, _PAUSED = (spelt(text, **_WORDS) for text in (LEASE, SLOW, PAUSE, PAUSED))


class SqliteRates:
    """Rates in a file that the mailers of one machine share."""

    def __init__(self, path: str, *, ahead: float = AHEAD_SECONDS) -> None:
        self._ahead = ahead
        # A power cut may take back the last of it: no harm is done.
        self._database = SqliteDatabase(
            path, Table("rates", COLUMNS), RatesUnavailableError, asynchronous=True
        )

    async def lease(self, account: str, *, count: int, limit: float, share: float = 1.0) -> Slice:
        """See :class:`~services.mailer.rates.rates.RateStore`."""
        values = {"count": float(count), "limit": float(limit), "share": share, "ahead": self._ahead}
        rows = await self._perform(_LEASE, account, **values)
        return slice_of(rows[0], self._ahead)

    async def slow(self, account: str, *, pause: float, limit: float, reason: str) -> None:
        """See :class:`~services.mailer.rates.rates.RateStore`."""
        await self._perform(_SLOW, account, pause=pause, limit=float(limit), reason=reason)

    async def pause(self, account: str, *, pause: float, reason: str | None) -> None:
        """See :class:`~services.mailer.rates.rates.RateStore`."""
        await self._perform(_PAUSE, account, pause=pause, reason=reason)

    async def paused(self, account: str) -> tuple[float, str | None]:
        """See :class:`~services.mailer.rates.rates.RateStore`."""
        rows = await self._perform(_PAUSED, account)
        return pause_of(rows[0] if rows else None)

    async def close(self) -> None:
        """Let go of the connection; the next call makes another one."""
        await self._database.close()

    async def _perform(self, statement: str, account: str, **values: float | str | None) -> list[Any]:
        return await self._database.transaction(
            lambda db: db.execute(statement, {"account": account, **values}).fetchall()
        )
