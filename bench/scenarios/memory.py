"""Resident memory of either service: at rest, under load, and with a hundred thousand waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bench import accepting
from bench.accepting import Calls
from bench.contest import Comparison, Contender, Measure, Scenario
from bench.honesty import Account
from bench.pillarbox import Pillarbox
from bench.processes import family, resident_mb
from bench.result import Goal, Measurement
from bench.stage import Stage

WAITING = 100_000
_CALLS = Calls(64)
_REST_SECONDS = 5.0
_LATENCY = 0.1


@contextmanager
def _open(stage: Stage) -> Iterator[Measure]:
    def measure() -> Measurement:
        with stage.another_pillarbox() as box:
            figures = _at_rest(box)
            load_figures, problems = _under_load(stage, box)
            waiting_figures, more = _waiting(stage, box)
        every = {**figures, **load_figures, **waiting_figures}
        return Measurement(figures=every, problems=[*problems, *more])

    yield measure


def _at_rest(box: Pillarbox) -> dict[str, float]:
    box.start_mailers()
    time.sleep(_REST_SECONDS)
    return _memory(box, "at rest")


def _under_load(stage: Stage, box: Pillarbox) -> tuple[dict[str, float], list[str]]:
    """Take the peaks while the gateway accepts as fast as it can and the mailer delivers."""
    box.provider.reset(_LATENCY)
    peaks: dict[str, float] = {}
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(_CALLS.post, stage, box.url, box.system.key, stage.seconds)
        while not loading.done():
            for name, megabytes in _memory(box, "under load").items():
                peaks[name] = max(megabytes, peaks.get(name, 0.0))
            time.sleep(0.2)
    load = loading.result()
    box.wait_until_received(load.accepted)
    arrived, doubled = box.provider.count()
    account = Account(load.accepted, load.errors, ledger=box.rows(), provider=arrived, doubled=doubled)
    return peaks, account.problems()


def _waiting(stage: Stage, box: Pillarbox) -> tuple[dict[str, float], list[str]]:
    """Look at both when the queue is full and the mailer has begun with it."""
    count = WAITING * stage.scale
    box.stop_mailers()
    accepting.settle(box)
    box.reset(_LATENCY)
    called = box.fill(count)
    box.wait_until_queued(len(called.posted))
    problems = Account(len(called.posted), called.errors, ledger=box.rows(), broker=box.queued()).problems()
    box.start_mailers()
    time.sleep(_REST_SECONDS)
    figures = _memory(box, f"with {WAITING:,} waiting")
    box.stop_mailers()
    return figures, problems


def _memory(box: Pillarbox, when: str) -> dict[str, float]:
    services = {"gateway": box.system.gateway, "mailer": box.mailers[0]}
    return {
        f"{name} {when}, MB": resident_mb(family(service.process.pid))
        for name, service in services.items()
        if service.process
    }


SCENARIO = Scenario(
    "memory",
    "RSS of one gateway and one mailer",
    (
        Comparison(
            "RSS",
            (Contender("Pillarbox", _open),),
            goals=(
                Goal(contender="Pillarbox", figure="gateway at rest, MB", at_most=80),
                Goal(contender="Pillarbox", figure="mailer at rest, MB", at_most=80),
            ),
        ),
    ),
)
