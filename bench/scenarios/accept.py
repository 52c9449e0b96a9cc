"""How many e-mails a second are accepted, and how long a caller waits."""

from __future__ import annotations

from bench import accepting
from bench.accepting import P50, P99, RATE, Calls
from bench.contest import Comparison, Scenario
from bench.result import Goal

_MANY, _ONE, _MORE = Calls(64), Calls(1), Calls(256)
_BARE = "bare aiohttp"

_PEERS = {
    "FastAPI + Celery": (accepting.fastapi_celery(_MANY), 8),
    "aiohttp + Celery": (
        accepting.queueing(_MANY, "with_celery", "bench.celery", "aiohttp + Celery"),
        4,
    ),
    **{
        f"aiohttp + {way}": (
            accepting.queueing(_MANY, f"with_{way.replace('-', '_')}", queue, f"aiohttp + {way}"),
            times,
        )
        for way, queue, times in (
            ("taskiq", "bench.taskiq", 4),
            ("faststream", "bench.faststream", 4),
            ("dramatiq", "bench.dramatiq", 4),
            ("arq", "arq:queue", 4),
            ("aio-pika", "bench.aio_pika", 1.8),
        )
    },
}

SCENARIO = Scenario(
    "accept",
    "POST /emails under wrk; the 202 comes after the ledger's commit, the relay publishes meanwhile",
    (
        Comparison(
            "single, 64 connections",
            (
                accepting.pillarbox(_MANY),
                accepting.ceiling(_MANY),
                *(contender for contender, _ in _PEERS.values()),
            ),
            accepting.bare(_MANY),
            (
                Goal(contender="Pillarbox", figure=RATE, at_least=0.7, against=_BARE),
                Goal(contender="Pillarbox", figure=P99, at_most=40),
                *(
                    Goal(contender="Pillarbox", figure=RATE, at_least=times, against=name)
                    for name, (_, times) in _PEERS.items()
                ),
            ),
        ),
        Comparison(
            "single, 1 connection",
            (accepting.pillarbox(_ONE),),
            accepting.bare(_ONE),
            (Goal(contender="Pillarbox", figure=P50, at_most=2.5, against=_BARE),),
        ),
        Comparison("single, 256 connections", (accepting.pillarbox(_MORE),), accepting.bare(_MORE)),
        Comparison(
            "batch of 100",
            (accepting.pillarbox(Calls(8, 100), "batches, 8 connections"),),
            accepting.pillarbox(_MANY, "single, 64 connections"),
            (
                Goal(
                    contender="batches, 8 connections",
                    figure=RATE,
                    at_least=5,
                    against="single, 64 connections",
                ),
            ),
        ),
    ),
)
