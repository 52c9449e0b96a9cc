"""Load that has to keep to a pace or an order, which wrk cannot: calls by aiohttp's client."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import uvloop

from bench import letters

_BATCH = 100


@dataclass(slots=True)
class Called:
    """What came of it."""

    posted: dict[str, float] = field(default_factory=dict)
    """When each accepted message was sent on its way, by its id, on the machine's monotonic clock."""
    answered: int = 0
    """Calls that were answered as they should be."""
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """From the first call to the last answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to be sent."""

    body: bytes
    headers: Mapping[str, str]


def fill(url: str, headers: Mapping[str, str], count: int, **fields: object) -> Called:
    """Have so many e-mails accepted by ``POST /emails/batch``, each to a recipient of its own."""
    calls = (
        Call(letters.batch(min(_BATCH, count - first), first, **fields), headers)
        for first in range(0, count, _BATCH)
    )
    return send(url, calls, connections=4, expected=202)


def send(url: str, calls: Iterable[Call], *, connections: int, expected: int) -> Called:
    """Send all calls in order, each connection the next one as soon as it has its answer."""
    return uvloop.run(_send(url, calls, connections, expected))


def pace(url: str, headers: Mapping[str, str], *, rate: float, seconds: float) -> Called:
    """POST single e-mails at a steady rate, whether or not the answers come as fast."""
    return uvloop.run(_pace(url, headers, rate, seconds))


async def _send(url: str, calls: Iterable[Call], connections: int, expected: int) -> Called:
    called = Called()
    waiting = iter(calls)
    async with _session(connections) as session:

        async def connection() -> None:
            for call in waiting:
                await _one(session, url, call, expected, called)

        begun = time.monotonic()
        await asyncio.gather(*(connection() for _ in range(connections)))
        called.seconds = time.monotonic() - begun
    return called


async def _pace(url: str, headers: Mapping[str, str], rate: float, seconds: float) -> Called:
    called = Called()
    count = round(rate * seconds)
    async with _session(0) as session, asyncio.TaskGroup() as group:
        begun = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            call = Call(letters.single(number), headers)
            group.create_task(_one(session, url, call, 202, called))
    called.seconds = time.monotonic() - begun
    return called


async def _one(session: aiohttp.ClientSession, url: str, call: Call, expected: int, called: Called) -> None:
    begun = time.monotonic()
    try:
        async with session.post(url, data=call.body, headers=call.headers) as response:
            answer = await response.json(content_type=None) if response.status == 202 else None
            status = response.status
            await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        called.errors[type(error).__name__] += 1
        return
    if status != expected:
        called.errors[f"HTTP {status}"] += 1
        return
    called.answered += 1
    if answer is not None:
        accepted = answer.get("data", [answer])
        called.posted.update((one["id"], begun) for one in accepted)


@asynccontextmanager
async def _session(connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=connections)
    timeout = aiohttp.ClientTimeout(total=60)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        yield session
