"""What happens to PostgreSQL, which holds ledger and claims."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator

import asyncpg

from tests.servers.postgresql import PostgreSQL
from tests.torture.faults.fault import Scene, fault
from tests.torture.stage import Stage

_MOST_CONNECTIONS = 200
"""More than the server allows."""


def _is_here(stage: Stage) -> bool:
    return stage.servers.database is not None


def _server(scene: Scene) -> PostgreSQL:
    server = scene.stage.servers.database
    assert server is not None
    return server


async def _say(scene: Scene, sql: str, url: str | None = None) -> None:
    with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
        connection = await asyncpg.connect(url or _server(scene).url, timeout=5)
        try:
            await connection.execute(sql)
        finally:
            await connection.close(timeout=5)


@fault("D1", possible=_is_here, holds="database", seconds=(0.5, 4.0), disturbs="claims")
async def postgresql_killed(scene: Scene) -> AsyncIterator[None]:
    """Kill -9 of all its processes, and recovery."""
    await asyncio.to_thread(_server(scene).kill)
    yield
    await asyncio.to_thread(_server(scene).start)


@fault("D1", possible=_is_here, holds="database", seconds=(0.5, 3.0), disturbs="claims")
async def postgresql_restarted(scene: Scene) -> AsyncIterator[None]:
    """Stopped at once, without a checkpoint, and started."""
    await asyncio.to_thread(_server(scene).stop, "immediate")
    yield
    await asyncio.to_thread(_server(scene).start)


@fault("D2 G15 W16", possible=_is_here, holds="database", seconds=(2.0, 12.0), disturbs="claims")
async def postgresql_frozen(scene: Scene) -> AsyncIterator[None]:
    """It hangs, and its connections stay."""
    await asyncio.to_thread(_server(scene).freeze)
    yield
    await asyncio.to_thread(_server(scene).thaw)


@fault("D1 W16", possible=_is_here, holds="database", disturbs="claims")
async def sessions_ended(scene: Scene) -> AsyncIterator[None]:
    """An operator ends every session."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    for _ in range(scene.dice.randint(1, 3)):
        await _say(scene, f"{ended} AND backend_type = 'client backend'")
        await asyncio.sleep(0.3)
    yield


@fault("D4 W19", possible=_is_here, holds="database", seconds=(2.0, 6.0), disturbs="claims")
async def database_read_only(scene: Scene) -> AsyncIterator[None]:
    """Ledger or claims take nothing, as after a switch to a replica."""
    url = scene.dice.choice((scene.stage.ledger_url, scene.stage.claims_url))
    name = url.rpartition("/")[2]
    await _say(scene, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await _end_sessions(scene, name)
    yield
    # The session that mends it begins read-only as well.
    await _say(scene, f"SET default_transaction_read_only = off; ALTER DATABASE {name} RESET ALL")
    await _end_sessions(scene, name)


async def _end_sessions(scene: Scene, name: str) -> None:
    await _say(scene, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


@fault("D5 D10", possible=_is_here, holds="database", seconds=(2.0, 8.0), disturbs="claims")
async def table_locked(scene: Scene) -> AsyncIterator[None]:
    """A careless migration holds a table that everybody needs."""
    url, table = scene.dice.choice(
        (
            (scene.stage.ledger_url, "messages"),
            (scene.stage.ledger_url, "events"),
            (scene.stage.claims_url, "claims"),
        )
    )
    connection = await asyncpg.connect(url, timeout=5)
    try:
        with contextlib.suppress(asyncpg.PostgresError, TimeoutError):
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE", timeout=5)
                yield
                return
        yield
    finally:
        connection.terminate()


@fault("D6 G15", possible=_is_here, holds="database", seconds=(2.0, 6.0), disturbs="claims")
async def connections_exhausted(scene: Scene) -> AsyncIterator[None]:
    """Somebody else takes all that are left, and nobody who comes anew gets one."""
    idle: list[asyncpg.Connection] = []
    with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
        while len(idle) < _MOST_CONNECTIONS:
            idle += [await asyncpg.connect(_server(scene).url, timeout=5)]
    await _end_some(scene)
    yield
    for connection in idle:
        connection.terminate()


async def _end_some(scene: Scene) -> None:
    """End a few of the services' sessions, who then have to connect anew."""
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        await _say(
            scene,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname <> 'postgres' AND random() < 0.3",
        )


@fault("D4 W19", possible=_is_here, holds="database", seconds=(1.0, 4.0), disturbs="claims")
async def disk_full(scene: Scene) -> AsyncIterator[None]:
    """No file can grow any more (setrlimit(2) on the server's processes)."""
    server = _server(scene)
    before: dict[int, tuple[int, int]] = {}
    for pid in server.process.tree():
        with contextlib.suppress(OSError, ProcessLookupError, PermissionError):
            before[pid] = resource.prlimit(pid, resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))
    yield
    for pid in server.process.tree():
        with contextlib.suppress(OSError, ProcessLookupError, PermissionError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before.get(pid, (-1, -1)))
