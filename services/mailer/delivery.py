"""One attempt to deliver one message: claim, ask the provider, write down, report.

Knows neither Celery nor httpx.  What it promises: no byte leaves without a claim; an outcome is
committed before it is reported, and reported before the task is acknowledged; an attempt whose
end nobody knows is never repeated blindly.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from services.mailer.backoff import Backoff
from services.mailer.claims.claims import (
    Busy,
    Claims,
    ClaimsUnavailableError,
    Granted,
    NotDue,
    Settled,
    Settlement,
    State,
)
from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Redundant,
    Rejected,
    Suppressed,
    Unauthorised,
    Uncertain,
    printable,
    reason,
)
from services.mailer.providers.base import Provider, Request, Response, UnsupportedError
from shared.signatures import Event, OnUncertain, RecordEvent, SendEmail

log = structlog.get_logger()

_SOON = 1.0
_EARLY = 5.0


class NotSentError(Exception):
    """The request certainly did not reach the provider."""


class NoAnswerError(Exception):
    """The request left, and no usable answer came back."""


class Transport(Protocol):
    """Performs requests."""

    async def perform(self, request: Request) -> Response:
        """Perform ``request`` once.

        Raises:
            NotSentError: It certainly did not reach the provider.
            NoAnswerError: It may have.
        """


class UnreportedError(Exception):
    """The broker did not take an event."""


class Reporter(Protocol):
    """Takes events to the gateway."""

    async def report(self, event: RecordEvent) -> None:
        """Return once the broker has the event, safely.

        Raises:
            UnreportedError: It has not.
        """

    def mention(self, event: RecordEvent) -> None:
        """Send an event that nobody has to wait for."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a message is tried, and how long it rests in between; in seconds."""

    backoff: Backoff
    horizon: float
    unauthorised_pause: float
    lease: float
    resend_limit: int = 5
    """How many attempts of one message may end in doubt before it is held, whatever it asked for."""
    bug_pause: float = 600.0
    """The longest that Celery waits after a bug of ours, which chooses that wait itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Attempts messages through one provider account."""

    provider: Provider
    claims: Claims
    transport: Transport
    reporter: Reporter
    patience: Patience
    copies_breed: bool = False
    """Whether the broker hands out a waiting message again and again (Redis does): then a copy that
    comes too early is let go, or each would breed others."""

    async def attempt(self, message: SendEmail) -> Outcome | Redundant:
        """Make one attempt, unless another one is under way or none is needed any more.

        Returns ``Deferred`` when the message must come again after ``retry_after`` seconds, and
        anything else when nothing is left to do.
        """
        asked = time.monotonic()
        match await self.claims.take(message.message_id):
            case NotDue(wait) if wait > _EARLY and self.copies_breed:
                # The sweeper brings the message back, should this have been the last copy after all.
                log.info("attempt.redundant", message_id=str(message.message_id))
                return Redundant("The message's retry is on its way.")
            case Busy(wait):
                return Deferred("Another attempt is under way.", max(wait, _SOON))
            case Settled() as settled:
                return await self._tell_again(message, settled)
            case Granted() as claim:
                pass
        if claim.crashed:
            lost = Uncertain("The mailer ended during the attempt.")
            # Not waited for: a broker that takes no events must not turn one lost attempt into many.
            self._mention(message, replace(claim, attempt=claim.attempt - 1), lost, Event.UNCERTAIN)
            if self._held(message, claim.doubts):
                return await self._conclude(message, claim, lost, asked)
        if message.expires_at is not None and message.expires_at <= datetime.now(UTC):
            return await self._expire(message, claim)
        self.reporter.mention(self._event(message, claim, Event.SENDING))
        try:
            outcome = await self._ask_provider(message, asked)
        except Exception as error:
            # A bug before anything left: the claim must not make it look like a lost attempt.
            await self.claims.settle(Settlement(claim.message_id, claim.token, State.DEFERRED, 0.0))
            bug = Deferred(reason("internal_error", type(error).__name__))
            self._mention(message, claim, bug, Event.DEFERRED, self.patience.bug_pause)
            raise
        return await self._conclude(message, claim, outcome, asked)

    async def _ask_provider(self, message: SendEmail, asked: float) -> Outcome:
        try:
            request = self.provider.build(message)
        except UnsupportedError as error:
            return Rejected(reason("unsupported", error))
        if time.monotonic() - asked > self.patience.lease / 2:
            # This process was frozen meanwhile: somebody else may hold the claim by now.
            return Deferred("The mailer was too slow to begin.", _SOON)
        try:
            return self.provider.read(await self.transport.perform(request))
        except NotSentError as error:
            return Deferred(reason("not_sent", error))
        except NoAnswerError as error:
            return Uncertain(reason("no_answer", error))
        except Exception as error:  # noqa: BLE001 - a bug, but one after which the message may be sent
            return Uncertain(reason("internal_error", type(error).__name__))

    def _held(self, message: SendEmail, doubts: int) -> bool:
        """Whether a message must wait for a human, after so many attempts that ended in doubt."""
        return message.on_uncertain is OnUncertain.HOLD or doubts >= self.patience.resend_limit

    async def _conclude(self, message: SendEmail, claim: Granted, outcome: Outcome, asked: float) -> Outcome:
        """Write the outcome down, report it, and say what is left to do."""
        state, event, wait = self._consequence(message, claim, outcome)
        if wait is not None and claim.age + wait > self.patience.horizon:
            outcome = Rejected(reason("given_up", f"after {claim.attempt} attempts", _reason(outcome)))
            state, event, wait = State.FAILED, Event.FAILED, None
        settlement = Settlement(
            claim.message_id,
            claim.token,
            state,
            wait,
            self.provider.name,
            _theirs(outcome),
            _reason(outcome),
        )
        if not await self._settle(settlement, asked):
            # Fenced off: a newer attempt owns the message, and its word counts.
            log.warning("attempt.overtaken", message_id=str(message.message_id), attempt=claim.attempt)
            return Deferred("Overtaken by another attempt.", self.patience.lease)
        record = self._record(message, claim, outcome, event, wait)
        try:
            await self.reporter.report(record)
        except UnreportedError:
            if wait is not None:
                raise
            # The claim holds the truth, and the sweeper will ask for it: no need to keep the slot.
            log.warning("event.unreported", event_name=event, message_id=str(message.message_id))
        return outcome if wait is None else Deferred(_reason(outcome) or event, wait)

    def _consequence(
        self, message: SendEmail, claim: Granted, outcome: Outcome
    ) -> tuple[State, Event, float | None]:
        """The state to keep, the event to report, and the seconds until the next attempt, if any."""
        backoff = self.patience.backoff.wait(claim.attempt)
        match outcome:
            case Accepted():
                return State.SENT, Event.SENT, None
            case Rejected():
                return State.FAILED, Event.FAILED, None
            case Suppressed():
                return State.SUPPRESSED, Event.SUPPRESSED, None
            case Deferred(retry_after=hint):
                return State.DEFERRED, Event.DEFERRED, backoff if hint is None else max(hint, _SOON)
            case Unauthorised():
                log.error("provider.unauthorised", provider=self.provider.name, reason=outcome.reason)
                return State.DEFERRED, Event.DEFERRED, self.patience.unauthorised_pause
            case Uncertain() if self._held(message, claim.doubts + 1):
                return State.HELD, Event.UNCERTAIN, None
            case Uncertain():
                return State.UNCERTAIN, Event.UNCERTAIN, backoff

    async def _settle(self, settlement: Settlement, asked: float) -> bool:
        """Write an outcome down, and do not forget it because the database is away for a moment."""
        while True:
            try:
                return await self.claims.settle(settlement)
            except ClaimsUnavailableError:
                if time.monotonic() - asked > self.patience.lease:
                    raise
                await asyncio.sleep(_SOON)

    async def _expire(self, message: SendEmail, claim: Granted) -> Outcome:
        outcome = Rejected("expired")
        if await self.claims.settle(
            Settlement(claim.message_id, claim.token, State.EXPIRED, reason=outcome.reason)
        ):
            await self.reporter.report(self._record(message, claim, outcome, Event.EXPIRED))
        return outcome

    async def _tell_again(self, message: SendEmail, settled: Settled) -> Outcome:
        """The end was written down, but its report may have been lost: repeat it."""
        event = Event.UNCERTAIN if settled.state is State.HELD else Event(settled.state.value)
        await self.reporter.report(
            RecordEvent(
                message_id=message.message_id,
                event=event,
                at=datetime.now(UTC),
                attempt=settled.attempt,
                provider=settled.provider,
                provider_message_id=settled.provider_message_id,
                reason=settled.reason,
            ),
        )
        return (
            Accepted(settled.provider_message_id)
            if event is Event.SENT
            else Rejected(settled.reason or event)
        )

    def _mention(
        self,
        message: SendEmail,
        claim: Granted,
        outcome: Outcome,
        event: Event,
        wait: float | None = None,
    ) -> None:
        self.reporter.mention(self._record(message, claim, outcome, event, wait))

    def _record(
        self,
        message: SendEmail,
        claim: Granted,
        outcome: Outcome,
        event: Event,
        wait: float | None = None,
    ) -> RecordEvent:
        """Log what became of an attempt, and return the event that tells the gateway."""
        record = self._event(message, claim, event)
        record = record.model_copy(
            update={
                "provider_message_id": _theirs(outcome),
                "reason": _reason(outcome),
                "retry_at": record.at + timedelta(seconds=wait) if wait is not None else None,
            },
        )
        log.info(
            f"attempt.{event}",  # noqa: G004 - one of the few names in docs/events.md
            message_id=str(message.message_id),
            attempt=claim.attempt,
            provider=self.provider.name,
            reason=record.reason,
            retry_after_s=wait and round(wait, 1),
        )
        return record

    def _event(self, message: SendEmail, claim: Granted, event: Event) -> RecordEvent:
        return RecordEvent(
            message_id=message.message_id,
            event=event,
            at=datetime.now(UTC),
            attempt=claim.attempt,
            provider=self.provider.name,
        )


def _theirs(outcome: Outcome) -> str | None:
    if isinstance(outcome, Accepted) and outcome.provider_message_id:
        return printable(outcome.provider_message_id)
    return None


def _reason(outcome: Outcome) -> str | None:
    return None if isinstance(outcome, Accepted) else outcome.reason
