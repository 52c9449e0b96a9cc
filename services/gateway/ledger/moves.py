"""How far the events of a batch move their messages: one move for each message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.states import RESTING, progress, progress_told, status
from shared.signatures import Event

NOWHERE = -1
"""Below the progress of every message, and below every attempt."""


@dataclass(slots=True)
class Move:
    """What some events of one message amount to, in whatever order they came."""

    message_id: UUID
    reached: int = NOWHERE
    """How far the furthest of them is; what follows is of that one."""
    status: str = ""
    reason: str | None = None
    wait: float | None = None
    """Seconds until somebody must have said something more; None where nothing more is awaited."""
    provider: str | None = None

    attempts: int = 0
    """The last attempt that any of them is of."""
    sent_attempt: int = NOWHERE
    """The last attempt that sent it; the account and the id are of that one."""
    sent_by: str | None = None
    provider_message_id: str | None = None

    def add(self, event: LedgerEvent, silent_after: float) -> None:
        """Take an event into account."""
        reached = _progress(event)
        if reached is None:
            return
        if reached > self.reached:
            self.reached, self.status, self.reason = reached, status(event.event), event.reason
            self.wait = None if self.status in RESTING else _pause(event) + silent_after
            self.provider = None if event.is_told else event.provider
        self.attempts = max(self.attempts, event.attempt)
        if event.event == Event.SENT and not event.is_told and event.attempt > self.sent_attempt:
            self.sent_attempt, self.sent_by = event.attempt, event.provider
            self.provider_message_id = event.provider_message_id


def moves_of(events: Iterable[LedgerEvent], silent_after: float) -> list[Move]:
    """Sum up what events of named messages amount to, in the order of their messages' ids."""
    moves: dict[int, Move] = {}
    for event in events:
        assert event.message_id is not None  # noqa: S101 - for the type checker
        number = event.message_id.int
        move = moves.get(number)
        if move is None:
            move = moves[number] = Move(event.message_id)
        move.add(event, silent_after)
    return [moves[number] for number in sorted(moves)]


def _progress(event: LedgerEvent) -> int | None:
    if event.is_told:
        return progress_told(event.event)
    return progress(event.event, event.attempt, event.series)


def _pause(event: LedgerEvent) -> float:
    # Both moments are the reporter's, so their difference needs no common clock.
    return (event.retry_at - event.at).total_seconds() if event.retry_at else 0.0
