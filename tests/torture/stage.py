"""The stage: real servers, the services, the fake providers, and a proxy between every pair of them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from tests.fakes import HTTP_FAKES, FakeESP
from tests.flow.behind import KEY, account
from tests.flow.system import QUICK
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.server import free_port
from tests.torture.parties import Party, can_have_own_hosts, party, supervise
from tests.torture.plan import ACCOUNTS, PROVIDERS, TENANTS, Plan
from tests.torture.proxies import Link
from tests.torture.sink import Sink

PROVIDER_HOST: Final = "provider.torture.test"
"""The providers' name, known to the mailers only as long as their own hosts file says so."""

_HOSTS: Final = f"127.0.0.1 localhost {PROVIDER_HOST}\n"
_LATENCY: Final = 0.03

# A tenth of what production waits, but for what a busy machine needs.
_QUICK: Final = {
    **QUICK,
    "PILLARBOX_ATTEMPT_DEADLINE_SECONDS": "4",
    "PILLARBOX_LEASE_SECONDS": "9",
    "PILLARBOX_UNAUTHORISED_PAUSE_SECONDS": "2",
    "PILLARBOX_RECOVERY_RAMP_SECONDS": "2",
    "PILLARBOX_CIRCUIT_LONGEST_SECONDS": "3",
}


@dataclass(eq=False, slots=True)
class Servers:
    """The broker and the database server of a run."""

    broker: RabbitMQ | Redis
    database: PostgreSQL | None

    @property
    def gateway_broker(self) -> str:
        """The gateways' way in."""
        return self.broker.gateway_url if isinstance(self.broker, RabbitMQ) else self.broker.url

    @property
    def mailer_broker(self) -> str:
        """The mailers' way in."""
        return self.broker.mailer_url if isinstance(self.broker, RabbitMQ) else self.broker.url


