"""Attempts, one after the other, as long as each certainly did not send and another account is there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from services.mailer import failpoints
from services.mailer.accounts.account import Account
from services.mailer.accounts.routes import ClosingError, NoAccountError, Place, Routes
from services.mailer.claims.claims import Beginning, Claims, ClaimsUnavailableError, Settlement, State
from services.mailer.delivery.consequence import SOON, Patience, Standing, consequence, goes_elsewhere
from services.mailer.delivery.ending import Ending
from services.mailer.delivery.exchange import Exchange, TooLateError
from services.mailer.delivery.ports import UNWATCHED, Watch
from services.mailer.delivery.telling import Subject, Telling
from services.mailer.outcome import Deferred, Outcome, Rejected, Suppressed, Trouble, Uncertain, reason
from services.mailer.providers.base import UnsupportedError
from services.mailer.rates.rates import RatesUnavailableError
from shared.signatures import Event, SendEmail


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that is written down as begun."""

    message: SendEmail
    place: Place
    token: int
    number: int
    age: float
    """Seconds since the first attempt of the series, at ``begun``."""
    begun: float
    """When the writing down was begun, in monotonic seconds: the lease is no older than that."""
    doubts: int = 0
    """How many attempts before this may have sent."""
    elsewhere: int = 0
    """Of these, how many this account cannot tell of: made at others, or without a key that still counts."""

    @property
    def account(self) -> Account:
        """Who is asked."""
        return self.place.account

    @property
    def subject(self) -> Subject:
        """What is told of."""
        return Subject(self.message, self.number, self.account.name)


class OvertakenError(Exception):
    """Another mailer owns the message by now."""


@dataclass(frozen=True, slots=True)
class Attempting:
    """Makes attempts under a claim that is held already."""

    routes: Routes
    claims: Claims
    exchange: Exchange
    telling: Telling
    ending: Ending
    patience: Patience
    watch: Watch = UNWATCHED

    async def run(self, attempt: Attempt) -> Outcome:
        """Make the attempt, and others at further accounts as long as it certainly did not send.

        Leaves the attempt's place.

        Raises:
            ClaimsUnavailableError: An end could not be written down.
            UnreportedError: The end is written down, but the gateway does not know it yet.
        """
        tried: set[str] = set()
        while True:
            tried.add(attempt.account.name)
            with attempt.place:
                self.telling.began(attempt.subject)
                outcome, may_go = await self.ask(attempt)
            self.watch.attempted(attempt.account.name, outcome)
            try:
                following = await self._elsewhere(attempt, outcome, tried) if may_go else None
            except OvertakenError:
                return self.ending.overtaken(attempt.message, attempt.number)
            if following is None:
                return await self._conclude(attempt, outcome)
            attempt = following

    async def ask(self, attempt: Attempt) -> tuple[Outcome, bool]:
        """Make the exchange; say what came of it, and whether another account may be asked at once."""
        try:
            if failpoints.armed:
                await failpoints.reached("w.in_attempt")
            outcome = await self.exchange.attempt(attempt.place, attempt.message, attempt.begun)
        except UnsupportedError as error:
            because = reason("unsupported", error)
            others = (a for a in self.routes.all(attempt.message.lane) if a is not attempt.account)
            if any(_can_carry(account, attempt.message) for account in others):
                # Which is its end only where nobody else could carry it, now or later.
                return Deferred(because, trouble=Trouble.MESSAGE), True
            return Rejected(because), False
        except TooLateError:
            return Deferred("The mailer was too slow to begin.", SOON, Trouble.MESSAGE), False
        except Exception as error:
            # A bug before anything left: the claim must not make it look like a lost attempt.
            await self._excuse(attempt)
            bug = Deferred(reason("internal_error", type(error).__name__))
            self.telling.mention(attempt.subject, bug, Event.DEFERRED, self.patience.bug_pause)
            raise
        attempt.place.leave()
        return outcome, goes_elsewhere(outcome)

    async def _excuse(self, attempt: Attempt) -> None:
        await self.claims.settle(
            Settlement(
                attempt.message.message_id,
                attempt.token,
                State.DEFERRED,
                0.0,
                attempt.account.name,
                doubts=attempt.doubts,
                elsewhere=attempt.elsewhere,
            )
        )

    async def _elsewhere(self, attempt: Attempt, outcome: Outcome, tried: set[str]) -> Attempt | None:
        """Begin an attempt at the next account, if there is one that would take the message now.

        Raises:
            OvertakenError: The claim is lost.
        """
        if attempt.doubts > attempt.elsewhere:
            return None  # only this account knows what became of the attempt in doubt
        others = [a for a in self.routes.all(attempt.message.lane) if a.name not in tried and a.admits]
        if not others:
            return None
        rest = self.exchange.freshness - (time.monotonic() - attempt.begun)
        try:
            # Beyond the lease this attempt would look as if its mailer had died during it.
            async with asyncio.timeout(rest):
                place = await self.routes.enter(attempt.message, among=others, patience=0.0)
        except (NoAccountError, RatesUnavailableError, ClosingError, TimeoutError):
            return None
        try:
            self.telling.mention(attempt.subject, outcome, Event.DEFERRED, 0.0)
            return await self.begin(replace(attempt, place=place, elsewhere=attempt.doubts))
        except ClaimsUnavailableError:
            place.leave(unused=True)
            return None  # what is known of this attempt may still be written down
        except BaseException:
            place.leave(unused=True)
            raise

    async def begin(self, attempt: Attempt) -> Attempt:
        """Write ahead that a further attempt begins, and return it with its number.

        Raises:
            ClaimsUnavailableError: It is not known to be written down.
            OvertakenError: The claim is lost.
        """
        begun = time.monotonic()
        age = attempt.age + begun - attempt.begun
        number = await self.claims.begin(
            Beginning(
                attempt.message.message_id,
                attempt.token,
                attempt.account.name,
                attempt.doubts,
                attempt.elsewhere,
            )
        )
        if number is None:
            raise OvertakenError
        return replace(attempt, number=number, begun=begun, age=age)

    async def _conclude(self, attempt: Attempt, outcome: Outcome) -> Outcome:
        """Write the outcome down, report it, and say what is left to do."""
        account = attempt.account
        doubts = attempt.doubts
        if attempt.place.was_used and isinstance(outcome, Rejected | Suppressed):
            # Had it taken the attempt in doubt, it would have said so again, under the same key.
            doubts = attempt.elsewhere
        standing = Standing(
            attempt.number,
            attempt.age + time.monotonic() - attempt.begun,
            doubts,
            attempt.message.on_uncertain,
            account.traits,
            account.is_searchable,
        )
        following = consequence(outcome, standing, self.patience)
        if following.state is State.HELD and isinstance(outcome, Uncertain):
            self.telling.mention(attempt.subject, outcome, Event.UNCERTAIN)
        elsewhere = min(attempt.elsewhere, following.doubts)
        return await self.ending.write(
            attempt.subject, attempt.token, following, elsewhere=elsewhere, begun=attempt.begun
        )


def _can_carry(account: Account, message: SendEmail) -> bool:
    try:
        account.provider.build(message)
    except UnsupportedError:
        return False
    except Exception:  # noqa: BLE001 - a bug, to be told of by the attempt that meets it
        return True
    return True
