"""A claim on a message: taken in one atomic statement before the first byte leaves.

A claim is a *lease*: it keeps other mailers away until it ends, so that a dead mailer's messages
come free by themselves.  It carries a *fencing token*: a mailer that was frozen beyond its lease
cannot write down an outcome any more, because the token has moved on.
https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html

Taking a claim also writes ahead that an attempt has *begun*, and at which provider; unless an
attempt before is in doubt, which has to be resolved first.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID

from services.mailer.batching import Batching

Item = TypeVar("Item")
Result = TypeVar("Result")


class State(StrEnum):
    """What the claims table says of a message."""

    CLAIMED = "claimed"
    """A mailer looks into an attempt that is in doubt; nothing new has left.

    Not stored as a state: a mailer of version 0.2.0, which may run on the same table, does not know it.
    """
    BEGUN = "begun"
    """An attempt is under way, or its mailer died during it; or a mailer looks into one in doubt."""
    DEFERRED = "deferred"
    """The last attempt certainly did not send."""
    UNCERTAIN = "uncertain"
    """The last attempt may have sent."""
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    HELD = "held"
    """In doubt, and not to be sent again unless a human says so."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants to attempt what."""

    message_id: UUID
    provider: str
    """The account to write down as the one that an attempt has begun at."""
    series: int = 0
    """A higher one than before takes up again what had come to its end without being sent."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The message is ours, and an attempt at ``provider`` has begun."""

    message_id: UUID
    token: int
    """The fencing token: only the newest may settle."""
    attempt: int
    """Which attempt this is, counted from 1."""
    age: float
    """Seconds since the first attempt of this series, in the database's time."""
    provider: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The message is ours, but nothing has begun: an attempt before this may have sent."""

    message_id: UUID
    token: int
    attempt: int
    """Which attempt is in doubt: the newest."""
    age: float
    provider: str
    """Where it was made; empty if a mailer of version 0.2.0 died during it, which did not say."""
    doubts: int
    """How many attempts may have sent, this one included."""
    crashed: bool
    """It never told how it ended."""
    asked: float
    """Seconds since ``provider`` was asked for the first time, without another one in between."""
    quiet: float
    """Seconds since the attempt in doubt ended, or since its lease did."""
    elsewhere: int = 0
    """How many of the ``doubts`` are about other providers than ``provider``."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Not now: another attempt is under way, or was when its mailer died."""

    wait: float
    """Seconds until it is worth asking again, in the database's time."""


@dataclass(frozen=True, slots=True)
class NotDue(Busy):
    """Not now: the last attempt was deferred, and its retry is on its way."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is left to do; what the claim says may have to be reported again."""

    state: State
    attempt: int
    provider: str | None
    provider_message_id: str | None
    reason: str | None
    series: int = 0


Claim = Granted | InDoubt | Busy | Settled


@dataclass(frozen=True, slots=True)
class Beginning:
    """A further attempt under a claim that is held already."""

    message_id: UUID
    token: int
    provider: str
    doubts: int
    """How many attempts before this may have sent, as far as is known by now."""
    elsewhere: int = 0
    """How many of those were made at other providers than ``provider``."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended, as it is written down."""

    message_id: UUID
    token: int
    state: State
    wait: float | None = None
    """Seconds until the next attempt; None when there is none."""
    provider: str | None = None
    """Where it was made; None leaves what was written down when it began."""
    provider_message_id: str | None = None
    reason: str | None = None
    doubts: int = 0
    """How many attempts of the message may have sent by now."""
    elsewhere: int = 0
    """How many of those were made at other providers than ``provider``."""


def waiting(state: State, seconds: float) -> Busy:
    """The answer for a claim that comes free in ``seconds`` (or did, a moment ago)."""
    return (Busy if state is State.BEGUN else NotDue)(max(seconds, 0.0))


class ClaimsUnavailableError(Exception):
    """The claims database does not answer, so nothing may be sent."""


class ClaimsStore(Protocol):
    """A database that keeps claims; each method is one transaction.

    Each raises :class:`ClaimsUnavailableError` when it was not done, or is not known to be done.
    """

    async def take(self, wishes: Sequence[Wish]) -> list[Claim]:
        """Claim each of the messages (all different), and say for each how that went."""

    async def begin(self, beginnings: Sequence[Beginning]) -> list[int | None]:
        """Write ahead that an attempt begins, with a new lease, and give its number.

        None for each whose token has moved on.
        """

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Write the outcomes down; False for each whose token has moved on."""

    async def purge(self, *, older_than: float, limit: int) -> int:
        """Remove up to ``limit`` claims that nothing touched for ``older_than`` seconds; say how many."""


class Claims:
    """Claims of many concurrent attempts, committed together."""

    def __init__(
        self, store: ClaimsStore, *, on_done: Callable[[str, float], object] = lambda *_: None
    ) -> None:
        self._store = store
        self._on_done = on_done
        self._taking = Batching[Wish, Claim](partial(self._measured, "take", self._take))
        self._beginning = Batching[Beginning, int | None](partial(self._measured, "begin", store.begin))
        self._settling = Batching[Settlement, bool](partial(self._measured, "settle", store.settle))

    async def take(self, wish: Wish) -> Claim:
        """Claim a message for one attempt."""
        return await self._taking(wish)

    async def begin(self, beginning: Beginning) -> int | None:
        """Begin a further attempt; None when another mailer owns the message by now."""
        return await self._beginning(beginning)

    async def settle(self, settlement: Settlement) -> bool:
        """Write down how an attempt ended; False when this attempt was overtaken by another."""
        return await self._settling(settlement)

    async def purge(self, *, older_than: float, limit: int) -> int:
        """Remove old claims: see :class:`ClaimsStore`."""
        return await self._store.purge(older_than=older_than, limit=limit)

    async def _measured(
        self, step: str, run: Callable[[Sequence[Item]], Awaitable[list[Result]]], items: Sequence[Item]
    ) -> list[Result]:
        begun = time.monotonic()
        results = await run(items)
        self._on_done(step, time.monotonic() - begun)
        return results

    async def _take(self, wishes: Sequence[Wish]) -> list[Claim]:
        # Two copies of one message in one batch: the first asks, and the second finds it busy.
        unique = {wish.message_id: wish for wish in reversed(wishes)}
        answers = dict(zip(unique, await self._store.take(list(unique.values())), strict=True))
        claims: list[Claim] = []
        for wish in wishes:
            claims.append(answers[wish.message_id])
            if isinstance(answers[wish.message_id], Granted | InDoubt):
                answers[wish.message_id] = Busy(wait=1.0)
        return claims
