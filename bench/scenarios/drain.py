"""A hundred thousand e-mails that wait: how fast they go, and whether the mailer's memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.contest import Comparison, Contender, Measure, Scenario
from bench.delivering import drain
from bench.result import Goal, Measurement
from bench.stage import Stage

WAITING = 100_000
GROWTH = "memory from 10 % to 90 %, MB"
_LATENCY = 0.02


@contextmanager
def _open(stage: Stage) -> Iterator[Measure]:
    box = stage.pillarbox
    count = WAITING * stage.scale

    def measure() -> Measurement:
        measured, watched = drain(box, count, latency=_LATENCY)
        grown = growth(watched.memory, count)
        return measured.model_copy(update={"figures": {**measured.figures, GROWTH: grown}})

    yield measure


def growth(memory: Sequence[tuple[int, float]], count: int) -> float:
    """By how many megabytes the memory grew, or shrank, between a tenth and nine tenths of the work."""
    inside = [megabytes for done, megabytes in memory if count * 0.1 <= done <= count * 0.9]
    return inside[-1] - inside[0] if inside else 0.0


SCENARIO = Scenario(
    "drain",
    f"{WAITING:,} messages wait, one mailer, 20 ms provider latency",
    (
        Comparison(
            f"{WAITING:,} waiting",
            (Contender("Pillarbox", _open),),
            goals=(Goal(contender="Pillarbox", figure=GROWTH, at_least=-20, at_most=20),),
        ),
    ),
)
