"""The databases that the contract suites run over, one fresh database per test."""

from __future__ import annotations

from pathlib import Path

import pytest

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, as it stands in the settings of a service."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql").create_database()
        return url
    return f"sqlite:///{tmp_path}/database.sqlite3"
