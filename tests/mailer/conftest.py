"""What several tests of the mailer begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.mailer.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world with claims of its own."""
    world = World(tmp_path / "claims.sqlite3")
    yield world
    await world.close()
