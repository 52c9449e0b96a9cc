"""The nemesis: draws faults from a seed, and lets them happen in storms."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.torture.faults import FAULTS, Fault, Scene
from tests.torture.fleet import Fleet
from tests.torture.plan import Plan
from tests.torture.stage import Stage

_AT_ONCE = 3
_FIRST_GUESS = 2.5
"""Seconds that a fault takes, with others beside it, until that is known of this machine."""


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault that is to happen."""

    number: int
    at: float
    """Seconds after the beginning of all storms, without the rests between them."""
    kind: str
    seconds: float


@dataclass(slots=True)
class Disturbance:
    """A fault that happened, in monotonic time."""

    kind: str
    begun: float
    ended: float
    failed: str | None = None
    """Why it could not be done; then it does not count."""


def deck(plan: Plan, stage: Stage) -> list[Fault]:
    """The kinds that can happen on this stage, or those of them that the plan names."""
    possible = [fault for fault in FAULTS.values() if fault.possible(stage)]
    if unknown := set(plan.kinds) - set(FAULTS):
        raise ValueError(f"no such kinds of fault: {', '.join(sorted(unknown))}")
    return [fault for fault in possible if not plan.kinds or fault.name in plan.kinds]


def schedule(plan: Plan, kinds: list[Fault], done: Callable[[str], bool] = lambda _: False) -> Iterator[Blow]:
    """Draw blows without end: every kind once in a random order, then every kind once more, and so on.

    What has been *done* as often as it has to be comes no more, as long as something else is left.
    """
    dice = random.Random(f"nemesis {plan.seed}")
    at, number = 0.0, 0
    while True:
        left = [fault for fault in kinds if not done(fault.name)] or kinds
        for fault in dice.sample(left, len(left)):
            at += dice.expovariate(1 / plan.gap)
            yield Blow(number, at, fault.name, round(dice.uniform(*fault.seconds) / plan.haste, 2))
            number += 1


@dataclass(slots=True)
class Nemesis:
    """Carries a schedule out."""

    stage: Stage
    fleet: Fleet
    kinds: list[Fault]
    happened: list[Disturbance] = field(default_factory=list)
    underway: set[str] = field(default_factory=set)
    stormed: float = 0.0
    """Seconds that the storms have taken."""
    _clock: float = 0.0
    _blows: Iterator[Blow] = field(init=False)
    _next: Blow | None = None
    _held: dict[str, asyncio.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        each = self.stage.plan.each
        self._blows = schedule(self.stage.plan, self.kinds, lambda kind: self.counts[kind] >= each)

    @property
    def counts(self) -> Counter[str]:
        """How often each kind has happened."""
        return Counter(one.kind for one in self.happened if one.failed is None)

    def missing(self, each: int) -> list[str]:
        """Kinds that have not happened so often yet."""
        counts = self.counts
        return [fault.name for fault in self.kinds if counts[fault.name] < each]

    def remaining(self, each: int) -> float:
        """Seconds of storm until every kind should have happened so often, judged by those there were."""
        blows = max(0, len(self.kinds) * each - len(self.happened))
        took = self.stormed / len(self.happened) if self.happened else max(self.stage.plan.gap, _FIRST_GUESS)
        return blows * took

    async def storm(self, seconds: float) -> None:
        """Let what is due within so many seconds happen, and return when the last of it is over."""
        begun, start = time.monotonic(), self._clock
        slots = asyncio.Semaphore(_AT_ONCE)
        tasks: list[asyncio.Task[None]] = []
        while True:
            blow = self._next or next(self._blows)
            self._next = None
            if blow.at > start + seconds:
                self._next = blow
                break
            await asyncio.sleep(max(0.0, blow.at - start - (time.monotonic() - begun)))
            await slots.acquire()
            if time.monotonic() - begun > seconds:  # the machine is slower than the schedule: go on next time
                slots.release()
                self._next = blow
                break
            task = asyncio.create_task(self._strike(blow))
            task.add_done_callback(lambda _: slots.release())
            tasks.append(task)
        await asyncio.gather(*tasks)
        self.stormed += time.monotonic() - begun
        self._clock = max(start + seconds, self._next.at - self.stage.plan.gap)

    def _note(self, what: str) -> None:
        """Keep account on disk, as it happens."""
        with (self.stage.plan.folder / "faults.txt").open("a") as file:
            file.write(f"{time.time():.3f} {time.monotonic():.3f} {what}\n")

    async def _strike(self, blow: Blow) -> None:
        fault = FAULTS[blow.kind]
        locks = [self._held.setdefault(name, asyncio.Lock()) for name in sorted(fault.holds)]
        for lock in locks:
            await lock.acquire()
        one = Disturbance(blow.kind, time.monotonic(), 0.0)
        self._note(f"{blow.number} {blow.kind} begins, for {blow.seconds} s")
        self.underway.add(blow.kind)
        scene = Scene(
            self.stage, self.fleet, random.Random(f"{self.stage.plan.seed} {blow.number}"), blow.seconds
        )
        try:
            async with fault.inject(scene):
                await asyncio.sleep(blow.seconds)
        except Exception as error:  # noqa: BLE001 - a fault that meets another one may fail; that is counted
            one.failed = f"{type(error).__name__}: {error}"[:300]
        finally:
            one.ended = time.monotonic()
            self._note(f"{blow.number} {blow.kind} is over{': ' if one.failed else ''}{one.failed or ''}")
            self.happened.append(one)
            self.underway.discard(blow.kind)
            for lock in reversed(locks):
                lock.release()
