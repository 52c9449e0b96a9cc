"""Receivers of webhooks: real servers on addresses of this machine, and names that lead to them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

from aiohttp.abc import AbstractResolver, ResolveResult

from services.mailer.webhooks.addresses import Addresses

INSIDE = "127.0.0.1"
"""Stands for what nobody may reach."""
OUTSIDE = "127.0.0.2"
"""Stands for a public address, by way of the operator's list: the tests leave this machine alone."""
ALLOWED = Addresses((ip_network(OUTSIDE),))
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class Visit:
    """One request, and the way to answer it."""

    def __init__(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.line, *lines = head.decode("latin-1").rstrip().split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        self.headers = {name.lower(): value.strip() for name, value in pairs}
        self.body = body
        self._writer = writer

    async def say(self, *parts: bytes) -> None:
        """Answer."""
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()


Behaviour = Callable[[Visit], Awaitable[None]]


async def no_content(visit: Visit) -> None:
    """Take it, as a good receiver does."""
    await visit.say(NO_CONTENT)


class Receiver:
    """A server that counts its connections, and keeps the requests."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.connections = 0
        self.visits: list[Visit] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; whatever goes wrong is the client's business."""
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
                self.visits.append(Visit(head, await reader.readexactly(length), writer))
                await self._behaviour(self.visits[-1])
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(
    behaviour: Behaviour = no_content,
    *,
    address: str = OUTSIDE,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Receiver]:
    """A receiver on an address of this machine."""
    receiver = Receiver(behaviour)
    serving: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.ensure_future(receiver.serve(reader, writer)))

    server = await asyncio.start_server(serve, address, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


class Names(AbstractResolver):
    """Whatever the name: the next of these answers, and the last one from then on."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, *_: object, **__: object) -> list[ResolveResult]:
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in answer
        ]

    async def close(self) -> None:
        """Nothing is open."""
