"""How long a process takes from its start until it does its work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from bench.contest import Comparison, Contender, Measure, Scenario
from bench.delivering import CELERY
from bench.result import Measurement
from bench.stage import Stage
from bench.waiting import wait
from tests.servers.server import free_port

SECONDS = "seconds"


def _timed(start: Callable[[], object]) -> Measurement:
    begun = time.monotonic()
    start()
    return Measurement(figures={SECONDS: time.monotonic() - begun})


@contextmanager
def _gateway(stage: Stage) -> Iterator[Measure]:
    box = stage.pillarbox

    def start() -> None:
        box.system.gateway.start()
        wait(lambda: _is_ready(box.url), "the gateway to be ready", period=0.01)

    def measure() -> Measurement:
        box.system.gateway.stop()
        return _timed(start)

    yield measure


@contextmanager
def _mailer(stage: Stage) -> Iterator[Measure]:
    box = stage.pillarbox

    def measure() -> Measurement:
        box.stop_mailers()
        return _timed(box.start_mailers)

    yield measure
    box.stop_mailers()


@contextmanager
def _celery(stage: Stage) -> Iterator[Measure]:
    def measure() -> Measurement:
        told = [*CELERY.command[:-1], "INFO"]
        log = stage.folder / "starting.log"
        log.unlink(missing_ok=True)
        begun = time.monotonic()
        with stage.peer("starting", told) as service:
            wait(lambda: " ready." in service.log(), "the worker to be ready", period=0.01)
            return Measurement(figures={SECONDS: time.monotonic() - begun})

    yield measure


@contextmanager
def _fastapi(stage: Stage) -> Iterator[Measure]:
    def measure() -> Measurement:
        port = free_port()
        command = ["uvicorn", "bench.peers.fastapi_celery:app", "--port", str(port)]
        begun = time.monotonic()
        with stage.peer("starting-fastapi", command, port=port):
            return Measurement(figures={SECONDS: time.monotonic() - begun})

    yield measure


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).is_success
    except httpx.TransportError:
        return False


SCENARIO = Scenario(
    "startup",
    "From the start of a process until it is ready to work",
    (
        Comparison("gateway", (Contender("Pillarbox", _gateway),), Contender("FastAPI + Celery", _fastapi)),
        Comparison("mailer", (Contender("Pillarbox", _mailer),), Contender("Celery prefork -c 8", _celery)),
    ),
)
