"""Whole systems on every sensible pair of broker and database, with a fake provider behind them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.fakes.sendgrid import FakeSendGrid
from tests.flow.system import System
from tests.servers.postgresql import PostgreSQL

API_KEY = "SG.canary-key-that-no-log-may-show"

PAIRS = ("rabbitmq-postgresql", "rabbitmq-sqlite", "redis-postgresql", "redis-sqlite", "embedded-sqlite")

Build = Callable[..., System]


@pytest.fixture(scope="module")
def sendgrid() -> Iterator[FakeSendGrid]:
    """A fake SendGrid that outlives the single test."""
    with FakeSendGrid(api_key=API_KEY).in_thread() as fake:
        yield fake


def through(fake: FakeSendGrid) -> dict[str, str]:
    """The settings that make a mailer deliver through a fake SendGrid."""
    return {
        "PILLARBOX_PROVIDER": "sendgrid",
        "PILLARBOX_SENDGRID_API_KEY": API_KEY,
        "PILLARBOX_SENDGRID_BASE_URL": fake.base_url,
    }


def build(request: pytest.FixtureRequest, pair: str, folder: Path, settings: dict[str, str]) -> System:
    """Make a system on ``pair`` that starts with an empty broker and empty databases."""
    kind, database = pair.split("-")
    broker: Any = None if kind == "embedded" else request.getfixturevalue(kind)
    if broker is not None:
        broker.fresh()
    if kind == "rabbitmq":
        brokers = (broker.gateway_url, broker.mailer_url)
    else:
        url = f"filesystem://{folder}/broker" if kind == "embedded" else broker.url
        brokers = (url, url)
    if database == "postgresql":
        server = request.getfixturevalue("postgresql")
        prepared: Prepared = request.getfixturevalue("prepared_postgresql")
        ledger, claims = server.create_database(like=prepared.url), server.create_database()
    elif kind == "embedded":
        ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
        return System(folder, *brokers, ledger, claims, settings)
    else:
        prepared = request.getfixturevalue("prepared_sqlite")
        ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
        shutil.copy(prepared.url.removeprefix("sqlite:///"), folder / "ledger.sqlite3")
    return System(folder, *brokers, ledger, claims, settings, given_key=prepared.key)


class Prepared(NamedTuple):
    """A ledger that an operator has made ready once; the systems of the tests begin with copies of it."""

    url: str
    key: str


def _prepared(folder: Path, url: str) -> Prepared:
    nothing = f"filesystem://{folder}/broker"
    with System(folder, nothing, nothing, url, f"sqlite:///{folder}/claims.sqlite3") as system:
        system.migrate()
        return Prepared(url, system.create_key("--tenant", "default"))


@pytest.fixture(scope="session")
def prepared_postgresql(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """One in PostgreSQL."""
    return _prepared(tmp_path_factory.mktemp("prepared"), postgresql.create_database())


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """One in a file."""
    folder = tmp_path_factory.mktemp("prepared")
    return _prepared(folder, f"sqlite:///{folder}/ledger.sqlite3")


@pytest.fixture(scope="module", params=PAIRS)
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    sendgrid: FakeSendGrid,
) -> Iterator[System]:
    """One gateway and one mailer, shared by the tests of a module."""
    system = build(request, request.param, tmp_path_factory.mktemp("flow"), through(sendgrid))
    with system:
        yield system.start()


@pytest.fixture
def production(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    sendgrid: FakeSendGrid,
) -> Iterator[System]:
    """A system of a test's own on RabbitMQ and PostgreSQL; nothing is started yet."""
    settings = {**through(sendgrid), **getattr(request, "param", {})}
    with build(request, "rabbitmq-postgresql", tmp_path, settings) as system:
        yield system
