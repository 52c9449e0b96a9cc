"""Performs the providers' requests: httpx over aiohttp's connector, on one event loop.

httpx' own pool was measured to collapse under hundreds of concurrent requests; aiohttp's does not.
And httpx' client, with its cookies, redirects and defaults that no provider has any use for, was a third
of what a request cost; so its transport is asked directly.
``file:`` URLs, which the outbox provider builds, are written to disk; SMTP has a room of its own.
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from ssl import SSLContext
from urllib.parse import unquote, urlsplit

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from services.mailer.delivery.ports import NoAnswerError, NotSentError
from services.mailer.providers.base import Outgoing, Request, Response
from services.mailer.signing import signed
from services.mailer.smtp import SmtpTransport

_CONNECT_SECONDS = 5.0
_KEEPALIVE_SECONDS = 15.0  # shorter than any provider's, so that a reused connection is alive
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Pillarbox"}
_MOST_ANSWER_BYTES = 1_048_576  # what Postmark says of 500 messages is a tenth of it
_CONNECTING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(frozen=True, slots=True)
class Transports:
    """The way out for every kind of request."""

    http: HttpTransport
    smtp: SmtpTransport

    async def perform(self, request: Outgoing) -> Response:
        """See :class:`~services.mailer.delivery.ports.Transport`."""
        if isinstance(request, Request):
            return await self.http.perform(request)
        return await self.smtp.perform(request)


@dataclass(slots=True)
class HttpTransport:
    """One client for all attempts; ``deadline`` in seconds bounds each request as a whole."""

    deadline: float
    connections: int
    _client: AiohttpTransport | None = None

    async def perform(self, request: Request) -> Response:
        """See :class:`~services.mailer.delivery.ports.Transport`."""
        if request.url.startswith("file:"):
            return await asyncio.to_thread(_write_file, request)
        if self._client is None:
            limits = httpx.Limits(max_connections=self.connections, keepalive_expiry=_KEEPALIVE_SECONDS)
            self._client = AiohttpTransport(limits=limits)
        request = signed(request, datetime.now(UTC))
        connect = min(_CONNECT_SECONDS, self.deadline / 2)
        try:
            ready = httpx.Request(
                request.method,
                _parsed(request.url),
                headers={**_HEADERS, **request.headers},
                content=request.body,
                # The transport bounds the look-up of the host's name by what httpx calls "pool".
                extensions={"timeout": {"connect": connect, "read": self.deadline, "pool": connect}},
            )
        except (httpx.InvalidURL, TypeError, ValueError) as error:  # a key with a character no header takes
            raise NotSentError(f"unusable request: {type(error).__name__}") from error
        try:
            async with asyncio.timeout(self.deadline):
                return await _exchange(self._client, ready)
        except TimeoutError:
            msg = "deadline exceeded"
            raise NoAnswerError(msg) from None
        except httpx.UnsupportedProtocol as error:
            raise NotSentError(type(error).__name__) from error
        except httpx.HTTPError as error:
            # Judged by the cause: a server that hung up after the request is also a "ConnectTimeout" here.
            name = type(error.__cause__ or error).__name__
            if isinstance(error.__cause__, _CONNECTING):
                raise NotSentError(name) from error
            raise NoAnswerError(name) from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswerError(type(error).__name__) from error

    async def close(self) -> None:
        """Hang up, for a process that goes on without it."""
        if self._client is not None:
            await self._client.aclose()


def trusted() -> SSLContext:
    """What authorities a certificate may come from, wherever we speak HTTP: httpx's, or ``SSL_CERT_FILE``."""
    return httpx.create_ssl_context()


# Most requests of an account go to the same place.
_parsed = lru_cache(maxsize=128)(httpx.URL)


async def _exchange(client: AiohttpTransport, request: httpx.Request) -> Response:
    response = await client.handle_async_request(request)
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - the transport knows no other
    try:
        body = bytearray()
        async for chunk in stream:
            body += chunk
            if len(body) > _MOST_ANSWER_BYTES:  # no provider says so much; what is cut is unreadable
                break
        headers = dict(response.headers.items())
        return Response(response.status_code, bytes(body[:_MOST_ANSWER_BYTES]), headers)
    finally:
        await stream.aclose()


def _write_file(request: Request) -> Response:
    """Write the body under its final name in one step, and answer as a store would."""
    path = Path(unquote(urlsplit(request.url).path))
    half = path.with_suffix(".half")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("wb") as file:
            file.write(request.body)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError as error:
        status = 507 if error.errno in (errno.ENOSPC, errno.EDQUOT) else 500
        return Response(status, os.strerror(error.errno or 0).encode())
    return Response(201, headers={"location": path.name})