@dataclass(eq=False, slots=True)
class Stage:
    """Everything that takes part."""

    plan: Plan
    servers: Servers
    ledger_url: str
    claims_url: str
    hosts: Path | None
    fakes: dict[str, FakeESP] = field(default_factory=dict)
    sink: Sink = field(default_factory=Sink)
    gateways: list[Party] = field(default_factory=list)
    mailers: list[Party] = field(default_factory=list)
    links: dict[str, Link] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """API keys by tenant."""
    webhooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By tenant: ``id`` and ``signing_secret``."""
    metrics_ports: dict[str, int] = field(default_factory=dict)
    """By process: where it tells its metrics."""

    @property
    def parties(self) -> list[Party]:
        """All processes under test."""
        return [*self.gateways, *self.mailers]

    @property
    def addresses(self) -> list[str]:
        """Where callers reach the gateways, each through its proxy."""
        return [f"http://127.0.0.1:{self.links[f'callers {one.name}'].port}" for one in self.gateways]

    def to(self, target: str) -> list[Link]:
        """Every link to a target: ``ledger``, ``claims``, ``broker``, ``provider``, ``sink``, ``gateway``."""
        return [link for name, link in self.links.items() if name.split()[1].startswith(target)]

    async def heal(self) -> None:
        """Make everything well, whatever was done to it."""
        for one in self.parties:
            one.rules.write_text("")
            if one.frozen:
                one.thaw()
            if one.clock is not None:
                one.clock.write_text("+0\n")
        for link in self.links.values():
            await link.heal()
        for server in (self.servers.broker, self.servers.database):
            if server is not None:
                await asyncio.to_thread(server.revive)
        if self.hosts is not None:
            self.hosts.write_text(_HOSTS)
        for fake in self.fakes.values():
            fake.rule = None
            fake.searching.rule = None
        for one in self.parties:
            one.start()

    async def ready(self, seconds: float = 90.0) -> None:
        """Wait until every gateway says that it may take traffic, and every mailer has begun to."""
        async with asyncio.timeout(seconds), aiohttp.ClientSession() as session:
            while True:
                unready = [at for at in self.addresses if not await _is_ready(session, at)]
                if not unready and not any(one.starts for one in self.mailers):
                    return
                await asyncio.sleep(0.1)

    async def cold_restart(self) -> None:
        """Stop everything that is ours, and the servers, and start it all again."""
        for one in self.parties:
            await one.stop()
        for server in (self.servers.broker, self.servers.database):
            if server is not None:
                await asyncio.to_thread(server.restart)
        for one in self.parties:
            one.start()


async def _is_ready(session: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with session.get(f"{address}/readyz", timeout=aiohttp.ClientTimeout(2)) as answer:
            return answer.status == 200
    except (OSError, TimeoutError, aiohttp.ClientError):
        return False


def through(url: str, link: Link) -> str:
    """A URL that leads to the link in place of its target."""
    parts = urlsplit(url)
    where, _, _ = parts.netloc.rpartition(":")
    return urlunsplit(parts._replace(netloc=f"{where}:{link.port}"))


@contextlib.asynccontextmanager
async def staged(plan: Plan, servers: Servers) -> AsyncIterator[Stage]:
    """Build the stage on running servers, start everything, and end it afterwards."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    stage = await asyncio.to_thread(_prepared, plan, servers)
    async with contextlib.AsyncExitStack() as ending:
        for name in ACCOUNTS:
            fake = HTTP_FAKES[PROVIDERS[plan.profile]](
                api_key=KEY, latency=_LATENCY, record_file=plan.folder / f"provider-{name}.jsonl"
            )
            ending.enter_context(fake.in_thread())
            stage.fakes[name] = fake
        await stage.sink.start()
        ending.push_async_callback(stage.sink.close)
        _connect(stage)
        for link in stage.links.values():
            await link.open()
            ending.push_async_callback(link.close)
        _cast(stage)
        await asyncio.to_thread(_make_keys, stage)
        ending.push_async_callback(_end, stage)
        for one in stage.parties:
            one.start()
        supervisor = asyncio.create_task(supervise(stage.parties))
        ending.callback(supervisor.cancel)
        await stage.ready()
        await _subscribe(stage)
        yield stage


def _prepared(plan: Plan, servers: Servers) -> Stage:
    if isinstance(servers.broker, RabbitMQ | Redis):
        servers.broker.fresh()
    hosts = plan.folder / "hosts" if can_have_own_hosts() else None
    if hosts is not None:
        hosts.write_text(_HOSTS)
    if servers.database is not None:
        urls = (servers.database.create_database(), servers.database.create_database())
    else:
        files = (plan.folder / "ledger.sqlite3", plan.folder / "claims.sqlite3")
        urls = (f"sqlite:///{files[0]}", f"sqlite:///{files[1]}")
    return Stage(plan, servers, *urls, hosts)


def _connect(stage: Stage) -> None:
    """Make a link for everything that each process talks to, and for whoever talks to it."""
    stage.links["mailers sink"] = Link("mailers sink", stage.sink.port)
    for name in _names(stage.plan):
        is_gateway = name.startswith("gateway")
        targets = {"broker": stage.servers.broker.port}
        if stage.servers.database is not None:
            targets["ledger" if is_gateway else "claims"] = stage.servers.database.port
        if not is_gateway:
            for account_name, fake in stage.fakes.items():
                targets[f"provider-{account_name}"] = urlsplit(fake.base_url).port or 0
        stage.links |= {
            f"{name} {target}": Link(f"{name} {target}", port) for target, port in targets.items()
        }
        if is_gateway:
            stage.links[f"callers {name}"] = Link(f"callers {name}", free_port())


def _names(plan: Plan) -> list[str]:
    kinds = {"gateway": plan.gateways, "mailer": plan.mailers}
    return [f"{kind}-{number}" for kind, count in kinds.items() for number in range(1, count + 1)]


