"""What callers do at their worst, beyond the hostile requests that come all the time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp

from tests.torture.faults.fault import Scene, fault
from tests.torture.journal import ANSWERED, ASKED, SILENCE
from tests.torture.orders import Order

_FIRST_EXTRA: Final = 1_000_000
_AT_ONCE: Final = 25


@fault("G11 G12", seconds=(0.5, 1.0))
async def same_key_at_once(scene: Scene) -> AsyncIterator[None]:
    """Many requests with one key, at all gateways at the same moment; and then another body with that key."""
    number = _FIRST_EXTRA + scene.dice.randrange(1 << 30)
    canary = scene.stage.plan.canary
    order = Order(number, 0.0, "plain", "shop", f"key-{canary}-{number}", _body(canary, number))
    scene.fleet.orders.append(order)
    asks = [scene.fleet.serve(order) for _ in range(_AT_ONCE)]
    await asyncio.gather(*asks)
    await _reuse(scene, order)
    yield


async def _reuse(scene: Scene, order: Order) -> None:
    """A key that was used for something else: refused, and nothing comes of it."""
    journal, address = scene.fleet.journal, scene.stage.addresses[0]
    headers = {
        "Authorization": f"Bearer {scene.stage.keys[order.tenant]}",
        "Idempotency-Key": order.key or "",
    }
    body = {**order.body, "subject": "something else"}
    await journal.write(order.number, ASKED, "reuse")
    with contextlib.suppress(OSError, TimeoutError, aiohttp.ClientError):
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(6)) as session,
            session.post(f"{address}/emails", json=body, headers=headers) as answer,
        ):
            said = await answer.json()
        await journal.write(order.number, ANSWERED, "reuse", status=answer.status, answer=said)
        return
    await journal.write(order.number, SILENCE, "reuse")


def _body(canary: str, number: int) -> dict[str, Any]:
    return {
        "from": f"Shop <{canary}@shop.example.com>",
        "to": [f"order{number}.{canary}.a@recipients.example.org"],
        "subject": f"{number} {canary} at once",
        "text": f"{canary} {number}\n",
        "headers": {"X-Order": str(number)},
    }


@fault("G1 G16", seconds=(2.0, 5.0))
async def slow_and_large_bodies(scene: Scene) -> AsyncIterator[None]:
    """Thirty callers announce megabytes and send them by the byte."""
    key = scene.stage.keys["bank"]
    writers = []
    for number in range(30):
        link = scene.stage.links[f"callers {scene.dice.choice(scene.stage.gateways).name}"]
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", link.port)
            writers.append(writer)
            writer.write(
                f"POST /emails HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {9_000_000 + number}\r\n\r\n{{".encode()
            )
    until = asyncio.get_running_loop().time() + scene.seconds / 2
    while asyncio.get_running_loop().time() < until:
        for writer in writers:
            writer.write(b" ")
        await asyncio.sleep(0.2)
    yield
    for writer in writers:
        writer.transport.abort()
