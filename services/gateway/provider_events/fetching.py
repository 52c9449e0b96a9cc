"""Fetching the two things that Amazon SNS asks to have fetched, and nothing else.

The URLs come from :mod:`.sns`, which lets none pass that leads elsewhere than to Amazon.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from services.gateway.provider_events.reader import Fetch, UnreachableError

Get = Callable[[str], Awaitable[bytes]]
"""Gives what is at a URL.

Raises:
    UnreachableError: It cannot be had.
"""

_MOST_BYTES: Final = 65_536
_DEADLINE_SECONDS: Final = 5.0
_MOST_KEPT: Final = 32
_MOST_WAITING: Final = 8


class Fetcher:
    """One fetch at a time, since strangers can ask for them, too; what never changes is kept."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def fetch(self, wanted: Fetch) -> bytes:
        """Give what is at the URL.

        Raises:
            UnreachableError: It cannot be had, or too many wait for something already.
        """
        if wanted.url in self._kept:
            return self._kept[wanted.url]
        if self._waiting >= _MOST_WAITING:
            raise UnreachableError
        self._waiting += 1
        try:
            async with self._turn:
                return self._kept.get(wanted.url) or await self._fetched(wanted)
        finally:
            self._waiting -= 1

    async def _fetched(self, wanted: Fetch) -> bytes:
        found = await self._get(wanted.url)
        if wanted.keep:
            self._kept[wanted.url] = found
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return found


async def get(url: str) -> bytes:
    """Give what is at a URL: directly, without following where it leads, at most 64 kB in at most 5 s.

    Raises:
        UnreachableError: It cannot be had that way.
    """
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=_DEADLINE_SECONDS), trust_env=False) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            found = bytearray()
            async for chunk in answer.content.iter_chunked(_MOST_BYTES):
                found += chunk
                if len(found) > _MOST_BYTES:
                    raise UnreachableError
            if answer.status != 200:
                raise UnreachableError
            return bytes(found)
    except (ClientError, TimeoutError, OSError) as error:
        raise UnreachableError from error