def _cast(stage: Stage) -> None:
    """Make the processes; the last of each kind has a clock of its own."""
    plan = stage.plan
    for name in _names(plan):
        links = {key.split()[1]: link for key, link in stage.links.items() if key.startswith(f"{name} ")}
        is_gateway = name.startswith("gateway")
        own_clock = name in (f"gateway-{max(plan.gateways, 2)}", f"mailer-{plan.mailers}")
        hosts = None if is_gateway else stage.hosts
        one = party(plan, name, _settings(stage, name, links), hosts=hosts, clock=own_clock)
        one.links = links
        (stage.gateways if is_gateway else stage.mailers).append(one)


def _settings(stage: Stage, name: str, links: Mapping[str, Link]) -> dict[str, str]:
    plan = stage.plan
    settings = {**(_QUICK if plan.pace == "quick" else {}), "PILLARBOX_LOG_FORMAT": "json"}
    settings["PILLARBOX_WEBHOOK_NETWORKS"] = "127.0.0.0/8"
    settings["PILLARBOX_SEAL_KEYS"] = plan.seal_key
    port = stage.metrics_ports.setdefault(name, free_port())
    settings["PILLARBOX_METRICS_PORT"] = str(port)
    if name.startswith("gateway"):
        ledger = stage.ledger_url
        return {
            **settings,
            "PILLARBOX_PORT": str(stage.links[f"callers {name}"].target),
            "PILLARBOX_BROKER_URL": through(stage.servers.gateway_broker, links["broker"]),
            "PILLARBOX_LEDGER_URL": through(ledger, links["ledger"]) if "ledger" in links else ledger,
        }
    claims = stage.claims_url
    settings |= {
        "PILLARBOX_BROKER_URL": through(stage.servers.mailer_broker, links["broker"]),
        "PILLARBOX_CLAIMS_URL": through(claims, links["claims"]) if "claims" in links else claims,
        "PILLARBOX_PROVIDER": ",".join(ACCOUNTS),
        # One mailer of three has few slots, so that the others are not all there is to prefetching.
        "PILLARBOX_SLOTS": "20" if name.endswith("1") else "100",
    }
    host = PROVIDER_HOST if stage.hosts is not None else "127.0.0.1"
    for account_name, fake in stage.fakes.items():
        more = {"rate_per_second": 500, "base_url": f"http://{host}:{links[f'provider-{account_name}'].port}"}
        if plan.profile == "search":
            more["settle_delay_seconds"] = 2
        settings |= account(fake, account_name, **more)
    return settings


def _make_keys(stage: Stage) -> None:
    """Migrate, and make a key for each tenant, as an operator does, on the servers themselves."""
    gateway = stage.gateways[0].service
    environment = {
        **{name: value for name, value in gateway.environment.items() if "FAILPOINTS" not in name},
        "PILLARBOX_LEDGER_URL": stage.ledger_url,
    }
    subprocess.run([*gateway.command, "migrate"], env=environment, check=True, capture_output=True)
    for tenant in TENANTS:
        command = [*gateway.command, "keys", "create", "--tenant", tenant]
        made = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        stage.keys[tenant] = made.stdout.strip()


async def _subscribe(stage: Stage) -> None:
    """Have every tenant told of everything."""
    async with aiohttp.ClientSession(base_url=stage.addresses[0]) as session:
        for tenant, key in stage.keys.items():
            body = {
                "endpoint": f"http://127.0.0.1:{stage.links['mailers sink'].port}/{tenant}",
                "events": ["email.sent", "email.failed", "email.suppressed"],
            }
            async with session.post(
                "/webhooks", json=body, headers={"Authorization": f"Bearer {key}"}
            ) as answer:
                assert answer.status == 201, await answer.text()
                stage.webhooks[tenant] = await answer.json()


async def _end(stage: Stage) -> None:
    for one in stage.parties:
        one.wanted = False
        one.thaw()
    await asyncio.gather(*(one.stop(10.0) for one in stage.parties))
