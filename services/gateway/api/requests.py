"""Reading a request's body, within its limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import hdrs, web

from services.gateway import problems

_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
_JSON = "application/json"


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
        if request.headers.get(hdrs.CONTENT_TYPE) != _JSON:  # as nearly everybody writes it
            _check_type(request)
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
            if request.content.is_eof():  # it came with the headers, and needs no timer
                return await request.read()
            async with asyncio.timeout(self.timeout):
                return await request.read()
        except TimeoutError:
            raise problems.request_timeout(self.timeout) from None
        except web.HTTPRequestEntityTooLarge:
            raise problems.payload_too_large(self.limit) from None


def _check_type(request: web.Request) -> None:
    if request.content_type != _JSON:
        # What it is compressed with tells more than the type of what is in it.
        _check_encoding(request)
        raise problems.unsupported_media_type(f"its Content-Type must be {_JSON}")
    if (request.charset or "utf-8").lower() not in _CHARSETS:
        raise problems.unsupported_media_type("JSON is UTF-8 (RFC 8259, section 8.1), and nothing else")


def _check_encoding(request: web.Request) -> None:
    # Nothing is decompressed: a small body that unpacks to gigabytes is not worth its risk.
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise problems.unsupported_media_type("send it without Content-Encoding")
