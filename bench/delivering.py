"""Contenders that deliver: they find a full queue, and are timed at the provider."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import accepting
from bench.contest import Contender, Measure
from bench.honesty import Account
from bench.pillarbox import Pillarbox
from bench.processes import cpu_seconds, family, proportional_mb, resident_mb
from bench.provider import Provider
from bench.result import ROOT, Measurement
from bench.stage import PEERS, Stage
from bench.waiting import wait
from services.mailer.settings import Settings

RATE = "messages/s"
CPU = "CPU µs/message"
RSS = "RSS MB"
PSS = "PSS MB"

SLOTS: int = Settings.model_fields["slots"].default
"""Attempts at once in a lane of a mailer, as they come."""

_LONGER = 2.0
"""Times as long as accepting is measured, for workers take a while to come up to speed."""
_FASTEST = 1000.0
"""Messages a second that nobody here is expected to exceed; it only sizes the queue."""


@dataclass(slots=True)
class Watched:
    """Worker processes while they work."""

    pids: Sequence[int]
    peak_rss: float = 0.0
    peak_pss: float = 0.0
    memory: list[tuple[int, float]] = field(default_factory=list)
    """Resident megabytes after so many messages."""
    begun: tuple[int, float] | None = None
    """Messages that had arrived, and processor seconds used, when they were first seen at work."""

    def look(self, provider: Provider, count: int) -> bool:
        """Note their memory, and say whether all has arrived."""
        arrived, _ = provider.count()
        pids = [pid for root in self.pids for pid in family(root)]
        if arrived and self.begun is None:
            self.begun = arrived, self.cpu_seconds()
        rss = resident_mb(pids)
        self.memory.append((arrived, rss))
        self.peak_rss = max(self.peak_rss, rss)
        self.peak_pss = max(self.peak_pss, proportional_mb(pids))
        return arrived >= count

    def cost(self, count: int) -> float:
        """Microseconds of processor time for each message since then, without starting up."""
        first, before = self.begun or (0, 0.0)
        return (self.cpu_seconds() - before) / (count - first) * 1e6 if count > first else 0.0

    def cpu_seconds(self) -> float:
        """What they and their children have used so far."""
        return cpu_seconds(pid for root in self.pids for pid in family(root))


def count_for(stage: Stage, slots: int, latency: float, most: float = _FASTEST) -> int:
    """How many messages keep so many slots busy for as long as it is measured."""
    rate = min(slots / latency if latency else most, most)
    return max(100, round(rate * stage.seconds * _LONGER / 100) * 100) * stage.scale


def pillarbox(
    latency: float,
    name: str = "Pillarbox",
    *,
    mailers: int = 1,
    lane: str = "transactional",
    times: float = 1,
    slots: int = SLOTS,
) -> Contender:
    """Give mailers on a queue that the gateway filled; they claim and report, unlike the others."""

    @contextmanager
    def open_(stage: Stage) -> Iterator[Measure]:
        box = stage.pillarbox
        count = round(count_for(stage, slots * mailers, latency) * times)
        yield lambda: drain(box, count, latency=latency, mailers=mailers, lane=lane, slots=slots)[0]

    return Contender(name, open_)


def drain(
    box: Pillarbox,
    count: int,
    *,
    latency: float,
    mailers: int = 1,
    lane: str = "transactional",
    slots: int = SLOTS,
) -> tuple[Measurement, Watched]:
    """Fill the queue, start mailers, and wait until the ledger knows that everything was sent."""
    accepting.settle(box)
    box.reset(latency)
    called = box.fill(count, priority=lane)
    box.wait_until_queued(len(called.posted))
    box.start_mailers(mailers, {"PILLARBOX_SLOTS": str(slots)})
    watched = Watched([one.process.pid for one in box.mailers if one.process])
    wait(lambda: watched.look(box.provider, count), f"{count} messages to arrive", period=0.5)
    used = watched.cost(count)
    box.wait_until_sent(count)
    measurement = _measurement(
        len(called.posted),
        box.provider,
        watched=watched,
        cpu=used,
        errors=called.errors,
        ledger=box.sent(),
    )
    box.stop_mailers()
    return measurement, watched


@dataclass(frozen=True, slots=True)
class Worker:
    """A peer's worker: the command that runs it, its queue, and how it is filled."""

    way: str
    queue: str
    command: tuple[str, ...]
    slots: int


CELERY = Worker(
    "with_celery",
    "bench.celery",
    (
        *("celery", "-A", "bench.peers.with_celery", "worker", "--pool", "prefork", "--concurrency", "8"),
        *("--without-gossip", "--without-mingle", "--loglevel", "WARNING"),
    ),
    slots=8,
)
TASKIQ = Worker(
    "with_taskiq",
    "bench.taskiq",
    (
        *("taskiq", "worker", "bench.peers.with_taskiq:broker", "--workers", "1"),
        *("--max-async-tasks", "500", "--log-level", "WARNING"),
    ),
    slots=500,
)
ARQ = Worker("with_arq", "arq:queue", ("arq", "bench.peers.with_arq.WorkerSettings"), slots=500)
DRAMATIQ = Worker(
    "with_dramatiq",
    "bench.dramatiq",
    ("dramatiq", "bench.peers.with_dramatiq", "--processes", "1", "--threads", "100"),
    slots=100,
)


def peer(worker: Worker, name: str, latency: float) -> Contender:
    """Give a worker that does nothing but the HTTP call."""

    @contextmanager
    def open_(stage: Stage) -> Iterator[Measure]:
        # A prefork worker whose children never wait comes nowhere near the others.
        most = _FASTEST if worker.slots > 8 else _FASTEST / 2
        count = count_for(stage, worker.slots, latency, most)
        yield lambda: _measure(stage, worker, name, count, latency)

    return Contender(name, open_)


def _measure(stage: Stage, worker: Worker, name: str, count: int, latency: float) -> Measurement:
    accepting.empty(stage, worker.queue)
    stage.provider.reset(latency)
    subprocess.run(
        [str(PEERS), "-m", "bench.peers.fill", worker.way, str(count)],
        env={"PYTHONPATH": str(ROOT), **stage.peers_environment()},
        check=True,
        capture_output=True,
    )
    with stage.peer(name.replace(" ", "-"), worker.command) as service:
        assert service.process is not None  # noqa: S101 - it was started a line above
        watched = Watched([service.process.pid])
        wait(lambda: watched.look(stage.provider, count), f"{count} messages to arrive")
        return _measurement(count, stage.provider, watched=watched, cpu=watched.cost(count))


def _measurement(
    accepted: int,
    provider: Provider,
    *,
    watched: Watched,
    cpu: float,
    errors: Mapping[str, int] | None = None,
    ledger: int | None = None,
) -> Measurement:
    arrived, doubled = provider.count()
    account = Account(accepted, errors or {}, ledger=ledger, provider=arrived, doubled=doubled)
    return Measurement(
        figures={
            RATE: rate(list(provider.receipts().values())),
            CPU: cpu,
            RSS: watched.peak_rss,
            PSS: watched.peak_pss,
        },
        problems=account.problems(),
    )


def rate(arrivals: Sequence[float]) -> float:
    """Messages a second from the tenth of them to nine tenths: neither starting up nor running dry."""
    ordered = sorted(arrivals)
    first, last = len(ordered) // 10, len(ordered) * 9 // 10 - 1
    if last <= first or ordered[last] == ordered[first]:
        return 0.0
    return (last - first) / (ordered[last] - ordered[first])
