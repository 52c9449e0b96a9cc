"""One attempt to deliver one message: claim, ask the provider, write down, report.

Knows neither Celery nor httpx.  What it promises: no byte leaves without a claim; an outcome is
committed before it is reported, and reported before the task is acknowledged; an attempt whose
end nobody knows is never repeated blindly.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from services.mailer import failpoints
from services.mailer.accounts.account import Account
from services.mailer.accounts.pace import PausedError
from services.mailer.accounts.routes import ClosingError, NoAccountError, Place, Routes
from services.mailer.claims.claims import (
    Busy,
    Claims,
    Granted,
    InDoubt,
    NotDue,
    Settled,
    Settlement,
    State,
    Wish,
)
from services.mailer.delivery.attempting import Attempt, Attempting, OvertakenError
from services.mailer.delivery.consequence import SOON, Consequence, Patience
from services.mailer.delivery.doubt import Again, Doubts, Free, Later, Resolution, Stuck
from services.mailer.delivery.ending import Ending
from services.mailer.delivery.ports import UNWATCHED, Watch
from services.mailer.delivery.telling import Subject, Telling
from services.mailer.outcome import Accepted, Deferred, Outcome, Redundant, Rejected, Uncertain, reason
from services.mailer.providers.base import Found
from services.mailer.rates.rates import RatesUnavailableError
from shared.signatures import Event, SendEmail

log = structlog.get_logger()

_EARLY = 5.0
_NO_TURN = (RatesUnavailableError, ClosingError)
_EXPIRED_IN_DOUBT = Stuck("It expired, and nobody can tell whether the provider took it before.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Attempts messages through the accounts of their lanes."""

    routes: Routes
    claims: Claims
    doubts: Doubts
    attempting: Attempting
    ending: Ending
    telling: Telling
    patience: Patience
    watch: Watch = UNWATCHED
    copies_breed: bool = False
    """Whether the broker hands out a waiting message again and again (Redis does): then a copy that
    comes too early is let go, or each would breed others."""

    async def attempt(self, message: SendEmail) -> Outcome | Redundant:
        """Make one attempt, unless another one is under way or none is needed any more.

        Returns ``Deferred`` when the message must come again after ``retry_after`` seconds, and
        anything else when nothing is left to do.

        Raises:
            ClaimsUnavailableError: Nothing was sent, or its end could not be written down.
            RatesUnavailableError: Nothing was sent.
            UnreportedError: The end is written down, but the gateway does not know it yet.
            ClosingError: The mailer ends; nothing was begun.
        """
        with ExitStack() as leaving:
            place: Place | None = None
            if not _has_expired(message):  # or there is nothing to be sent, and no place to wait for
                try:
                    place = leaving.enter_context(await self.routes.enter(message))
                except NoAccountError as paused:
                    return Deferred("Every account is paused.", paused.wait)
            name = (place.account if place else self.routes.all(message.lane)[0]).name
            begun = time.monotonic()
            if failpoints.armed:
                await failpoints.reached("w.before_claim")
            claim = await self.claims.take(Wish(message.message_id, name, message.series))
            if failpoints.armed:
                await failpoints.reached("w.after_claim")
            match claim:
                case Granted():
                    return await self._first(message, claim, place, begun)
                case InDoubt():
                    return await self._resolve(message, claim, place)
                case Settled():
                    await self.telling.repeat(message, claim)
                    return _known(claim)
                case Busy():
                    return self._not_now(message, claim)

    async def _first(self, message: SendEmail, claim: Granted, place: Place | None, begun: float) -> Outcome:
        """Go on with an attempt that was written down together with the claim."""
        if place is None or _has_expired(message):
            expired = Consequence(State.EXPIRED, Event.EXPIRED, Rejected("expired"))
            subject = Subject(message, claim.attempt, claim.provider)
            return await self.ending.write(subject, claim.token, expired)
        attempt = Attempt(message, place, claim.token, claim.attempt, claim.age, begun)
        return await self.attempting.run(attempt)

    def _not_now(self, message: SendEmail, claim: Busy) -> Outcome | Redundant:
        if isinstance(claim, NotDue) and claim.wait > _EARLY and self.copies_breed:
            # The sweeper brings the message back, should this have been the last copy after all.
            log.info("attempt.redundant", message_id=str(message.message_id))
            return Redundant("The message's retry is on its way.")
        return Deferred("Another attempt is under way.", max(claim.wait, SOON))

    async def _resolve(self, message: SendEmail, claim: InDoubt, place: Place | None) -> Outcome:
        """Find out what became of the attempt before, and go on from there."""
        begun = time.monotonic()
        if place is not None:
            place.go_alone()
        if claim.crashed:
            lost = Uncertain("The mailer ended during the attempt.")
            # Not waited for: a broker that takes no events must not turn one lost attempt into many.
            self.telling.mention(Subject(message, claim.attempt, claim.provider), lost, Event.UNCERTAIN)
        if failpoints.armed:
            await failpoints.reached("w.before_resolve")
        resolution = await self.doubts.resolve(message, claim)
        if _has_expired(message):
            resolution, place = _too_late(resolution), None
        match resolution:
            case Free(doubts):
                self.watch.resolved("resent" if doubts else "absent")
                # What may still be sent of it, this account cannot tell, whichever it is.
                return await self._send_again(message, claim, place, doubts, begun, elsewhere=doubts)
            case Again(account):
                self.watch.resolved("asked_again")
                return await self._ask_again(message, claim, place, account, begun)
            case Found(provider_message_id):
                self.watch.resolved("found")
                found = Consequence(State.SENT, Event.SENT, Accepted(provider_message_id))
                return await self._end(message, claim, found)
            case Stuck(because):
                self.watch.resolved("held")
                stuck = Consequence(State.HELD, Event.HELD, Uncertain(because), None, claim.doubts)
                return await self._end(message, claim, stuck)
            case Later(wait, because):
                return await self._later(message, claim, wait, because)

    async def _ask_again(
        self, message: SendEmail, claim: InDoubt, place: Place | None, account: Account, begun: float
    ) -> Outcome:
        """Ask the very account that the doubt is about, with the same key."""
        if place is None or place.account is not account:
            if place is not None:
                place.leave(unused=True)
            try:
                place = await self.routes.enter(message, among=[account], patience=0.0)
            except NoAccountError as paused:
                return await self._later(message, claim, paused.wait, "Its account is paused.")
            except _NO_TURN as error:
                return await self._later(message, claim, SOON, reason("no_turn", type(error).__name__))
        return await self._send_again(message, claim, place, claim.doubts, begun, elsewhere=claim.elsewhere)

    async def _send_again(
        self,
        message: SendEmail,
        claim: InDoubt,
        place: Place | None,
        doubts: int,
        begun: float,
        *,
        elsewhere: int,
    ) -> Outcome:
        if place is None:  # expired, and certainly not sent
            return await self._end(
                message, claim, Consequence(State.EXPIRED, Event.EXPIRED, Rejected("expired"))
            )
        attempt = Attempt(message, place, claim.token, claim.attempt, claim.age, begun, doubts, elsewhere)
        with place:
            try:
                await place.own_turn()
                attempt = await self.attempting.begin(attempt)
            except PausedError as paused:
                return await self._later(message, claim, paused.wait, "Its account is paused.")
            except _NO_TURN as error:
                return await self._later(message, claim, SOON, reason("no_turn", type(error).__name__))
            except OvertakenError:
                return self.ending.overtaken(message, claim.attempt)
            return await self.attempting.run(attempt)

    async def _later(self, message: SendEmail, claim: InDoubt, wait: float, because: str) -> Outcome:
        """Give the claim back; the doubt is looked into once more after ``wait`` seconds."""
        if claim.age + wait > self.patience.horizon:
            told = Uncertain(reason("given_up", because))
            return await self._end(
                message, claim, Consequence(State.HELD, Event.HELD, told, None, claim.doubts)
            )
        await self.ending.settle(
            Settlement(
                claim.message_id,
                claim.token,
                State.UNCERTAIN,
                wait,
                claim.provider,
                reason=because,
                doubts=claim.doubts,
                elsewhere=claim.elsewhere,
            )
        )
        return Deferred(because, max(wait, SOON))

    async def _end(self, message: SendEmail, claim: InDoubt, following: Consequence) -> Outcome:
        subject = Subject(message, claim.attempt, claim.provider)
        elsewhere = min(claim.elsewhere, following.doubts)
        return await self.ending.write(subject, claim.token, following, elsewhere=elsewhere)


def _has_expired(message: SendEmail) -> bool:
    return message.expires_at is not None and message.expires_at <= datetime.now(UTC)


def _too_late(resolution: Resolution) -> Resolution:
    """An expired message is not sent again, whatever could be known of it by doing so."""
    may_have_sent = isinstance(resolution, Again) or (isinstance(resolution, Free) and resolution.doubts > 0)
    return _EXPIRED_IN_DOUBT if may_have_sent else resolution


def _known(settled: Settled) -> Outcome:
    if settled.state is State.SENT:
        return Accepted(settled.provider_message_id)
    return Rejected(settled.reason or settled.state)
