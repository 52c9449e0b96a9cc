"""The witness: asks the API, the processes and the providers what there is to know."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.servers.rabbitmq import VHOST, RabbitMQ
from tests.torture.evidence import Evidence, Rest, Sample
from tests.torture.fleet import Fleet
from tests.torture.journal import read
from tests.torture.nemesis import Nemesis
from tests.torture.parties import Party
from tests.torture.stage import Stage

_UNDERWAY: Final = ("accepted", "queued", "sending", "deferred", "uncertain", "scheduled")
_QUEUES: Final = ("mailer.transactional", "mailer.bulk", "mailer.webhooks", "gateway.events")
_PATIENCE: Final = aiohttp.ClientTimeout(20)
_AT_ONCE: Final = 8
_LETTING_GO_SECONDS: Final = 45.0
"""Longer than a copy of a message waits for the claim of another, and than any attempt takes."""


class Api:
    """Asks any gateway, and goes on asking until it answers."""

    def __init__(self, stage: Stage, session: aiohttp.ClientSession) -> None:
        self._stage = stage
        self._session = session
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def get(self, tenant: str, path: str) -> Any:
        """The answer's body; None where there is nothing (404)."""
        headers = {"Authorization": f"Bearer {self._stage.keys[tenant]}"}
        for tries in range(20):
            address = self._stage.addresses[tries % len(self._stage.addresses)]
            async with self._slots:
                with contextlib.suppress(OSError, TimeoutError, aiohttp.ClientError):
                    async with self._session.get(f"{address}{path}", headers=headers) as answer:
                        if answer.status == 200:
                            return await answer.json()
                        if answer.status == 404:
                            return None
            await asyncio.sleep(0.25)
        raise TimeoutError(f"no gateway answers GET {path}")

    async def pages(self, tenant: str, path: str) -> list[dict[str, Any]]:
        """Every item of a list."""
        items: list[dict[str, Any]] = []
        after, mark = "", "&" if "?" in path else "?"
        while True:
            page = await self.get(tenant, f"{path}{mark}limit=100{after}")
            if page is None:  # whose list it was is gone
                return items
            items += page["data"]
            if not page["has_more"]:
                return items
            after = f"&after={page['data'][-1]['id']}"

    async def is_at_rest(self) -> bool:
        """Whether no message is under way.

        A glance at each state comes first.  It misses a message that goes meanwhile from one that is still to
        be looked at to one that has been: so where it shows none, every message is looked at.
        """
        for tenant in self._stage.keys:
            for status in _UNDERWAY:
                page = await self.get(tenant, f"/emails?status={status}&limit=1")
                if page["data"]:
                    return False
        every = [item for tenant in self._stage.keys for item in await self.pages(tenant, "/emails")]
        return not any(item["status"] in _UNDERWAY for item in every)


@contextlib.asynccontextmanager
async def asking(stage: Stage) -> Any:
    """An :class:`Api` with a session of its own."""
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
        yield Api(stage, session)


async def come_to_rest(stage: Stage, fleet: Fleet, seconds: float) -> Rest:
    """Wait until nothing is left to do; everything must be well before."""
    healed = time.monotonic()
    async with asking(stage) as api:
        while time.monotonic() - healed < seconds:
            with contextlib.suppress(TimeoutError):
                if fleet.waiting == 0 and await api.is_at_rest():
                    return Rest(healed, time.monotonic())
            await asyncio.sleep(0.5)
    return Rest(healed, None)


def sample(party: Party) -> Sample | None:
    """What a process takes up, from /proc; None if it does not run."""
    if party.pid is None:
        return None
    folder = Path(f"/proc/{party.pid}")
    try:
        status = dict(
            line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line
        )
        return Sample(
            party.name,
            time.monotonic(),
            int(status["VmRSS"].split()[0]) * 1024,
            sum(1 for _ in (folder / "fd").iterdir()),
            int(status["Threads"]),
        )
    except (OSError, KeyError):
        return None


