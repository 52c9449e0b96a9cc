"""The tenants' own server: keeps what is posted to it, and is not always well."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Posted:
    """One webhook as it came."""

    tenant: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


@dataclass(eq=False, slots=True)
class Sink:
    """Takes what is posted, unless told to refuse."""

    status: int = 200
    posted: list[Posted] = field(default_factory=list)
    port: int = 0
    _runner: Any = None

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        server = web.Server(self._take)
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def _take(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        if self.status == 200:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.posted.append(Posted(request.path.strip("/"), headers, body))
        return web.Response(status=self.status)
