"""arq on a Redis that is synced at every write: ``arq bench.peers.with_arq.WorkerSettings``.

https://arq-docs.helpmanuel.com
"""

from __future__ import annotations

import os
from typing import Any, ClassVar
from uuid import uuid4

import httpx
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from bench.peers.delivering import HEADERS, deliver_async

QUEUE = "arq:queue"
SLOTS = 500

_settings = RedisSettings.from_dsn(os.environ["BENCH_REDIS_URL"])
_pools: list[ArqRedis] = []


async def send_email(context: dict[str, Any], message_id: str, email: dict[str, Any]) -> None:
    """Deliver."""
    await deliver_async(context["client"], message_id, email)


async def _open(context: dict[str, Any]) -> None:
    limits = httpx.Limits(max_connections=None)
    context["client"] = httpx.AsyncClient(headers=HEADERS, timeout=20, limits=limits)


class WorkerSettings:
    """What ``arq`` runs."""

    functions: ClassVar[list[Any]] = [send_email]
    redis_settings = _settings
    on_startup = _open
    max_jobs = SLOTS
    poll_delay = 0.05
    keep_result = 0
    allow_abort_jobs = False


async def start() -> None:
    """Connect."""
    _pools.append(await create_pool(_settings))


async def publish(email: dict[str, Any]) -> str:
    """Return once Redis has synced it."""
    message_id = str(uuid4())
    await _pools[0].enqueue_job("send_email", message_id, email)
    return message_id


async def stop() -> None:
    """Disconnect."""
    await _pools.pop().aclose()
