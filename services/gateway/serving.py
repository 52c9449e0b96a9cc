"""Serving: listen, until told to stop, then finish what was begun."""

from __future__ import annotations

import asyncio
import signal

import structlog
from aiohttp import web

from services.gateway.api.connections import Runner
from services.gateway.app import HEALTH, create_app
from services.gateway.settings import Settings

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    Raises:
        OSError: The port is taken, or may not be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = create_app(settings)
    # Bodies are taken as they come: decompressing strangers' bodies invites bombs.
    runner = Runner(
        app,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=settings.idle_timeout_seconds,
        shutdown_timeout=settings.drain_timeout_seconds,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
        await site.start()
        host, port = runner.addresses[0][:2]
        log.info("gateway.started", url=f"http://{host}:{port}", settings=settings.changed())
        await stop.wait()
        app[HEALTH].stopping = True
        log.info("gateway.stopping")
        await asyncio.sleep(settings.lame_duck_seconds)
    finally:
        await runner.cleanup()
    log.info("gateway.stopped")
