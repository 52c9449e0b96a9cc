"""Serving: listen, until told to stop, then finish what was begun."""

from __future__ import annotations

import asyncio
import gc
import signal

import structlog
from aiohttp import web

from services.gateway import failpoints, logs
from services.gateway.api.connections import Runner
from services.gateway.app import HEALTH, METRICS, create_app
from services.gateway.exposition import exposed
from services.gateway.settings import Settings

log = structlog.get_logger()

_GARBAGE_THRESHOLDS = 2_000, 10, 10
"""Objects, and collections of the younger generation, after which the next one is collected."""


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    Raises:
        OSError: The port is taken, or may not be used.
    """
    with logs.gathering():
        app = create_app(settings)
        async with exposed(app[METRICS].registry, settings.host, settings.metrics_port):
            await _serve(app, settings)


async def _serve(app: web.Application, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
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
        _settle_down()
        failpoints.announce()
        log.info("gateway.started", url=f"http://{host}:{port}", settings=settings.changed())
        await stop.wait()
        app[HEALTH].stopping = True
        log.info("gateway.stopping")
        await asyncio.sleep(settings.lame_duck_seconds)
    finally:
        await runner.cleanup()
    log.info("gateway.stopped")


def _settle_down() -> None:
    """Exempt what serving needs from garbage collection, which otherwise looks at all of it again and again.

    What a request leaves behind is freed without it, but for what refers to itself; that is looked for
    less often than by default, because each look makes whoever waits for a 202 wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
