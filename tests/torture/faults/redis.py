"""What happens to Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from redis import Redis as Client

from tests.servers.redis import Redis
from tests.torture.faults.fault import Scene, fault
from tests.torture.stage import Stage


def _is_here(stage: Stage) -> bool:
    return isinstance(stage.servers.broker, Redis)


def _redis(scene: Scene) -> Redis:
    broker = scene.stage.servers.broker
    assert isinstance(broker, Redis)
    return broker


async def _say(scene: Scene, *words: str | int) -> Any:
    def say() -> Any:
        with Client.from_url(_redis(scene).url, socket_timeout=5) as client:
            return client.execute_command(*words)

    return await asyncio.to_thread(say)


@fault("B14 B13", possible=_is_here, holds="broker", seconds=(0.5, 4.0))
async def redis_killed(scene: Scene) -> AsyncIterator[None]:
    """Kill -9, and a start on the same data."""
    await asyncio.to_thread(_redis(scene).kill)
    yield
    await asyncio.to_thread(_redis(scene).start)


@fault("B14", possible=_is_here, holds="broker", seconds=(0.5, 4.0))
async def redis_restarted(scene: Scene) -> AsyncIterator[None]:
    """Stopped in order, and started."""
    await asyncio.to_thread(_redis(scene).stop)
    yield
    await asyncio.to_thread(_redis(scene).start)


@fault("B5", possible=_is_here, holds="broker", seconds=(3.0, 15.0))
async def redis_frozen(scene: Scene) -> AsyncIterator[None]:
    """It hangs, and its connections stay."""
    await asyncio.to_thread(_redis(scene).freeze)
    yield
    await asyncio.to_thread(_redis(scene).thaw)


@fault("B14", possible=_is_here, holds="broker")
async def redis_emptied(scene: Scene) -> AsyncIterator[None]:
    """FLUSHALL, as a failover to an empty replica would."""
    await asyncio.to_thread(_redis(scene).fresh)
    yield


@fault("B10", possible=_is_here, holds="broker")
async def lane_deleted(scene: Scene) -> AsyncIterator[None]:
    """One key: a lane with all that waits in it."""
    await _say(scene, "DEL", scene.dice.choice(("mailer.transactional", "mailer.bulk")))
    yield


@fault("B6 W15 W17", possible=_is_here, holds="broker")
async def clients_killed(scene: Scene) -> AsyncIterator[None]:
    """An operator closes every connection."""
    await _say(scene, "CLIENT", "KILL", "TYPE", "normal")
    yield


@fault("B14", possible=_is_here, holds="broker", seconds=(2.0, 6.0))
async def redis_full(scene: Scene) -> AsyncIterator[None]:
    """It has no memory left, and says so to whoever writes."""
    await _say(scene, "CONFIG", "SET", "maxmemory", "1mb")
    yield
    await _say(scene, "CONFIG", "SET", "maxmemory", "0")


@fault("B5", possible=_is_here, holds="broker", seconds=(2.0, 6.0))
async def redis_paused(scene: Scene) -> AsyncIterator[None]:
    """It answers nobody for a while, of its own will."""
    await _say(scene, "CLIENT", "PAUSE", int(scene.seconds * 1000))
    yield
