"""The rate of an account, shared by all mailers: time itself is leased, slice after slice.

The table keeps, for each account, the moment up to which its time is given away.  A mailer that has
messages to send asks for ``count`` of them and gets the next free slice: it spreads its requests over
that slice, and nobody else sends in it.  So the total is the same with one mailer or twenty, whoever
has the work, and nothing piles up while nobody asks.

After a refusal for its pace an account pauses and slows down; it recovers by and by, up to its limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

SLOWING = 0.7
"""What is left of the rate after the provider said that it was too fast."""
RECOVERY_SECONDS = 60.0
"""How long a rate takes to come back from nothing to its limit."""
LEAST_SHARE = 0.05
"""A rate never falls below this share of its limit."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of an account's time that is ours alone."""

    starts_in: float
    """Seconds until it begins, in the database's time; not below zero."""
    length: float
    """Seconds; the requests are spread over them.  Zero if nothing is given: ask again."""
    turns: int = 0
    """How many requests that is, no more than were asked for; where the rate is low, far fewer."""
    paused: bool = False
    """It starts so late because the account pauses."""
    reason: str | None = None
    """Why it pauses."""


class RatesUnavailableError(Exception):
    """The database does not answer, so nobody knows how fast one may send."""


class RateStore(Protocol):
    """A database that keeps rates; each method is one transaction.

    Each raises :class:`RatesUnavailableError` when it was not done, or is not known to be done.
    """

    async def lease(self, account: str, *, count: int, limit: float, share: float = 1.0) -> Slice:
        """Give the next free slice for up to ``count`` requests to an account that may do ``limit`` a second.

        However low the rate is, the slice is no longer than they take at the limit, or than one takes now:
        others want a turn, too, and a pause may begin.  ``share`` of the rate, between 0 and 1, is for an
        asker that is cautious after an outage.
        While the account pauses, or while enough of its time is given away already, nothing is given:
        the slice, of length zero, then says when to ask again.
        """

    async def slow(self, account: str, *, pause: float, limit: float, reason: str) -> None:
        """The provider said: too fast.  Nobody sends for ``pause`` seconds, and then more slowly.

        Several mailers hear it of the same burst; within the pause the rate falls once.
        """

    async def pause(self, account: str, *, pause: float, reason: str | None) -> None:
        """Nobody sends for ``pause`` seconds (zero ends a pause); the rate stays as it is."""

    async def paused(self, account: str) -> tuple[float, str | None]:
        """How many seconds the account still pauses, zero if it does not, and why."""
