"""A claim on a message: taken in one atomic statement before the first byte leaves.

A claim is a *lease*: it keeps other mailers away until it ends, so that a dead mailer's messages
come free by themselves.  It carries a *fencing token*: a mailer that was frozen beyond its lease
cannot write down an outcome any more, because the token has moved on.
https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from services.mailer.batching import Batching


class State(StrEnum):
    """What the claims table says of a message."""

    BEGUN = "begun"
    """An attempt is under way, or its mailer died during it."""
    DEFERRED = "deferred"
    """The last attempt certainly did not send."""
    UNCERTAIN = "uncertain"
    """The last attempt may have sent."""
    SENT = "sent"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    HELD = "held"
    """Uncertain, and not to be sent again unless a human says so."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The message is ours to attempt."""

    message_id: UUID
    token: int
    """The fencing token: only the newest may settle."""
    attempt: int
    """Which attempt this is, counted from 1."""
    crashed: bool
    """The attempt before this one began and never told how it ended."""
    age: float
    """Seconds since the first attempt, in the database's time."""
    doubts: int = 0
    """How many attempts before this one may have sent."""


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


Claim = Granted | Busy | Settled


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended, as it is written down."""

    message_id: UUID
    token: int
    state: State
    wait: float | None = None
    """Seconds until the next attempt; None when there is none."""
    provider: str | None = None
    provider_message_id: str | None = None
    reason: str | None = None


def waiting(state: State, seconds: float) -> Busy:
    """The answer for a claim that comes free in ``seconds`` (or did, a moment ago)."""
    return (Busy if state is State.BEGUN else NotDue)(max(seconds, 0.0))


class ClaimsUnavailableError(Exception):
    """The claims database does not answer, so nothing may be sent."""


class ClaimsStore(Protocol):
    """A database that keeps claims; each method is one transaction."""

    async def take(self, ids: Sequence[UUID]) -> list[Claim]:
        """Claim each of ``ids`` (all different), and say for each how that went.

        Raises:
            ClaimsUnavailableError: Not done, or not known to be done.
        """

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Write the outcomes down; False for each whose token has moved on.

        Raises:
            ClaimsUnavailableError: Not done, or not known to be done.
        """


class Claims:
    """Claims of many concurrent attempts, committed together."""

    def __init__(self, store: ClaimsStore) -> None:
        self._store = store
        self._taking = Batching[UUID, Claim](self._take)
        self._settling = Batching[Settlement, bool](store.settle)

    async def take(self, message_id: UUID) -> Claim:
        """Claim a message for one attempt."""
        return await self._taking(message_id)

    async def settle(self, settlement: Settlement) -> bool:
        """Write down how an attempt ended; False when this attempt was overtaken by another."""
        return await self._settling(settlement)

    async def _take(self, ids: Sequence[UUID]) -> list[Claim]:
        claims = dict(zip(unique := list(dict.fromkeys(ids)), await self._store.take(unique), strict=True))
        answers: list[Claim] = []
        for message_id in ids:
            answers.append(claims[message_id])
            # Two copies of one message in one batch: the second finds the first one busy.
            if isinstance(claims[message_id], Granted):
                claims[message_id] = Busy(wait=1.0)
        return answers
