"""Reading a request's body, within its limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from services.gateway import problems

_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})


@dataclass(frozen=True, slots=True)
class BodyReader:
    """Reads bodies of at most ``limit`` bytes that arrive within ``timeout`` seconds."""

    limit: int
    timeout: float

    async def read(self, request: web.Request) -> bytes:
        """Return the bytes of a body that says of itself that it is JSON.

        Raises:
            Problem: 408, 413 or 415.
        """
        _check_encoding(request)
        if request.content_type != "application/json":
            raise problems.unsupported_media_type("its Content-Type must be application/json")
        if (request.charset or "utf-8").lower() not in _CHARSETS:
            raise problems.unsupported_media_type("JSON is UTF-8 (RFC 8259, section 8.1), and nothing else")
        return await self.read_any(request)

    async def read_any(self, request: web.Request) -> bytes:
        """Return the bytes of a body, whatever it is.

        Raises:
            Problem: 408, 413 or 415.
        """
        _check_encoding(request)
        if (request.content_length or 0) > self.limit:
            raise problems.payload_too_large(self.limit)
        try:
            async with asyncio.timeout(self.timeout):
                return await request.read()
        except TimeoutError:
            raise problems.request_timeout(self.timeout) from None
        except web.HTTPRequestEntityTooLarge:
            raise problems.payload_too_large(self.limit) from None


def _check_encoding(request: web.Request) -> None:
    # Nothing is decompressed: a small body that unpacks to gigabytes is not worth its risk.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise problems.unsupported_media_type("send it without Content-Encoding")
