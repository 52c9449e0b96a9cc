"""Routes: the accounts that a lane may use, in order, and the wait for one of them.

A message goes to the first account that admits it.  While none does it waits where it is, in its
slot, for the moment that one of them wants to try again: that costs nothing and burns no attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from services.mailer.accounts.account import Account
from services.mailer.accounts.circuit import Position
from services.mailer.accounts.lobby import Group
from services.mailer.accounts.pace import PausedError
from shared.signatures import Lane, SendEmail


class NoAccountError(Exception):
    """No account would take the message, for as long as it was worth waiting here."""

    def __init__(self, wait: float) -> None:
        super().__init__("every account is paused")
        self.wait = wait


class ClosingError(Exception):
    """The mailer is about to end, and begins nothing more."""


@dataclass(slots=True)
class Place:
    """A message's place at an account; leave it once, or let the ``with`` block leave it unused."""

    account: Account
    message: SendEmail
    routes: Routes
    probe: bool
    """Whether it tries the account for all others."""
    group: Group | None = None
    """The messages that it shares its request with."""
    was_used: bool = False
    """Whether the account was asked."""
    _has_turn: bool = False
    _left: bool = False

    async def turn(self) -> bool:
        """Wait for the turn to use the account; False if it fell ill meanwhile.

        Raises:
            PausedError: It pauses.
            RatesUnavailableError: Nobody knows how fast one may send.
        """
        self.group = await self.account.turn(self.message)
        self._has_turn = self.group is None
        circuit = self.account.circuit
        # It may have opened meanwhile, and want a probe by now.
        self.probe = self.probe or circuit.enter()
        return self.probe or circuit.position is Position.CLOSED

    async def own_turn(self) -> None:
        """Wait for a turn for the message itself, if the one that it had was its group's.

        Raises:
            PausedError: The account pauses.
            RatesUnavailableError: Nobody knows how fast one may send.
        """
        if self.group is None and not self._has_turn:
            await self.account.pace.turn(self.message.lane)
            self._has_turn = True

    def go_alone(self) -> None:
        """The group need not wait: the message takes its own way, if it takes any."""
        if self.group is not None:
            self.group.drop(self.message.message_id)
            self.group = None

    def leave(self, *, unused: bool = False, quietly: bool = False) -> None:
        """The message was tried at the account; ``unused`` if it was not.

        ``quietly`` wakes nobody: there is no news for those who wait.
        """
        if self._left:
            return
        self._left = True
        self.was_used = not unused
        self.account.leave()
        if unused:
            self.account.circuit.leave(probe=self.probe)
            self.go_alone()
            if self._has_turn:
                self.account.pace.give_back()
        if not quietly:
            self.routes.look_again(self.account)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave(unused=True)


class Routes:
    """The accounts of each lane; ``patience`` is how many seconds a message may wait for one."""

    def __init__(self, lanes: Mapping[Lane, Sequence[Account]], *, patience: float) -> None:
        self._lanes = lanes
        self._patience = patience
        self._accounts = {account.name: account for accounts in lanes.values() for account in accounts}
        self._waiting = dict.fromkeys(Lane, 0)
        self._bell = asyncio.Event()
        self._closing = False

    def account(self, name: str) -> Account | None:
        """Return the account of that name, if the settings still know it."""
        return self._accounts.get(name)

    @property
    def accounts(self) -> Sequence[Account]:
        """Every account, whichever lanes it serves."""
        return tuple(self._accounts.values())

    def all(self, lane: Lane) -> Sequence[Account]:
        """Return the lane's accounts, in order."""
        return self._lanes[lane]

    def paused(self, lane: Lane) -> bool:
        """Whether the lane's messages had better stay in the broker.

        That is while all of its accounts are ill, and somebody is here already who can try them.
        """
        return self._waiting[lane] > 0 and not any(account.is_well for account in self._lanes[lane])

    async def enter(
        self, message: SendEmail, *, among: Sequence[Account] | None = None, patience: float | None = None
    ) -> Place:
        """Wait for an account, of the message's lane or *among* these, and for the turn to use it.

        Raises:
            NoAccountError: None admitted the message in time.
            ClosingError: The mailer ends.
            RatesUnavailableError: Nobody knows how fast one may send.
        """
        lane = message.lane
        accounts = self._lanes[lane] if among is None else among
        deadline = time.monotonic() + (self._patience if patience is None else patience)
        self._waiting[lane] += 1
        try:
            while True:
                place, wait = await self._try(message, accounts)
                if place is not None:
                    return place
                if time.monotonic() + wait > deadline:
                    raise NoAccountError(max(wait, 1.0))
                await self._listen(wait)
        finally:
            self._waiting[lane] -= 1

    def look_again(self, account: Account) -> None:
        """Something changed at an account that others may be waiting for."""
        if any(self._waiting.values()) and not (account.is_well and account.circuit.share >= 1.0):
            self._ring()

    def close(self) -> None:
        """From now on nobody waits any more."""
        self._closing = True
        self._ring()
        for account in self._accounts.values():
            account.close(ClosingError())

    async def _try(self, message: SendEmail, accounts: Sequence[Account]) -> tuple[Place | None, float]:
        """Return a place, or how long to wait until the next try."""
        waits = [60.0]
        for account in accounts:
            self._go_on()
            if not account.admits:
                waits.append(account.wait)
                continue
            place = Place(account, message, self, account.enter())
            try:
                if await place.turn():
                    self._go_on()
                    return place, 0.0
                waits.append(account.wait)
            except PausedError as pause:
                waits.append(pause.wait)
                # Woken by this, each of two who wait would find the same and wake the other, for ever.
                place.leave(unused=True, quietly=True)
            except BaseException:
                place.leave(unused=True)
                raise
            place.leave(unused=True)
        return None, min(waits)

    def _go_on(self) -> None:
        """Raise ClosingError once the mailer ends."""
        if self._closing:
            raise ClosingError

    async def _listen(self, wait: float) -> None:
        """Sleep until something changes that is worth another look."""
        try:
            await asyncio.wait_for(self._bell.wait(), wait)
        except TimeoutError:
            return

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()
