"""What a scenario is made of, and how its rounds are run: in pairs, interleaved."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import httpx

from bench.result import Compared, Goal, Measurement, Pair
from bench.stage import Stage
from bench.waiting import TooLateError

Measure = Callable[[], Measurement]
"""Measures once, from a clean beginning."""

Watch = Callable[[str], None]
"""Is told what is done now, each time that a measurement begins."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who does the work of a comparison."""

    name: str
    open: Callable[[Stage], AbstractContextManager[Measure]]
    """Starts what it needs for all of its rounds."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Contenders at the same work, each beside the reference if there is one."""

    name: str
    contenders: Sequence[Contender]
    reference: Contender | None = None
    goals: Sequence[Goal] = ()

    def measurements(self, rounds: int) -> int:
        """How many there will be."""
        return rounds * len(self.contenders) * (1 if self.reference is None else 2)

    def run(self, stage: Stage, rounds: int, watch: Watch) -> Compared:
        """Measure every contender, with a round of the reference before or after each of its rounds."""
        compared = Compared(
            name=self.name,
            reference=self.reference.name if self.reference else None,
            goals=list(self.goals),
        )
        for contender in self.contenders:
            compared.pairs.append(self._pair(contender, stage, rounds, watch))
        return compared

    def _pair(self, contender: Contender, stage: Stage, rounds: int, watch: Watch) -> Pair:
        pair = Pair(contender=contender.name)
        with ExitStack() as opened:
            sides = [(contender, opened.enter_context(contender.open(stage)), pair.measured)]
            if self.reference is not None:
                sides.append(
                    (self.reference, opened.enter_context(self.reference.open(stage)), pair.reference)
                )
            for number in range(rounds):
                # Who begins changes, lest one of them always find the machine as the other left it.
                for side, measure, kept in sides if number % 2 else reversed(sides):
                    watch(f"{self.name}: {side.name}, round {number + 1} of {rounds}")
                    kept.append(_measured(measure))
        return pair


def _measured(measure: Measure) -> Measurement:
    """Measure; what fails is a round that does not count, and the next one may be better."""
    try:
        return measure()
    except (TooLateError, subprocess.SubprocessError, httpx.HTTPError) as error:
        return Measurement(figures={}, problems=[f"{type(error).__name__}: {error}"])


@dataclass(frozen=True, slots=True)
class Scenario:
    """Comparisons under one name; see the module that holds them."""

    name: str
    about: str
    comparisons: Sequence[Comparison]
