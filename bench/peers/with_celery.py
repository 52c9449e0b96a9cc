"""Celery as its manual shows it: ``delay`` with publisher confirms, prefork workers, a synchronous client.

https://docs.celeryq.dev/en/stable/userguide/calling.html
"""

from __future__ import annotations

import asyncio
import os
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
from celery import Celery

from bench.peers.delivering import HEADERS, deliver

QUEUE = "bench.celery"

app = Celery("bench", broker=os.environ["BENCH_RABBITMQ_URL"])
app.conf.update(
    broker_transport_options={"confirm_publish": True},
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
)


@cache
def _client() -> httpx.Client:
    """One client per worker process."""
    return httpx.Client(headers=HEADERS, timeout=20)


@app.task
def send_email(message_id: str, email: dict[str, Any]) -> None:
    """Deliver."""
    deliver(_client(), message_id, email)


async def start() -> None:
    """Declare the queue, lest the first publishes do it all at once."""
    with app.connection_for_write() as connection:
        app.amqp.queues[QUEUE](connection.default_channel).declare()


async def publish(email: dict[str, Any]) -> str:
    """``delay`` blocks until the confirm, so it has to leave the event loop."""
    message_id = str(uuid4())
    await asyncio.get_running_loop().run_in_executor(None, send_email.delay, message_id, email)
    return message_id


async def stop() -> None:
    """Close the pooled connections."""
    app.close()
