"""Accepting into a ledger that holds a million messages already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench import accepting
from bench.accepting import RATE, Calls
from bench.contest import Comparison, Contender, Measure, Scenario
from bench.ledgers import ROWS, with_rows
from bench.pillarbox import QUEUES
from bench.result import Goal, Measurement
from bench.stage import Stage

_CALLS = Calls(64)


def _on_ledger(name: str, rows: int) -> Contender:
    """Accept into a copy of such a ledger, made anew for every round."""

    @contextmanager
    def open_(stage: Stage) -> Iterator[Measure]:
        def measure() -> Measurement:
            with with_rows(stage, rows) as url, stage.another_pillarbox(ledger_url=url) as box:
                _CALLS.post(stage, box.url, box.system.key, 1)
                accepting.settle(box)
                for queue in QUEUES:
                    box.rabbitmq.purge(queue)
                return accepting.accept(stage, box, _CALLS, stage.seconds, before=box.rows())

        yield measure

    return Contender(name, open_)


_FULL, _EMPTY = "a million rows", "empty ledger"

SCENARIO = Scenario(
    "backlog",
    "POST /emails over 64 connections, with a million messages in the ledger",
    (
        Comparison(
            "single, 64 connections",
            (_on_ledger(_FULL, ROWS),),
            _on_ledger(_EMPTY, 0),
            (Goal(contender=_FULL, figure=RATE, at_least=0.9, against=_EMPTY),),
        ),
    ),
)
