"""What follows of an outcome: the state to keep, the event to report, the wait for the next attempt."""

from __future__ import annotations

from dataclasses import dataclass

from services.mailer.backoff import Backoff
from services.mailer.claims.claims import State
from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Suppressed,
    Trouble,
    Unauthorised,
    Uncertain,
    reason,
)
from services.mailer.providers.base import Traits
from shared.signatures import Event, OnUncertain

SOON = 1.0
"""Seconds; nothing comes again sooner."""


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


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a message stands when an attempt has ended."""

    attempt: int
    age: float
    """Seconds since the first attempt of its series."""
    doubts: int
    """Attempts before this one that may have sent, and of which nothing more is known by now."""
    on_uncertain: OnUncertain
    traits: Traits
    """Of the provider that was asked."""
    searchable: bool


@dataclass(frozen=True, slots=True)
class Consequence:
    """What to write down and to report."""

    state: State
    event: Event
    outcome: Outcome
    wait: float | None = None
    """Seconds until the next attempt; None when there is none."""
    doubts: int = 0


def consequence(outcome: Outcome, standing: Standing, patience: Patience) -> Consequence:
    """Say what follows; a message that may have been sent never ends as if it had not been."""
    decided = _decide(outcome, standing, patience)
    if decided.wait is not None and standing.age + decided.wait > patience.horizon:
        told = reason("given_up", f"after {standing.attempt} attempts", _why(outcome))
        decided = Consequence(State.FAILED, Event.FAILED, Rejected(told), None, decided.doubts)
    if decided.wait is None and decided.doubts and decided.state is not State.SENT:
        return Consequence(State.HELD, Event.HELD, Uncertain(_why(decided.outcome)), None, decided.doubts)
    return decided


def _decide(outcome: Outcome, standing: Standing, patience: Patience) -> Consequence:
    backoff = patience.backoff.wait(standing.attempt)
    doubts = standing.doubts
    match outcome:
        case Accepted():
            return Consequence(State.SENT, Event.SENT, outcome)
        case Rejected():
            return Consequence(State.FAILED, Event.FAILED, outcome, None, doubts)
        case Suppressed():
            return Consequence(State.SUPPRESSED, Event.SUPPRESSED, outcome, None, doubts)
        case Deferred(retry_after=hint):
            wait = backoff if hint is None else max(hint, SOON)
            return Consequence(State.DEFERRED, Event.DEFERRED, outcome, wait, doubts)
        case Unauthorised(retry_after=hint):
            wait = patience.unauthorised_pause if hint is None else max(hint, SOON)
            return Consequence(State.DEFERRED, Event.DEFERRED, outcome, wait, doubts)
        case Uncertain():
            return _in_doubt(outcome, standing, patience, backoff)


def _in_doubt(outcome: Uncertain, standing: Standing, patience: Patience, backoff: float) -> Consequence:
    doubts = standing.doubts + 1
    if standing.traits.key_window is not None:
        wait = backoff
    elif standing.searchable:
        wait = max(standing.traits.settle_delay, SOON)
    elif held(standing.on_uncertain, doubts, patience):
        return Consequence(State.HELD, Event.HELD, outcome, None, doubts)
    else:
        wait = backoff
    return Consequence(State.UNCERTAIN, Event.UNCERTAIN, outcome, wait, doubts)


def held(on_uncertain: OnUncertain, doubts: int, patience: Patience) -> bool:
    """Whether a message must wait for a human, after so many attempts whose end nobody can find out."""
    return on_uncertain is OnUncertain.HOLD or doubts >= patience.resend_limit


def throttled(outcome: Outcome) -> bool:
    """Whether the attempt failed for the account's pace alone."""
    return isinstance(outcome, Deferred) and outcome.trouble is Trouble.PACE


def goes_elsewhere(outcome: Outcome) -> bool:
    """Whether another account may be asked at once: certainly not sent, and not for the message's sake."""
    return isinstance(outcome, Unauthorised) or (
        isinstance(outcome, Deferred) and outcome.trouble is not Trouble.MESSAGE
    )


def _why(outcome: Outcome) -> str:
    return outcome.reason or type(outcome).__name__.lower()
