"""How many e-mails a second one worker process delivers, by how long its provider takes."""

from __future__ import annotations

from bench.contest import Comparison, Scenario
from bench.delivering import ARQ, CELERY, DRAMATIQ, RATE, RSS, TASKIQ, peer, pillarbox
from bench.result import Goal

_STOCK = "Celery prefork -c 8"
_TENTH = 0.1


def _against_stock(latency: float) -> Comparison:
    return Comparison(
        f"{latency * 1000:g} ms",
        (pillarbox(latency),),
        peer(CELERY, _STOCK, latency),
    )


_PEERS = Comparison(
    "100 ms",
    (
        pillarbox(_TENTH),
        peer(TASKIQ, "taskiq", _TENTH),
        peer(ARQ, "arq", _TENTH),
        peer(DRAMATIQ, "dramatiq", _TENTH),
    ),
    peer(CELERY, _STOCK, _TENTH),
    (
        Goal(contender="Pillarbox", figure=RATE, at_least=10, against=_STOCK),
        Goal(contender="Pillarbox", figure=RSS, at_most=1 / 3, against=_STOCK),
        Goal(contender="Pillarbox", figure=RATE, at_least=1, against="taskiq"),
        Goal(contender="Pillarbox", figure=RATE, at_least=1, against="arq"),
    ),
)
_BATCHES = Comparison(
    "100 ms, bulk lane (a request carries many)",
    (pillarbox(_TENTH, "bulk", lane="bulk", times=4),),
    pillarbox(_TENTH, "transactional"),
    (Goal(contender="bulk", figure=RATE, at_least=4, against="transactional"),),
)

SCENARIO = Scenario(
    "delivery",
    "A full queue, one worker process, a provider that takes its time; Pillarbox claims and reports besides",
    (_against_stock(0.0), _against_stock(0.02), _PEERS, _against_stock(0.5), _BATCHES),
)
