"""Tells what becomes of attempts: an event for the gateway, and a line in the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from services.mailer.claims.claims import Settled
from services.mailer.delivery.ports import Reporter
from services.mailer.outcome import Accepted, Outcome, printable
from shared.signatures import Event, RecordEvent, SendEmail

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Subject:
    """Which attempt is told of."""

    message: SendEmail
    attempt: int
    provider: str
    """Where it was made; empty if a mailer of version 0.2.0 did not say."""


@dataclass(frozen=True, slots=True)
class Telling:
    """Words for the reporter."""

    reporter: Reporter

    def began(self, subject: Subject) -> None:
        """An attempt begins; told in passing."""
        self.reporter.mention(_event(subject, Event.SENDING))

    def mention(self, subject: Subject, outcome: Outcome, event: Event, wait: float | None = None) -> None:
        """Tell what became of an attempt, without waiting for the broker."""
        self.reporter.mention(self._record(subject, outcome, event, wait))

    async def report(
        self, subject: Subject, outcome: Outcome, event: Event, wait: float | None = None
    ) -> None:
        """Tell what became of an attempt, and return once the broker has it.

        Raises:
            UnreportedError: The broker did not take it.
        """
        await self.reporter.report(self._record(subject, outcome, event, wait))

    async def repeat(self, message: SendEmail, settled: Settled) -> None:
        """The end was written down, but its report may have been lost: tell it again.

        Raises:
            UnreportedError: The broker did not take it.
        """
        await self.reporter.report(
            RecordEvent(
                message_id=message.message_id,
                event=Event(settled.state.value),
                at=datetime.now(UTC),
                attempt=settled.attempt,
                provider=settled.provider,
                provider_message_id=settled.provider_message_id,
                reason=settled.reason,
                series=settled.series,
            ),
        )

    @staticmethod
    def _record(subject: Subject, outcome: Outcome, event: Event, wait: float | None) -> RecordEvent:
        """Log what became of an attempt, and return the event that tells the gateway."""
        record = _event(subject, event)
        record = record.model_copy(
            update={
                "provider_message_id": theirs(outcome),
                "reason": outcome.reason,
                "retry_at": record.at + timedelta(seconds=wait) if wait is not None else None,
            },
        )
        log.info(
            f"attempt.{event}",  # noqa: G004 - one of the few names in docs/events.md
            message_id=str(subject.message.message_id),
            attempt=subject.attempt,
            provider=subject.provider,
            reason=record.reason,
            retry_after_s=wait and round(wait, 1),
        )
        return record


def theirs(outcome: Outcome) -> str | None:
    """The provider's message id, fit for a database."""
    if isinstance(outcome, Accepted) and outcome.provider_message_id:
        return printable(outcome.provider_message_id)
    return None


def _event(subject: Subject, event: Event) -> RecordEvent:
    return RecordEvent(
        message_id=subject.message.message_id,
        event=event,
        at=datetime.now(UTC),
        attempt=subject.attempt,
        provider=subject.provider or None,
        series=subject.message.series,
    )
