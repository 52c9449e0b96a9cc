"""Medians and how far apart the rounds were."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.result import Compared, Goal, Measurement, Pair


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several rounds, with their quartiles: one disturbed round moves none of them far."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread | None:
    """Sum up the rounds; None if there are none."""
    if not values:
        return None
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], 1)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high, len(values))


def values(rounds: Sequence[Measurement], figure: str) -> list[float]:
    """A figure in those rounds that count and have it."""
    return [one.figures[figure] for one in rounds if not one.problems and figure in one.figures]


def ratios(pair: Pair, figure: str) -> list[float]:
    """The figure as a multiple of the reference's, round by round: what slows both slows no ratio."""
    return [
        ours.figures[figure] / theirs.figures[figure]
        for ours, theirs in zip(pair.measured, pair.reference, strict=False)
        if not ours.problems and not theirs.problems and figure in ours.figures and theirs.figures.get(figure)
    ]


def reached(compared: Compared, goal: Goal) -> float | None:
    """Give what the goal's figure came to; None if it was not measured, or not validly.

    Two contenders are compared by way of the reference that both were measured beside.
    """
    pair = compared.pair(goal.contender)
    if pair is None:
        return None
    if goal.against is None:
        return _median(values(pair.measured, goal.figure))
    ours = _median(ratios(pair, goal.figure))
    if goal.against == compared.reference:
        return ours
    other = compared.pair(goal.against)
    theirs = None if other is None else _median(ratios(other, goal.figure))
    return ours / theirs if ours is not None and theirs else None


def is_met(goal: Goal, value: float) -> bool:
    """Whether a value lies within the goal's bounds."""
    above = goal.at_least is None or value >= goal.at_least
    below = goal.at_most is None or value <= goal.at_most
    return above and below


def _median(numbers: Sequence[float]) -> float | None:
    return statistics.median(numbers) if numbers else None


def percentile(numbers: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    ordered = sorted(numbers)
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
