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

from shared.signatures import Event, Feedback

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
SENT_PROGRESS: Final = 1_000_000_000_000_000_000
"""Of a message that its provider has: above the largest series, with as much room above as below.
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

_AFTERWARDS: Final[dict[str, int]] = {
    # What the provider tells, as phases after "sent".  Mail servers bounce what they took, and people
    # complain of what was delivered; never the other way round.
    Feedback.PROCESSED: 0,
    Event.SENT: 0,
    Event.FAILED: 1,
    Event.SUPPRESSED: 1,
    Feedback.DELIVERED: 2,
    Feedback.BOUNCED: 3,
    Feedback.COMPLAINED: 4,
}

TERMINAL: Final[frozenset[str]] = frozenset(
    {
        *(Event.SENT, Event.FAILED, Event.SUPPRESSED, Event.EXPIRED, CANCELED),
        *(Feedback.DELIVERED, Feedback.BOUNCED, Feedback.COMPLAINED),
    },
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
        return SENT_PROGRESS + turn
    place = _PLACE.get(event)
    if place is None:
        return None
    phase, step = place
    return beginning(series) + phase * _PHASE + turn + step


def progress_told(event: str) -> int | None:
    """How far a message is after what its provider tells of it; None for what does not move it.

    Whoever tells of a message has accepted it, so all of this stands at *sent* or above.  An attempt
    that is known to have sent it stands above the mere word that it was.
    """
    phase = _AFTERWARDS.get(event)
    return None if phase is None else SENT_PROGRESS + phase * _PHASE


def status(event: str) -> str:
    """The status of a message whose furthest event this is."""
    return Event.SENT if event == Feedback.PROCESSED else event


def beginning(series: int) -> int:
    """How far a message is before the first event of a series."""
    return series * _SERIES