async def gather(
    stage: Stage, fleet: Fleet, nemesis: Nemesis, rests: list[Rest], samples: list[Sample]
) -> Evidence:
    """Ask everybody."""
    journal = await asyncio.to_thread(read, fleet.journal.path)
    metrics = {name: await _told_metrics(port) for name, port in stage.metrics_ports.items()}
    async with asking(stage) as api:
        listed = {
            item["id"]: {**item, "tenant": tenant}
            for tenant in stage.keys
            for item in await api.pages(tenant, "/emails")
        }
        answered = {
            line.answer["id"]: fleet_tenant
            for number, lines in journal.items()
            for line in lines
            if line.call == "accept" and line.status == 202
            for fleet_tenant in [_tenant(fleet, number)]
        }
        known = {**answered, **{message_id: item["tenant"] for message_id, item in listed.items()}}
        bodies = await asyncio.gather(*(api.get(tenant, f"/emails/{i}") for i, tenant in known.items()))
        events = await asyncio.gather(
            *(api.get(tenant, f"/emails/{i}/events") for i, tenant in known.items())
        )
        told = {
            tenant: await api.pages(tenant, f"/webhooks/{webhook['id']}/events")
            for tenant, webhook in stage.webhooks.items()
        }
    return Evidence(
        plan=stage.plan,
        orders={order.number: order for order in fleet.orders},
        journal=journal,
        emails={i: body for i, body in zip(known, bodies, strict=True) if body is not None},
        timelines={i: body["data"] for i, body in zip(known, events, strict=True) if body is not None},
        listed=listed,
        requests={name: fake.requests for name, fake in stage.fakes.items()},
        records={name: fake.record for name, fake in stage.fakes.items()},
        disturbances=list(nemesis.happened),
        rests=rests,
        samples=samples,
        posted=list(stage.sink.posted),
        webhooks=stage.webhooks,
        webhook_events=told,
        logs=[one.service.log_path for one in stage.parties],
        metrics=metrics,
        sessions=await asyncio.to_thread(_sessions, stage),
        failpoint_hits=_hits(stage),
        zombies=sum(one.is_zombie for one in stage.parties),
        depths=await asyncio.to_thread(_depths, stage),
        secrets=[stage.plan.canary, *stage.keys.values(), *_signing(stage)],
    )


async def _told_metrics(port: int) -> str:
    """What a process tells Prometheus; nothing if it does not answer."""
    with contextlib.suppress(OSError, TimeoutError, aiohttp.ClientError):
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE) as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            return await answer.text()
    return ""


def _sessions(stage: Stage) -> int:
    """How many sessions the services have at the database."""
    database = stage.servers.database
    if database is None:
        return 0
    return int(database.execute("SELECT count(*) FROM pg_stat_activity WHERE datname <> 'postgres'"))


def _signing(stage: Stage) -> list[str]:
    return [webhook["signing_secret"] for webhook in stage.webhooks.values()]


def _tenant(fleet: Fleet, number: int) -> str:
    return next(order.tenant for order in fleet.orders if order.number == number)


def _hits(stage: Stage) -> dict[str, int]:
    """How often each failpoint did something, over all processes."""
    hits: Counter[str] = Counter()
    for path in stage.plan.folder.glob("*.failpoints"):
        hits.update(line.split()[1] for line in path.read_text().splitlines() if len(line.split()) == 3)
    return dict(hits)


def _depths(stage: Stage) -> dict[str, int]:
    """What is left in the queues: waiting, or with a consumer that does not come to an end with it."""
    broker = stage.servers.broker
    if not isinstance(broker, RabbitMQ):
        return {}
    held = {}
    until = time.monotonic() + _LETTING_GO_SECONDS
    while time.monotonic() < until and (held := _held(broker)):
        time.sleep(1.0)
    return {name: broker.queue_depth(name) for name in _QUEUES} | held


def _held(broker: RabbitMQ) -> dict[str, int]:
    """Messages that consumers have taken and not acknowledged, by queue."""
    rows = broker.ctl(
        "list_queues", "--vhost", VHOST, "--no-table-headers", "name", "messages_unacknowledged"
    )
    counts = dict(row.split() for row in rows.splitlines())
    return {f"a consumer of {name}": int(counts[name]) for name in _QUEUES if int(counts.get(name, 0))}
