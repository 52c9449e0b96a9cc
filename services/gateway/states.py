"""The state machine of a message, as one number per event that only ever grows.

An event tells how far a message has come.  Its *progress* is a number; the ledger moves a
message only to a higher one, so late, doubled and reordered events cannot move it back, and no
lock is needed for that.
"""

from __future__ import annotations

from typing import Final

from shared.signatures import Event

ACCEPTED: Final = "accepted"
SCHEDULED: Final = "scheduled"
QUEUED: Final = "queued"
CANCELED: Final = "canceled"

_ATTEMPT: Final = 1_000_000
_PHASE: Final = 1_000_000_000_000

_PLACE: Final[dict[str, tuple[int, int]]] = {
    # What the attempts of a message say is ordered by attempt first, then by step.
    Event.SENDING: (1, 1),
    Event.DEFERRED: (1, 2),
    Event.UNCERTAIN: (1, 3),
    # Given up, unless it turns out that the provider took it after all: "sent" is the stronger fact.
    Event.EXPIRED: (2, 1),
    Event.FAILED: (2, 2),
    Event.SUPPRESSED: (2, 3),
    CANCELED: (2, 4),
    Event.SENT: (3, 0),
}

TERMINAL: Final[frozenset[str]] = frozenset(
    {Event.SENT, Event.FAILED, Event.SUPPRESSED, Event.EXPIRED, CANCELED},
)
"""After these the gateway waits for nothing more from the mailer."""


def progress(event: str, attempt: int) -> int | None:
    """How far a message is after ``event``; None for an event this version does not know."""
    place = _PLACE.get(event)
    if place is None:
        return None
    phase, step = place
    return phase * _PHASE + min(attempt, _ATTEMPT - 1) * 10 + step
