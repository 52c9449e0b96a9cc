"""Ten times the work: whatever grows faster than the work shows here."""

from __future__ import annotations

from bench import accepting
from bench.accepting import Calls
from bench.contest import Comparison, Scenario
from bench.delivering import CPU, RATE, RSS, pillarbox
from bench.result import Goal
from bench.telling import RECORDED, told

_ONCE, _TENFOLD = "1 ×", "10 ×"


def _goals(*figures: str) -> tuple[Goal, ...]:
    return tuple(Goal(contender=_TENFOLD, figure=one, at_least=0.9, against=_ONCE) for one in figures)


SCENARIO = Scenario(
    "growth",
    "Ten times as many messages and events beside the usual number",
    (
        Comparison(
            "accept",
            (accepting.pillarbox(Calls(64), _TENFOLD, seconds=10),),
            accepting.pillarbox(Calls(64), _ONCE),
            _goals(accepting.RATE, accepting.CONFIRMED),
        ),
        Comparison(
            "delivery at 20 ms",
            (pillarbox(0.02, _TENFOLD, times=5),),
            pillarbox(0.02, _ONCE, times=0.5),
            (
                *_goals(RATE),
                Goal(contender=_TENFOLD, figure=CPU, at_most=1.1, against=_ONCE),
                Goal(contender=_TENFOLD, figure=RSS, at_most=1.2, against=_ONCE),
            ),
        ),
        Comparison("provider events", (told(_TENFOLD, 100_000),), told(_ONCE, 10_000), _goals(RECORDED)),
    ),
)
