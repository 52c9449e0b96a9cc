"""The end of an attempt: written to the claim first, then told."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from services.mailer import failpoints
from services.mailer.claims.claims import Claims, ClaimsUnavailableError, Settlement, State
from services.mailer.delivery.consequence import SOON, Consequence
from services.mailer.delivery.ports import UNWATCHED, UnreportedError, Watch
from services.mailer.delivery.telling import Subject, Telling, theirs
from services.mailer.outcome import Deferred, Outcome
from shared.signatures import SendEmail

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ending:
    """Settles claims and reports; ``lease`` is how long, in seconds, a claim keeps others away."""

    claims: Claims
    telling: Telling
    lease: float
    watch: Watch = UNWATCHED

    async def write(
        self,
        subject: Subject,
        token: int,
        following: Consequence,
        *,
        elsewhere: int = 0,
        begun: float | None = None,
    ) -> Outcome:
        """Write down what follows, report it, and say what is left to do.

        Of its doubts *elsewhere* are about other accounts; the attempt began at *begun* (monotonic).

        Raises:
            ClaimsUnavailableError: It could not be written down for as long as the claim was ours.
            UnreportedError: The gateway does not know of it, and the message comes again.
        """
        outcome, wait = following.outcome, following.wait
        settlement = Settlement(
            subject.message.message_id,
            token,
            following.state,
            wait,
            subject.provider,
            theirs(outcome),
            outcome.reason,
            following.doubts,
            elsewhere,
        )
        if failpoints.armed:
            await failpoints.reached("w.before_settle")
        if not await self.settle(settlement, begun):
            return self.overtaken(subject.message, subject.attempt)
        if failpoints.armed:
            await failpoints.reached("w.after_settle")
        if following.state is State.HELD:
            self.watch.held()
        try:
            await self.telling.report(subject, outcome, following.event, wait)
        except UnreportedError:
            if wait is not None:
                raise
            # The claim holds the truth, and the sweeper will ask for it: no need to keep the slot.
            log.warning(
                "event.unreported",
                event_name=following.event,
                message_id=str(subject.message.message_id),
            )
        return outcome if wait is None else Deferred(outcome.reason or following.event, wait)

    async def settle(self, settlement: Settlement, begun: float | None = None) -> bool:
        """Write an outcome down, and do not forget it because the database is away for a moment.

        False when another attempt owns the message by now.
        """
        begun = time.monotonic() if begun is None else begun
        while True:
            try:
                return await self.claims.settle(settlement)
            except ClaimsUnavailableError:
                if time.monotonic() - begun > self.lease:
                    raise
                await asyncio.sleep(SOON)

    def overtaken(self, message: SendEmail, attempt: int) -> Outcome:
        """Fenced off: a newer attempt owns the message, and its word counts."""
        log.warning("attempt.overtaken", message_id=str(message.message_id), attempt=attempt)
        return Deferred("Overtaken by another attempt.", self.lease)
