"""What one e-mail costs in processor time, from the call until its sending is recorded, by process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench import accepting
from bench.accepting import Calls
from bench.contest import Comparison, Contender, Measure, Scenario
from bench.honesty import Account
from bench.pillarbox import Pillarbox
from bench.processes import cpu_seconds, family
from bench.result import Measurement
from bench.stage import Stage

_CALLS = Calls(64)


@contextmanager
def _open(stage: Stage) -> Iterator[Measure]:
    box = stage.pillarbox
    yield lambda: _measure(stage, box)


def _measure(stage: Stage, box: Pillarbox) -> Measurement:
    accepting.settle(box)
    box.reset()
    box.start_mailers()
    before = _used(box)
    load = _CALLS.post(stage, box.url, box.system.key, stage.seconds)
    box.wait_until_received(load.accepted)
    box.wait_until_sent(load.accepted)
    after = _used(box)
    arrived, doubled = box.provider.count()
    account = Account(load.accepted, load.errors, ledger=box.sent(), provider=arrived, doubled=doubled)
    box.stop_mailers()
    each = {name: (after[name] - before[name]) / max(load.accepted, 1) * 1e6 for name in before}
    return Measurement(
        figures={
            "services µs": each["gateway"] + each["mailer"],
            **{f"{name} µs": cost for name, cost in each.items()},
        },
        problems=account.problems(),
    )


def _used(box: Pillarbox) -> dict[str, float]:
    """Processor seconds so far; the databases' also hold what looking at them from here costs."""
    services = {"gateway": box.system.gateway.process, "mailer": box.mailers[0].process}
    own = {name: cpu_seconds(family(one.pid)) for name, one in services.items() if one}
    servers = {"PostgreSQL": box.postgresql, "RabbitMQ": box.rabbitmq}
    return own | {name: cpu_seconds(server.process.tree()) for name, server in servers.items()}


SCENARIO = Scenario(
    "cost",
    "Processor time for one message, accepted over 64 connections while one mailer delivers",
    (Comparison("CPU per message", (Contender("Pillarbox", _open),)),),
)
