"""A provider, and the other end of its wire: what really happens to a request that it builds."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

import httpx

from services.mailer.providers.base import Outgoing, Provider, Request, Response, Submission
from services.mailer.providers.outbox import Outbox
from services.mailer.signing import signed
from services.mailer.smtp import SmtpTransport
from tests.fakes import HTTP_FAKES, FakeSmtp
from tests.mailer.carried import READERS, Carried
from tests.mailer.made import KEY, made


@dataclass
class Place:
    """One provider with its other end."""

    provider: Provider
    perform: Callable[[Outgoing], Awaitable[Response]]
    arrived: Callable[[], Carried]
    """Reads back the one message that came."""


@asynccontextmanager
async def place(kind: str, folder: pathlib.Path) -> AsyncIterator[Place]:
    """Make a provider and start its other end; *folder* is empty and belongs to it."""
    read = READERS[kind]
    if kind == "outbox":
        directory = folder / "the post's # outbox"
        directory.mkdir()
        yield Place(Outbox(directory), write, lambda: read(next(directory.iterdir()).read_bytes()))
        return
    if kind == "smtp":
        transport = SmtpTransport(deadline=5.0, connections=1)
        async with FakeSmtp(api_key=KEY) as server:
            yield Place(
                made(kind, server.base_url), submit(transport), lambda: read(server.record[0].payload)
            )
            await transport.close()
        return
    async with HTTP_FAKES[kind](api_key=KEY) as fake:
        yield Place(made(kind, fake.base_url), post, lambda: read(fake.record[0].payload))


async def post(request: Outgoing) -> Response:
    assert isinstance(request, Request)
    request = signed(request, datetime.now(UTC))
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.request(
            request.method, request.url, content=request.body, headers=dict(request.headers)
        )
    return Response(answer.status_code, answer.content, dict(answer.headers))


def submit(transport: SmtpTransport) -> Callable[[Outgoing], Awaitable[Response]]:
    async def perform(submission: Outgoing) -> Response:
        assert isinstance(submission, Submission)
        return await transport.perform(submission)

    return perform


async def write(request: Outgoing) -> Response:
    assert isinstance(request, Request)
    file = pathlib.Path(unquote(urlsplit(request.url).path))
    await asyncio.to_thread(file.write_bytes, request.body)
    return Response(201, headers={"location": file.name})
