"""What a kind of fault is, and the list of them all."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.torture.fleet import Fleet
    from tests.torture.stage import Stage


@dataclass(slots=True)
class Scene:
    """What a fault has to work with."""

    stage: Stage
    fleet: Fleet
    dice: random.Random
    """Its own: drawn alike whenever the schedule is replayed."""
    seconds: float
    """How long it lasts."""


Inject = Callable[[Scene], AsyncIterator[None]]
Possible = Callable[["Stage"], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: done on the way in, undone on the way out."""

    name: str
    rows: tuple[str, ...]
    """Of the crash table in docs/reliability.md."""
    inject: Callable[[Scene], AbstractAsyncContextManager[None]]
    possible: Possible
    holds: tuple[str, ...]
    """What nobody else may touch meanwhile: ``broker``, ``database``, ``gateways`` and so on."""
    seconds: tuple[float, float]
    """How long it lasts, at least and at most."""
    disturbs: tuple[str, ...]
    """Whose work it interrupts: an attempt of the mailer, a note in the claims, what the provider says."""


FAULTS: Final[dict[str, Fault]] = {}
"""Every kind, by name."""


def always(_: Stage) -> bool:
    """Whatever the stage is."""
    return True


def fault(
    rows: str,
    *,
    holds: str = "",
    seconds: tuple[float, float] = (1.0, 6.0),
    possible: Possible = always,
    disturbs: str = "",
    name: str | None = None,
) -> Callable[[Inject], Inject]:
    """Register a generator that injects before its only ``yield`` and heals behind it."""

    def register(inject: Inject) -> Inject:
        kind = name or inject.__qualname__
        if kind in FAULTS:
            raise ValueError(f"two kinds of fault are called {kind}")
        FAULTS[kind] = Fault(
            kind,
            tuple(rows.split()),
            asynccontextmanager(inject),
            possible,
            tuple(holds.split()),
            seconds,
            tuple(disturbs.split()),
        )
        return inject

    return register
