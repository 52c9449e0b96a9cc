"""A run: storms over a working system, healing, rest, judgement; a cold restart, and judgement again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from itertools import islice
from typing import Any, Final

from rich.console import Console

from tests.fakes import faults
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.torture import hostile
from tests.torture.display import Progress, live, verdict
from tests.torture.evidence import Evidence, Rest, Sample
from tests.torture.faults.provider import UNFAIR
from tests.torture.fleet import Fleet
from tests.torture.invariants import broken, broken_by_restart
from tests.torture.invariants.recovery import percentile, recoveries
from tests.torture.journal import Journal
from tests.torture.nemesis import Nemesis, deck, schedule
from tests.torture.orders import orders
from tests.torture.plan import Plan
from tests.torture.stage import Servers, Stage, staged
from tests.torture.witness import come_to_rest, gather, sample

_MOST_STORMS: Final = 400


class Status(IntEnum):
    """How a run ended; also the exit status of ``make torture``."""

    GREEN = 0
    RED = 1
    INVALID = 3
    """Everything holds, but not everything happened that should have."""


@dataclass(slots=True)
class Result:
    """What came of a run."""

    plan: Plan
    broken: dict[str, list[str]]
    missing: list[str]
    """Kinds of fault that did not happen often enough."""
    facts: dict[str, Any]
    happened: Counter[str] = field(default_factory=Counter)

    @property
    def status(self) -> Status:
        """Red before invalid: what was seen was seen."""
        if any(self.broken.values()):
            return Status.RED
        return Status.INVALID if self.missing else Status.GREEN

    @property
    def told(self) -> str:
        """What is broken, in lines."""
        lines = [f"{name}: {where}" for name, all_of in self.broken.items() for where in all_of[:10]]
        return "\n".join([*lines, *(f"did not happen: {kind}" for kind in self.missing)])


def own_servers(plan: Plan) -> Servers:
    """The broker and the database of a plan, not started yet."""
    broker = RabbitMQ() if plan.broker == "rabbitmq" else Redis()
    return Servers(broker, PostgreSQL() if plan.database == "postgresql" else None)


async def torture(plan: Plan, servers: Servers, console: Console) -> Result:
    """Run a plan on running servers."""
    shutil.rmtree(plan.folder, ignore_errors=True)
    async with contextlib.AsyncExitStack() as ending:
        ending.callback(_keep_logs, plan, servers)
        stage = await ending.enter_async_context(staged(plan, servers))
        journal = Journal(plan.folder / "journal.jsonl")
        fleet = await ending.enter_async_context(Fleet(stage, orders(plan, tuple(hostile.TRICKS)), journal))
        nemesis = Nemesis(stage, fleet, deck(plan, stage))
        progress = Progress(stage, fleet, nemesis, console)
        with live(progress, console):
            run = _Run(stage, fleet, nemesis, progress)
            before, after = await run.to_its_end()
        result = _judged(stage, nemesis, before, after, run)
    _write(stage, nemesis, result)
    verdict(console, result.broken, result.facts)
    return result


@dataclass(slots=True)
class _Run:
    stage: Stage
    fleet: Fleet
    nemesis: Nemesis
    progress: Progress
    rests: list[Rest] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    async def to_its_end(self) -> tuple[Evidence, Evidence]:
        """Storm after storm until everything was asked and every kind has happened; give what was seen."""
        async with _beside(self._take_samples()), _beside(self.fleet.run()) as callers:
            for number in range(1, _MOST_STORMS + 1):
                await self._storm(number)
                is_covered = not self.nemesis.missing(self.stage.plan.each)
                if self.fleet.is_done and (is_covered or number > 2 * self._storms_needed()):
                    break
            self.fleet.enough = True
            self.fleet.going.set()
            await callers
        self.progress.enter("asking everybody")
        before = await self._gather()
        if not self.stage.plan.cold:
            return before, before
        self.progress.enter("a cold restart")
        await self.stage.cold_restart()
        await self.stage.ready()
        await self._rest(is_counted=False)
        return before, await self._gather()

    def _storms_needed(self) -> float:
        plan = self.stage.plan
        return 2 + len(self.nemesis.kinds) * plan.each * plan.gap / plan.storm

    async def _storm(self, number: int) -> None:
        plan = self.stage.plan
        self.progress.enter(f"storm {number}")
        for name, fake in self.stage.fakes.items():
            fake.rule = faults.seeded(
                random.Random(f"{plan.seed} {number} {name}").randrange(1 << 30),
                plan.share,
                without=UNFAIR,
            )
        # Slow enough that callers are there for every fault, and no faster than the plan allows.
        needed = self.nemesis.remaining(plan.each)
        self.fleet.stretch = max(1.0, needed / max(self.fleet.remaining, 1.0))
        self.fleet.going.set()
        await self.nemesis.storm(plan.storm)
        self.fleet.going.clear()
        self.progress.enter(f"rest {number}")
        await self.stage.heal()
        await self.stage.ready()
        await self._rest()

    async def _rest(self, *, is_counted: bool = True) -> None:
        rest = await come_to_rest(self.stage, self.fleet, self.stage.plan.quiet)
        if is_counted or rest.quiet is None:
            self.rests.append(rest)

    async def _gather(self) -> Evidence:
        return await gather(self.stage, self.fleet, self.nemesis, self.rests, self.samples)

    async def _take_samples(self) -> None:
        while True:
            self.samples += [one for party in self.stage.parties if (one := sample(party))]
            await asyncio.sleep(2.0)


@contextlib.asynccontextmanager
async def _beside(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    """Do something beside the block, and no longer than it."""
    task: asyncio.Task[None] = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _judged(stage: Stage, nemesis: Nemesis, before: Evidence, after: Evidence, run: _Run) -> Result:
    found = broken(before)
    found["I15 restart"] = broken_by_restart(before, after)
    plan = stage.plan
    missing = nemesis.missing(plan.each)
    seconds = recoveries(before)
    counts = nemesis.counts
    taken = [one for several in before.taken.values() for one in several]
    again = [one for several in before.taken.values() for one in several[:-1]]
    in_doubt = sum(one.entry.ambiguous for one in again)
    facts = {
        "run": plan.words,
        "requests": len(run.fleet.orders),
        "messages": f"{run.fleet.accepted} accepted, {len(before.listed)} stored",
        "at the providers": f"{len(taken)} taken, {len(again)} of them once more",
        "in doubt at the providers themselves": f"{before.doubtful} taken, {in_doubt} of them before another",
        "faults": f"{sum(counts.values())} of {len(counts)} kinds",
        "at failpoints": sum(before.failpoint_hits.values()),
        "faults that met another": sum(one.failed is not None for one in nemesis.happened),
        "bad answers of providers": sum(
            entry.fault is not None for entries in before.requests.values() for entry in entries
        ),
        "processes that died": sum(len(one.fell) for one in stage.parties),
        "held": sum(email["status"] == "held" for email in before.emails.values()),
        "recovery": f"p50 {percentile(seconds, 50):.1f} s, p99 {percentile(seconds, 99):.1f} s, "
        f"of {len(seconds)} messages after {len(run.rests)} storms",
        "at rest after": ", ".join(
            "never" if rest.quiet is None else f"{rest.quiet - rest.healed:.0f} s" for rest in run.rests
        ),
        "callers who gave up": run.fleet.given_up,
        "seconds": round(time.monotonic() - run.begun),
    }
    return Result(plan, found, missing, facts, counts)


def _keep_logs(plan: Plan, servers: Servers) -> None:
    """Leave the servers' logs beside ours: their own folders end with them."""
    for server in (servers.broker, servers.database):
        if server is not None:
            kept = plan.folder / type(server).__name__.lower()
            kept.mkdir(parents=True, exist_ok=True)
            for file in (
                *server.folder.glob("*.out"),
                *server.folder.glob("*.log"),
                *server.folder.glob("log/*"),
            ):
                shutil.copy2(file, kept)


def _write(stage: Stage, nemesis: Nemesis, result: Result) -> None:
    """Leave schedule and verdict beside the journal and the logs."""
    folder = stage.plan.folder
    blows = islice(schedule(stage.plan, nemesis.kinds), len(nemesis.happened))
    drawn = [f"{blow.number:4} {blow.at:8.2f} s  {blow.kind}  {blow.seconds} s\n" for blow in blows]
    (folder / "schedule.txt").write_text(f"{stage.plan.words}\n{''.join(drawn)}")
    told = {
        "status": result.status.name,
        "facts": result.facts,
        "broken": result.broken,
        "missing": result.missing,
        "happened": result.happened,
        "disturbances": [asdict(one) for one in nemesis.happened],
    }
    (folder / "result.json").write_text(json.dumps(told, indent=1, default=str))
