"""FastStream on RabbitMQ, as a producer.

https://faststream.ag2.ai/latest/rabbit/
"""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

from faststream.rabbit import RabbitBroker, RabbitQueue

QUEUE = "bench.faststream"

broker = RabbitBroker(os.environ["BENCH_RABBITMQ_URL"], logger=None)
_queue = RabbitQueue(QUEUE, durable=True)


async def start() -> None:
    """Connect, and declare."""
    await broker.start()
    await broker.declare_queue(_queue)


async def publish(email: dict[str, Any]) -> str:
    """Persistent, and confirmed, which is the default."""
    message_id = str(uuid4())
    await broker.publish(email, _queue, persist=True, message_id=message_id)
    return message_id


async def stop() -> None:
    """Disconnect."""
    await broker.stop()
