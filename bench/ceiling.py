"""The least that a durable 202 can be: parse, one committed row, one message that the broker confirms.

``python -m bench.ceiling``.  It has no keys, limits, rules, look-ups, timeline or log, and no routes:
aiohttp's lowest layer, one narrow table, and the relay's own way of publishing.  It tells how much of the
distance to bare aiohttp is the machine's, whose processors PostgreSQL and RabbitMQ share with whoever
accepts.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg
import uvloop
from aiohttp import web
from kombu import Connection, Exchange, Queue
from pydantic_core import from_json

from services.gateway.broker import broker
from services.gateway.identifiers import new_message_id
from services.gateway.relay.amqp import AmqpPublisher
from services.gateway.relay.publisher import Outgoing
from shared.signatures import EXCHANGE, SendEmail

QUEUE: Final = "bench.ceiling"
TABLE: Final = "CREATE TABLE accepted (id uuid PRIMARY KEY, arguments bytea NOT NULL)"

_INSERT = "INSERT INTO accepted SELECT * FROM unnest($1::uuid[], $2::bytea[])"
_BATCH = 256


@dataclass(slots=True)
class Ceiling:
    """Group commits on one connection, and a thread that publishes what they stored."""

    ledger: asyncpg.Connection
    publisher: AmqpPublisher
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    waiting: list[tuple[UUID, bytes, asyncio.Future[None]]] = field(default_factory=list)
    committed: deque[Outgoing] = field(default_factory=deque)
    committing: asyncio.Task[None] | None = None
    publishing: asyncio.Task[None] | None = None

    async def accept(self, request: web.BaseRequest) -> web.Response:
        """Answer 202 once the message is committed."""
        body = await request.read()
        if request.method != "POST":
            return web.Response()
        from_json(body)
        message_id, done = new_message_id(), asyncio.get_running_loop().create_future()
        self.waiting.append((message_id, body, done))
        if self.committing is None:
            self.committing = asyncio.create_task(self._commit())
        await done
        answer = b'{"id":"%s"}' % str(message_id).encode()
        return web.Response(body=answer, status=202, content_type="application/json")

    async def _commit(self) -> None:
        while group := self.waiting:
            self.waiting = []
            await self.ledger.execute(_INSERT, [one[0] for one in group], [one[1] for one in group])
            for message_id, body, done in group:
                done.set_result(None)
                self.committed.append(Outgoing(message_id, SendEmail.task, QUEUE, body))
            if self.publishing is None:
                self.publishing = asyncio.create_task(self._publish())
        self.committing = None

    async def _publish(self) -> None:
        loop = asyncio.get_running_loop()
        while self.committed:
            batch = [self.committed.popleft() for _ in range(min(_BATCH, len(self.committed)))]
            published = await loop.run_in_executor(self.thread, self.publisher.publish, batch)
            if published.error is not None:
                raise published.error
        self.publishing = None


async def serve() -> None:
    """Serve until the process is ended."""
    url = os.environ["BENCH_RABBITMQ_URL"]
    with Connection(url) as connection:
        exchange = Exchange(EXCHANGE, "topic", durable=True)
        quorum = {"x-queue-type": "quorum"}
        Queue(QUEUE, exchange, routing_key=QUEUE, queue_arguments=quorum)(connection.channel()).declare()
    publisher = AmqpPublisher(broker(url), confirm_timeout=30)
    publisher.connect()
    ceiling = Ceiling(await asyncpg.connect(os.environ["BENCH_LEDGER_URL"]), publisher)
    server = web.Server(ceiling.accept, access_log=None)
    listening = await asyncio.get_running_loop().create_server(
        server, "127.0.0.1", int(os.environ["BENCH_PORT"])
    )
    await listening.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
