"""Rates in PostgreSQL: one statement for each question, over a connection of their own."""

from __future__ import annotations

from services.mailer.database.postgresql import PostgresqlDatabase
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

_WORDS = {
    "clock": "extract(epoch FROM clock_timestamp())::float8",
    "least": "least",
    "greatest": "greatest",
    "account": "$1::text",
}
_LEASE = spelt(
    LEASE, **_WORDS, count="$2::float8", limit="$3::float8", share="$4::float8", ahead="$5::float8"
)
_SLOW = spelt(SLOW, **_WORDS, pause="$2::float8", limit="$3::float8", reason="$4::text")
_PAUSE = spelt(PAUSE, **_WORDS, pause="$2::float8", reason="$3::text")
_PAUSED = spelt(PAUSED, **_WORDS)


class PostgresqlRates:
    """Rates in the database that all mailers share."""

    def __init__(self, dsn: str, *, ahead: float = AHEAD_SECONDS) -> None:
        self._ahead = ahead
        # A server that crashes may forget the last half second of it: no harm is done.
        self._database = PostgresqlDatabase(
            dsn, Table("rates", COLUMNS), RatesUnavailableError, asynchronous=True
        )

    async def lease(self, account: str, *, count: int, limit: float, share: float = 1.0) -> Slice:
        """See :class:`~services.mailer.rates.rates.RateStore`."""
        rows = await self._database.fetch(_LEASE, account, count, limit, share, self._ahead)
        return slice_of(rows[0], self._ahead)

    async def slow(self, account: str, *, pause: float, limit: float, reason: str) -> None:
        """See :class:`~services.mailer.rates.rates.RateStore`."""
        await self._database.fetch(_SLOW, account, pause, limit, reason)

    async def pause(self, account: str, *, pause: float, reason: str | None) -> None:
        """See :class:`~services.mailer.rates.rates.RateStore`."""
        await self._database.fetch(_PAUSE, account, pause, reason)

    async def paused(self, account: str) -> tuple[float, str | None]:
        """See :class:`~services.mailer.rates.rates.RateStore`."""
        rows = await self._database.fetch(_PAUSED, account)
        return pause_of(rows[0] if rows else None)

    async def close(self) -> None:
        """Let go of the connection; the next call makes another one."""
        await self._database.close()
