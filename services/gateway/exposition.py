"""The second port: ``GET /metrics`` for Prometheus, and nothing else.

It asks for no key, and so is no route of the public port, which callers and their networks reach.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from services.gateway.api.middlewares import SERVER

_SHUTDOWN_SECONDS = 1.0


@asynccontextmanager
async def exposed(registry: CollectorRegistry, host: str, port: int) -> AsyncIterator[None]:
    """Serve the figures on *port* for as long as the block lasts; 0 serves them nowhere.

    Raises:
        OSError: The port is taken, or may not be used.
    """
    if not port:
        yield
        return

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        headers = {hdrs.CONTENT_TYPE: content_type, hdrs.SERVER: SERVER}
        return web.Response(body=encode(registry), headers=headers)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()
