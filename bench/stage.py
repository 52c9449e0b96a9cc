"""The servers of one scenario, real ones, each started when somebody first asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

import httpx

from bench.pillarbox import Pillarbox
from bench.provider import Provider
from bench.result import FOLDER, ROOT
from bench.waiting import wait
from tests.flow.system import Service
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.server import free_port

PEERS = FOLDER / "peers" / "bin" / "python"
"""The environment of the dependency group ``peers``, which ``make bench`` installs."""


class Stage:
    """Owns what it has started until it is left."""

    def __init__(self, folder: Path, *, seconds: float, scale: int = 1) -> None:
        self.folder = folder
        self.seconds = seconds
        """How long a measurement under load takes."""
        self.scale = scale
        """By how much all fixed amounts of work are multiplied."""
        self.ledgers: dict[int, str] = {}
        """Ledgers to be copied, by the number of their rows: see :mod:`bench.ledgers`."""
        self._opened = ExitStack()
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @cached_property
    def rabbitmq(self) -> RabbitMQ:
        """A broker, as in production."""
        return self._opened.enter_context(RabbitMQ())

    @cached_property
    def postgresql(self) -> PostgreSQL:
        """A database server with full durability."""
        return self._opened.enter_context(PostgreSQL())

    @cached_property
    def redis(self) -> Redis:
        """For those who queue there, synced at every write."""
        return self._opened.enter_context(Redis())

    @cached_property
    def provider(self) -> Provider:
        """The fake provider."""
        port = free_port()
        command = [sys.executable, "-m", "bench.provider", str(port)]
        service = self._opened.enter_context(self.running("provider", command))
        provider = self._opened.enter_context(Provider(port, service))
        wait(provider.answers, "the provider", patience=20)
        return provider

    @cached_property
    def pillarbox(self) -> Pillarbox:
        """The gateway on an empty ledger, without mailers."""
        return self._opened.enter_context(self.another_pillarbox())

    def another_pillarbox(
        self, *, ledger_url: str | None = None, settings: Mapping[str, str] | None = None
    ) -> Pillarbox:
        """One that is not started yet; there can be one at a time, for their queues have fixed names."""
        self._started += 1
        folder = self.folder / f"pillarbox-{self._started}"
        folder.mkdir()
        return Pillarbox.on(
            folder,
            rabbitmq=self.rabbitmq,
            postgresql=self.postgresql,
            provider=self.provider,
            ledger_url=ledger_url,
            settings=settings or {},
        )

    @contextmanager
    def running(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Iterator[Service]:
        """Run a program until the block is left; its output goes into the scenario's folder."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PILLARBOX_")}
        variables = {**inherited, "PYTHONPATH": str(ROOT), **(environment or {})}
        service = Service(list(command), variables, self.folder / f"{name}.log")
        service.start()
        try:
            yield service
        finally:
            service.stop()

    @contextmanager
    def peer(self, name: str, arguments: Sequence[str], *, port: int | None = None) -> Iterator[Service]:
        """Run a module of ``bench.peers``; with a port, wait until it answers there."""
        command = [str(PEERS), "-m", *arguments]
        with self.running(name, command, self.peers_environment(port)) as service:
            if port is not None:
                self.answers(port, f"{name}; see {service.log_path}")
            yield service

    def answers(self, port: int, who: str) -> None:
        """Wait until somebody answers there."""
        wait(lambda: _answers(port), who, period=0.02, patience=30)

    def peers_environment(self, port: int | None = None) -> dict[str, str]:
        """Where the peers find what they work with."""
        return {
            "BENCH_PORT": str(port or 0),
            "BENCH_RABBITMQ_URL": self.rabbitmq.admin_url,
            "BENCH_REDIS_URL": self.redis.url,
            "BENCH_PROVIDER_URL": self.provider.url,
        }


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2)
    except httpx.TransportError:
        return False
    return True
