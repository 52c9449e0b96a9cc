"""taskiq on aio-pika: ``taskiq worker bench.peers.with_taskiq:broker``.

https://taskiq-python.github.io/available-components/brokers.html
"""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

import httpx
from taskiq import TaskiqEvents, TaskiqState
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue

from bench.peers.delivering import HEADERS, deliver_async

QUEUE = "bench.taskiq"
SLOTS = 500

broker = AioPikaBroker(
    os.environ["BENCH_RABBITMQ_URL"],
    qos=SLOTS,
    exchange=Exchange(name="bench.taskiq"),
    task_queues=[Queue(name=QUEUE)],
)
_clients: list[httpx.AsyncClient] = []


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def _open(_: TaskiqState) -> None:
    limits = httpx.Limits(max_connections=None)
    _clients.append(httpx.AsyncClient(headers=HEADERS, timeout=20, limits=limits))


@broker.task
async def send_email(message_id: str, email: dict[str, Any]) -> None:
    """Deliver."""
    await deliver_async(_clients[0], message_id, email)


async def start() -> None:
    """Connect, and declare."""
    await broker.startup()


async def publish(email: dict[str, Any]) -> str:
    """``kiq`` waits for the confirm."""
    message_id = str(uuid4())
    await send_email.kiq(message_id, email)
    return message_id


async def stop() -> None:
    """Disconnect."""
    await broker.shutdown()
