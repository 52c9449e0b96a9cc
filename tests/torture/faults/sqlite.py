"""What happens to SQLite's files, and to the disk below them."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import AsyncIterator

from tests.torture.faults.fault import Scene, fault
from tests.torture.stage import Stage


def _is_here(stage: Stage) -> bool:
    return stage.servers.database is None


@fault("D8", possible=_is_here, holds="database", seconds=(2.0, 8.0), disturbs="claims")
async def file_locked(scene: Scene) -> AsyncIterator[None]:
    """Another process holds the one place of a writer."""
    url = scene.dice.choice((scene.stage.ledger_url, scene.stage.claims_url))
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0.2, isolation_level=None)
    try:
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("BEGIN EXCLUSIVE")
        yield
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")
    finally:
        connection.close()


@fault("D8", possible=_is_here, holds="database", seconds=(2.0, 6.0), disturbs="claims")
async def file_locked_now_and_then(scene: Scene) -> AsyncIterator[None]:
    """A back-up that takes the lock for half a second, again and again."""
    url = scene.dice.choice((scene.stage.ledger_url, scene.stage.claims_url))
    for _ in range(scene.dice.randint(2, 4)):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0.2, isolation_level=None)
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("BEGIN EXCLUSIVE")
        await asyncio.sleep(0.5)
        connection.close()
        await asyncio.sleep(0.2)
    yield


@fault("D4 W19", possible=_is_here, holds="database", seconds=(1.0, 4.0), disturbs="claims")
async def no_file_grows(scene: Scene) -> AsyncIterator[None]:
    """The disk is full, as far as the services' files go (setrlimit(2)); their logs are such files too."""
    parties = [one for one in scene.stage.parties if one.pid is not None]
    for one in parties:
        _limit(one.pid, 8_192)
    yield
    for one in parties:
        _limit(one.pid, resource.RLIM_INFINITY)


def _limit(pid: int | None, size: int) -> None:
    with contextlib.suppress(OSError, ProcessLookupError):
        resource.prlimit(pid or 0, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
