"""An account: a provider, and what this process knows of how it fares."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from services.mailer.accounts.circuit import Circuit, Position
from services.mailer.accounts.lobby import Group, Lobby
from services.mailer.accounts.pace import Pace
from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Suppressed,
    Trouble,
    Unauthorised,
    Uncertain,
)
from services.mailer.providers.base import Provider, Searchable, Traits
from services.mailer.providers.hints import Allowance
from services.mailer.rates.rates import RatesUnavailableError
from shared.signatures import Lane, SendEmail

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Account:
    """One account at one provider; ``slots`` is how many messages it is asked to carry at once."""

    name: str
    """The word for it in settings, events and logs."""
    provider: Provider
    traits: Traits
    """The provider's, as far as the settings do not know better."""
    circuit: Circuit
    pace: Pace
    slots: int
    pause: float
    """Seconds to leave it alone after it refused the account itself."""
    lobby: Lobby | None = None
    """Where bulk messages meet that may share a request, if the provider takes such requests."""
    in_flight: int = 0
    is_searchable: bool = field(init=False)
    """Whether the provider can be asked what became of a message."""

    def __post_init__(self) -> None:
        # Once: Python looks at every member of a protocol each time that it is asked.
        self.is_searchable = isinstance(self.provider, Searchable)

    @property
    def admits(self) -> bool:
        """Whether one more message may be tried now."""
        share = self.circuit.share
        return self.circuit.admits and (share >= 1.0 or self.in_flight < max(1, int(self.slots * share)))

    @property
    def wait(self) -> float:
        """Seconds until it may be worth asking again."""
        return self.circuit.wait or 0.05

    @property
    def waiting(self) -> int:
        """How many messages wait for a turn."""
        return self.pace.waiting + (self.lobby.waiting if self.lobby is not None else 0)

    def enter(self) -> bool:
        """A message is about to be tried; True if it is the one that tries for all others."""
        self.in_flight += 1
        return self.circuit.enter()

    def leave(self) -> None:
        """It was tried, or not after all."""
        self.in_flight -= 1

    async def turn(self, message: SendEmail) -> Group | None:
        """Wait for the right to send one request; say with whom it is shared, if it may be.

        Raises:
            PausedError: The account pauses.
            RatesUnavailableError: Nobody knows how fast one may send.
        """
        if self.lobby is not None and message.lane is Lane.BULK:
            return await self.lobby.join(message)
        await self.pace.turn(message.lane)
        return None

    def close(self, error: Exception) -> None:
        """Nobody waits for a turn any more; whoever does gets ``error``."""
        self.pace.close(error)
        if self.lobby is not None:
            self.lobby.close(error)

    async def note(self, outcome: Outcome) -> None:
        """Take in what an attempt says of the account as a whole."""
        match outcome:
            case Accepted():
                self.pace.accepted()
                self._well()
            case Rejected() | Suppressed() | Deferred(trouble=Trouble.MESSAGE):
                self._well()
            case Deferred(reason=reason, retry_after=hint, trouble=Trouble.PACE):
                self._well()
                await self._slow(hint, reason)
            case Deferred(reason=reason) | Uncertain(reason=reason):
                if self.circuit.failed():
                    log.warning("circuit.opened", provider=self.name, reason=reason)
            case Unauthorised(reason=reason, retry_after=hint):
                pause = self.pause if hint is None else hint
                log.error("provider.unauthorised", provider=self.name, reason=reason)
                if self.circuit.refused(pause):
                    log.error("account.paused", provider=self.name, reason=reason, seconds=round(pause, 1))

    def allow(self, allowance: Allowance | None) -> None:
        """Take in what the headers of an answer say of the account's limit."""
        if allowance is not None:
            self.pace.told(allowance.per_second, allowance.remaining, allowance.reset)

    def _well(self) -> None:
        if self.circuit.succeeded():
            log.warning("circuit.closed", provider=self.name)

    async def _slow(self, hint: float | None, reason: str) -> None:
        log.warning("account.slowed", provider=self.name, reason=reason, seconds=hint and round(hint, 1))
        try:
            await self.pace.slow(hint, reason)
        except RatesUnavailableError:
            log.warning("rates.unavailable", provider=self.name)

    @property
    def is_well(self) -> bool:
        """Whether its circuit is closed."""
        return self.circuit.position is Position.CLOSED
