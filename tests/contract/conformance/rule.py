"""The one rule: what must follow of what can be known.

It looks at nothing but what a client knows, what the provider offers to find out more, and what the
message wishes; and it is the same for every provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from services.mailer.accounts.circuit import Position
from shared.signatures import Event, OnUncertain
from tests.contract.conformance.mailer import BACKOFF, PAUSE, SETTLED
from tests.contract.conformance.mishap import Known, Mishap
from tests.fakes import Fake, FakeESP
from tests.fakes.hooks import Dialect


class Means(Enum):
    """How to find out what became of a message in doubt."""

    KEY = "ask again with the same key"
    SEARCH = "search for it"
    NONE = "not at all"


def means_of(fake: type[Fake]) -> Means:
    """What a provider offers, as its fake does it."""
    if issubclass(fake, FakeESP):
        if fake().keys is not None:
            return Means.KEY
        if fake.found is not Dialect.found:
            return Means.SEARCH
    return Means.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must follow."""

    event: Event
    """What is told of the attempt."""
    wait: tuple[float, float] | None
    """Between which seconds the wait for the next attempt is; None if there is none."""
    elsewhere: bool
    """Whether another account is asked at once."""
    circuit: Position
    """Of an account that bears no failure at all."""
    end: Event
    """What is told last, when everything has been well again after the mishap."""
    copies: int
    """How often the message is taken over by then."""


_UNASKED = (1.0, BACKOFF)

_WAITS = {Known.NOT_US: (PAUSE, PAUSE)}
_ENDS = {
    Known.TAKEN: Event.SENT,
    Known.NOT_THIS: Event.FAILED,
    Known.NOT_TO_THEM: Event.SUPPRESSED,
}


def expected(mishap: Mishap, means: Means, wish: OnUncertain) -> Expected:
    """Say what must follow of a mishap, if nothing else goes wrong."""
    known = mishap.known
    ill = known in (Known.AWAY, Known.NOTHING)
    circuit = Position.OPEN if ill else Position.CLOSED
    if (end := _ENDS.get(known)) is not None:
        return Expected(
            event=end, wait=None, elsewhere=False, circuit=circuit, end=end, copies=int(mishap.taken)
        )
    if known is Known.NOTHING:
        return _in_doubt(mishap, means, wish, circuit)
    return Expected(
        event=Event.DEFERRED,
        wait=mishap.asks or _WAITS.get(known, _UNASKED),
        elsewhere=known is not Known.NOT_YET,
        circuit=circuit,
        end=Event.SENT,
        # Against a provider that lies there is no help but a key.
        copies=2 if mishap.lies and means is not Means.KEY else 1,
    )


def _in_doubt(mishap: Mishap, means: Means, wish: OnUncertain, circuit: Position) -> Expected:
    """Nobody else is asked; the doubt is resolved, or the message's wish counts."""
    stays = means is Means.NONE and wish is OnUncertain.HOLD
    doubled = means is Means.NONE and mishap.taken
    return Expected(
        event=Event.HELD if stays else Event.UNCERTAIN,
        wait=None if stays else (SETTLED, SETTLED) if means is Means.SEARCH else _UNASKED,
        elsewhere=False,
        circuit=circuit,
        end=Event.HELD if stays else Event.SENT,
        copies=int(mishap.taken) if stays else 2 if doubled else 1,
    )
