"""aio-pika with publisher confirms, nothing around it.

https://docs.aio-pika.com/quick-start.html
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractRobustConnection

QUEUE = "bench.aio_pika"


@dataclass(slots=True)
class _Link:
    connection: AbstractRobustConnection
    exchange: Any


_links: list[_Link] = []


async def start() -> None:
    """Connect, and declare."""
    connection = await aio_pika.connect_robust(os.environ["BENCH_RABBITMQ_URL"])
    channel = await connection.channel(publisher_confirms=True)
    await channel.declare_queue(QUEUE, durable=True)
    _links.append(_Link(connection, channel.default_exchange))


async def publish(email: dict[str, Any]) -> str:
    """Persistent, and confirmed."""
    message_id = str(uuid4())
    body = json.dumps(email).encode()
    mode = aio_pika.DeliveryMode.PERSISTENT
    message = aio_pika.Message(body, message_id=message_id, delivery_mode=mode)
    await _links[0].exchange.publish(message, routing_key=QUEUE)
    return message_id


async def stop() -> None:
    """Disconnect."""
    await _links.pop().connection.close()
