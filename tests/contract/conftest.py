"""The databases that the contract suites run over, empty for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

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
