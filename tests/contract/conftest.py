"""The databases that the contract suites run over, empty for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.mailer.claims.claims import Claims
from tests.contract.mailers import SHORT, Stores
from tests.servers.postgresql import PostgreSQL

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def _postgresql_url(postgresql: PostgreSQL) -> str:
    """One database for all: creating and syncing a hundred of them takes longer than the tests."""
    return postgresql.create_database()


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL, _postgresql_url: str) -> str:
    """An empty database in PostgreSQL, as it stands in the settings of a service."""
    postgresql.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public", _postgresql_url)
    return _postgresql_url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, in one after the other."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql_url")
        return url
    return f"sqlite:///{tmp_path}/database.sqlite3"


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[Stores]:
    """A database for mailers; its tables are made at first use."""
    stores = Stores(database_url)
    yield stores
    await stores.close()


@pytest.fixture
async def server_stores(postgresql_url: str) -> AsyncIterator[Stores]:
    """The same, in PostgreSQL alone."""
    stores = Stores(postgresql_url)
    yield stores
    await stores.close()


@pytest.fixture
def claims(stores: Stores) -> Claims:
    """One mailer's claims."""
    return Claims(stores.open())


@pytest.fixture
def brief(stores: Stores) -> Claims:
    """A mailer's claims whose leases end soon."""
    return Claims(stores.open(SHORT))
