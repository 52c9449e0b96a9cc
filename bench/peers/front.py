"""aiohttp on uvloop in front of a way of queueing: ``python -m bench.peers.front with_celery``.

Without a name it queues nothing: that is the bare aiohttp which everything is compared with.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import uvloop
from aiohttp import web

from bench.peers.queueing import queueing


async def _nowhere(_: dict[str, Any]) -> str:
    return str(uuid4())


def create_app(name: str | None) -> web.Application:
    """Parse the JSON, publish it, answer 202."""
    app = web.Application()
    publish: Callable[[dict[str, Any]], Awaitable[str]] = _nowhere
    if name is not None:
        ways = queueing(name)
        publish = ways.publish

        async def started(_: web.Application) -> None:
            await ways.start()

        async def stopped(_: web.Application) -> None:
            await ways.stop()

        app.on_startup.append(started)
        app.on_cleanup.append(stopped)

    async def accept(request: web.Request) -> web.Response:
        message_id = await publish(json.loads(await request.read()))
        return web.json_response({"id": message_id}, status=202)

    app.router.add_post("/emails", accept)
    return app


if __name__ == "__main__":
    web.run_app(
        create_app(sys.argv[1] if sys.argv[1:] else None),
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )
