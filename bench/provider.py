"""A SendGrid that is fast: it answers after a given latency, and counts; ``python -m bench.provider PORT``.

It checks nothing of what it is sent; ``tests/fakes`` does, and would be the slowest part here.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import uvloop
from aiohttp import web

from tests.flow.system import Service


@dataclass(slots=True)
class Receipts:
    """What arrived since the last reset."""

    latency: float = 0.0
    requests: int = 0
    doubled: int = 0
    arrived: dict[str, float] = field(default_factory=dict)
    """When each message came, by our id, on the machine's monotonic clock."""

    async def take(self, request: web.Request) -> web.Response:
        """Take one message, or a batch of them."""
        now = time.monotonic()
        self.requests += 1
        for message_id in _ids(json.loads(await request.read())):
            if message_id in self.arrived:
                self.doubled += 1
            else:
                self.arrived[message_id] = now
        if self.latency:
            await asyncio.sleep(self.latency)
        return web.Response(status=202, headers={"X-Message-Id": f"bench-{self.requests}"})

    async def count(self, _: web.Request) -> web.Response:
        """Say how many there are."""
        return web.json_response({"messages": len(self.arrived), "doubled": self.doubled})

    async def receipts(self, _: web.Request) -> web.Response:
        """Say when each arrived."""
        return web.json_response(self.arrived)

    async def reset(self, request: web.Request) -> web.Response:
        """Forget everything, and answer with another latency from now on."""
        self.latency = float(request.query.get("latency", "0"))
        self.requests = self.doubled = 0
        self.arrived.clear()
        return web.Response(status=204)


@dataclass(slots=True)
class Provider:
    """The provider's process, from outside."""

    port: int
    service: Service
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def url(self) -> str:
        """The base URL, to be taken for SendGrid's."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether it is there by now."""
        try:
            return self._client.get(f"{self.url}/count").is_success
        except httpx.TransportError:
            return False

    def reset(self, latency: float = 0.0) -> None:
        """Forget everything; answer after so many seconds from now on."""
        self._client.post(f"{self.url}/reset", params={"latency": latency}).raise_for_status()

    def count(self) -> tuple[int, int]:
        """How many messages have arrived, and how many came again."""
        told = self._client.get(f"{self.url}/count").json()
        return told["messages"], told["doubled"]

    def receipts(self) -> dict[str, float]:
        """When each message arrived, on the machine's monotonic clock."""
        arrived: dict[str, float] = self._client.get(f"{self.url}/receipts").json()
        return arrived


def _ids(payload: dict[str, Any]) -> Iterator[str]:
    shared = payload.get("custom_args", {})
    for personalization in payload["personalizations"]:
        yield personalization.get("custom_args", shared)["message_id"]


def serve(port: int) -> None:
    """Serve on loopback until SIGTERM."""
    receipts = Receipts()
    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_post("/v3/mail/send", receipts.take)
    app.router.add_get("/count", receipts.count)
    app.router.add_get("/receipts", receipts.receipts)
    app.router.add_post("/reset", receipts.reset)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
