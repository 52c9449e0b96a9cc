"""The real servers, one of each per test run, started when the first test asks for one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.servers.packages import UnavailableError
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.server import Server

ALONE = (
    "flow/test_honest_answers.py",
    "flow/test_lanes_and_rates.py",
    "flow/test_bad_days.py",
    "flow/test_overload.py",
)
"""Modules that look at times: ``make test`` runs them after all others, with nothing beside them."""

LONGEST = ("torture/test_torture.py", "docs/test_pages.py", "flow/test_crashes.py", "flow/test_scaling.py")
"""Modules that several workers begin with, so that none of them is left with one at the end."""

AnyServer = TypeVar("AnyServer", bound="Server")
_started: list[Server] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what has to run alone, and put first what takes longest."""
    for item in items:
        if _module(item) in ALONE:
            item.add_marker(pytest.mark.alone)
    items.sort(key=lambda item: _module(item) not in LONGEST)


def _module(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).as_posix()


def _running(kind: type[AnyServer]) -> Iterator[AnyServer]:
    """Start a server and stop it at the end; on a laptop that has none, skip the tests that ask."""
    try:
        server = kind()
    except UnavailableError as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))
    with server:
        _started.append(server)
        yield server
        _started.remove(server)


@pytest.fixture(autouse=True)
def _revived_servers() -> None:
    """A test that kills a server and fails before it starts it again fails alone."""
    for server in _started:
        server.revive()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A private RabbitMQ with Pillarbox's virtual host and users."""
    yield from _running(RabbitMQ)


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A private Redis."""
    yield from _running(Redis)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A private PostgreSQL."""
    yield from _running(PostgreSQL)
