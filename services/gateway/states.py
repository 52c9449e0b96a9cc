"""The state machine of a message, as one number per event that only ever grows.

An event tells how far a message has come.  Its *progress* is a number; the ledger moves a
message only to a higher one, so late, doubled and reordered events cannot move it back, and no
lock is needed for that.

Each replay of a message begins a new series of attempts, in which it may come less far than
before; so the series stands above all else.  Only that the message was sent stands above every
series: whoever sends it again cannot undo that.
"""

from __future__ import annotations

from typing import Final

from shared.signatures import Event

ACCEPTED: Final = "accepted"
SCHEDULED: Final = "scheduled"
QUEUED: Final = "queued"
CANCELED: Final = "canceled"

REPLAYED: Final = "replayed"
"""An event: a message that had come to its end is sent once more."""
RELEASED: Final = "released"
"""An event: a held message is sent once more, although it may have been sent."""
DROPPED: Final = "dropped"
"""An event: a held message is not sent once more; its status is ``failed``."""

_ATTEMPT: Final = 1_000_000
_PHASE: Final = 1_000_000_000_000
_SERIES: Final = 10_000_000_000_000
_SENT: Final = 1_000_000_000_000_000_000
"""Above the largest series, and with as much room above as below for what comes after *sent*.
Version 0.2 had it at 3 phases, which is above all else of the only series it knew."""

MOST_SERIES: Final = 2**15 - 1
"""The last series that the contract has room for."""

LAST: Final = _ATTEMPT - 1
"""An attempt that no other one follows."""

_PLACE: Final[dict[str, tuple[int, int]]] = {
    # What the attempts of a message say is ordered by attempt first, then by step.
    Event.SENDING: (1, 1),
    Event.DEFERRED: (1, 2),
    Event.UNCERTAIN: (1, 3),
    Event.HELD: (1, 4),
    # Given up, unless it turns out that the provider took it after all: "sent" is the stronger fact.
    Event.EXPIRED: (2, 1),
    Event.FAILED: (2, 2),
    Event.SUPPRESSED: (2, 3),
    CANCELED: (2, 4),
    DROPPED: (2, 5),
}

TERMINAL: Final[frozenset[str]] = frozenset(
    {Event.SENT, Event.FAILED, Event.SUPPRESSED, Event.EXPIRED, CANCELED},
)
"""Ends of a message."""

RESTING: Final[frozenset[str]] = TERMINAL | {Event.HELD}
"""In these the gateway waits for nothing more from the mailer; of a held message a human decides."""

REPLAYABLE: Final[frozenset[str]] = frozenset({Event.FAILED, Event.SUPPRESSED, Event.HELD})
"""From these a message can be sent once more."""


def progress(event: str, attempt: int, series: int = 0) -> int | None:
    """How far a message is after ``event``; None for an event this version does not know."""
    turn = min(attempt, LAST) * 10
    if event == Event.SENT:
        return _SENT + turn
    place = _PLACE.get(event)
    if place is None:
        return None
    phase, step = place
    return beginning(series) + phase * _PHASE + turn + step


def beginning(series: int) -> int:
    """How far a message is before the first event of a series."""
    return series * _SERIES
