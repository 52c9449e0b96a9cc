"""dramatiq on RabbitMQ: ``dramatiq bench.peers.with_dramatiq``.

https://dramatiq.io/guide.html
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any
from uuid import uuid4

import dramatiq
import httpx
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench.peers.delivering import HEADERS, deliver

QUEUE = "bench.dramatiq"

broker = RabbitmqBroker(url=os.environ["BENCH_RABBITMQ_URL"], confirm_delivery=True)
dramatiq.set_broker(broker)
_local = threading.local()


@dramatiq.actor(queue_name=QUEUE)
def send_email(message_id: str, email: dict[str, Any]) -> None:
    """Deliver, with a client per worker thread."""
    if not hasattr(_local, "client"):
        _local.client = httpx.Client(headers=HEADERS, timeout=20)
    deliver(_local.client, message_id, email)


async def start() -> None:
    """Declare the queue."""
    broker.declare_queue(QUEUE, ensure=True)


async def publish(email: dict[str, Any]) -> str:
    """``send`` blocks until the confirm, so it has to leave the event loop."""
    message_id = str(uuid4())
    await asyncio.get_running_loop().run_in_executor(None, send_email.send, message_id, email)
    return message_id


async def stop() -> None:
    """Disconnect."""
    broker.close()
