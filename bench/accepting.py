"""Contenders that accept: Pillarbox, and fronts of the peers, all under the same wrk."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from redis import Redis

from bench import letters, wrk
from bench.ceiling import QUEUE, TABLE
from bench.contest import Contender, Measure
from bench.honesty import Account
from bench.pillarbox import Pillarbox
from bench.result import Measurement
from bench.stage import Stage
from bench.waiting import TooLateError, wait
from tests.servers.server import free_port

RATE = "messages/s"
CONFIRMED = "confirmed/s"
P50 = "p50 ms"
P99 = "p99 ms"

_WARMING_SECONDS = 1.0
_KEY = "a-key-that-peers-do-not-look-at"


@dataclass(frozen=True, slots=True)
class Calls:
    """What wrk sends: e-mails in calls of one, or of many."""

    connections: int
    size: int = 1

    @property
    def path(self) -> str:
        """Where to."""
        return "/emails" if self.size == 1 else "/emails/batch"

    @property
    def body(self) -> bytes:
        """The same in every call."""
        return letters.single() if self.size == 1 else letters.batch(self.size)

    def post(self, stage: Stage, url: str, key: str, seconds: float) -> wrk.Load:
        """Send for so many seconds."""
        return wrk.post(
            f"{url}{self.path}",
            self.body,
            key=key,
            connections=self.connections,
            seconds=seconds,
            folder=stage.folder,
        )

    def figures(self, load: wrk.Load) -> dict[str, float]:
        """Give what wrk saw."""
        rate = load.accepted * self.size / load.seconds
        return {RATE: rate, P50: load.p50_ms, P99: load.p99_ms}


def pillarbox(calls: Calls, name: str = "Pillarbox", seconds: float = 1.0) -> Contender:
    """Give the gateway under these calls; ``seconds`` multiplies the usual length."""

    @contextmanager
    def open_(stage: Stage) -> Iterator[Measure]:
        box = stage.pillarbox
        box.reset()
        calls.post(stage, box.url, box.system.key, _WARMING_SECONDS)
        yield lambda: accept(stage, box, calls, stage.seconds * seconds)

    return Contender(name, open_)


def accept(stage: Stage, box: Pillarbox, calls: Calls, seconds: float, before: int = 0) -> Measurement:
    """Load the gateway; it is done when the relay has published all of it and the broker confirmed.

    ``before`` is how many rows the ledger already holds, of messages that nothing is awaited of.
    """
    if not before:
        settle(box)
        box.reset()
    load = calls.post(stage, box.url, box.system.key, seconds)
    accepted = load.accepted * calls.size
    lag = box.wait_until_queued(accepted)
    account = Account(accepted, load.errors, ledger=box.rows() - before, broker=box.queued())
    figures = {**calls.figures(load), CONFIRMED: accepted / (load.seconds + lag)}
    return Measurement(figures=figures, problems=account.problems())


def settle(box: Pillarbox) -> None:
    """Wait until the relay has marked what it published, lest emptying the tables cross its way."""
    query = "SELECT count(*) FROM messages WHERE queued_at IS NULL AND due_at IS NOT NULL"
    ledger = box.system.ledger_url
    wait(lambda: box.postgresql.execute(query, ledger) == "0", "the relay to come to rest")


def bare(calls: Calls, name: str = "bare aiohttp") -> Contender:
    """Give aiohttp that parses and answers, and does nothing else: the ceiling."""
    return Contender(name, _front(calls, ["bench.peers.front"], None))


def ceiling(calls: Calls, name: str = "row and message, nothing else") -> Contender:
    """Give the least that a durable 202 can be: see :mod:`bench.ceiling`."""

    @contextmanager
    def open_(stage: Stage) -> Iterator[Measure]:
        port, ledger = free_port(), stage.postgresql.create_database()
        stage.postgresql.execute(TABLE, ledger)
        told = {**stage.peers_environment(port), "BENCH_LEDGER_URL": ledger}
        url = f"http://127.0.0.1:{port}"
        with stage.running("ceiling", [sys.executable, "-m", "bench.ceiling"], told) as service:
            stage.answers(port, f"the ceiling; see {service.log_path}")
            calls.post(stage, url, _KEY, _WARMING_SECONDS)
            yield lambda: _measure_ceiling(stage, url, calls, ledger)

    return Contender(name, open_)


def _measure_ceiling(stage: Stage, url: str, calls: Calls, ledger: str) -> Measurement:
    stage.postgresql.execute("TRUNCATE accepted", ledger)
    empty(stage, QUEUE)
    load = calls.post(stage, url, _KEY, stage.seconds)
    begun = time.monotonic()
    broker = _settled(stage, QUEUE, load.accepted)
    lag = time.monotonic() - begun
    rows = int(stage.postgresql.execute("SELECT count(*) FROM accepted", ledger))
    account = Account(load.accepted, load.errors, ledger=rows, broker=broker)
    figures = {**calls.figures(load), CONFIRMED: load.accepted / (load.seconds + lag)}
    return Measurement(figures=figures, problems=account.problems())


def queueing(calls: Calls, way: str, queue: str, name: str) -> Contender:
    """Give aiohttp in front of a peer's queue at RabbitMQ."""
    return Contender(name, _front(calls, ["bench.peers.front", way], queue))


def fastapi_celery(calls: Calls, name: str = "FastAPI + Celery") -> Contender:
    """Give what most people write."""
    options = ["--log-level", "warning", "--no-access-log", "--host", "127.0.0.1", "--port", "{port}"]
    return Contender(
        name, _front(calls, ["uvicorn", "bench.peers.fastapi_celery:app", *options], "bench.celery")
    )


def _front(
    calls: Calls, arguments: list[str], queue: str | None
) -> Callable[[Stage], AbstractContextManager[Measure]]:
    @contextmanager
    def open_(stage: Stage) -> Iterator[Measure]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        told = [argument.format(port=port) for argument in arguments]
        with stage.peer("-".join(arguments[:2]).replace(":", "-"), told, port=port):
            calls.post(stage, url, _KEY, _WARMING_SECONDS)
            yield lambda: _measure(stage, url, calls, queue)

    return open_


def _measure(stage: Stage, url: str, calls: Calls, queue: str | None) -> Measurement:
    if queue is not None:
        empty(stage, queue)
    load = calls.post(stage, url, _KEY, stage.seconds)
    broker = None if queue is None else _settled(stage, queue, load.accepted)
    account = Account(load.accepted * calls.size, load.errors, broker=broker)
    return Measurement(figures=calls.figures(load), problems=account.problems())


def empty(stage: Stage, queue: str) -> None:
    """Remove what waits in a peer's queue."""
    if queue.startswith("arq:"):
        with Redis.from_url(stage.redis.url) as client:
            client.flushall()
    elif stage.rabbitmq.queue_depth(queue):
        stage.rabbitmq.purge(queue)


def depth(stage: Stage, queue: str) -> int:
    """How many wait in a peer's queue."""
    if not queue.startswith("arq:"):
        return stage.rabbitmq.queue_depth(queue)
    with Redis.from_url(stage.redis.url) as client:
        return int(client.zcard(queue))


def _settled(stage: Stage, queue: str, count: int) -> int:
    """The queue's depth, once it has come to what was confirmed, or has had the time to."""
    with suppress(TooLateError):
        wait(lambda: depth(stage, queue) >= count, "confirmed messages to show", patience=5)
    return depth(stage, queue)
