"""An answer counts only if the client lived on to use it."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import httpx
import pytest

from tests.fakes import FakeESP, faults
from tests.fakes.calls import CALLS, send, settled


async def test_an_answer_counts_while_the_client_lives(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """The client that keeps its connection had its answer, and goes on having it."""
    await send(client, fake)
    await settled(fake, answered=True)
    await asyncio.sleep(0.6)

    assert [True] == [entry.answered for entry in fake.record]


async def test_an_answer_does_not_count_when_the_client_is_gone(fake: FakeESP) -> None:
    """A connection lost right after the answers may be that of a client that had no time to use them."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(3):
            await send(client, fake)
        await settled(fake, answered=True)

    assert await settled(fake, answered=False)
    assert [False, False, False] == [entry.answered for entry in fake.record]


async def test_an_answer_does_not_count_when_the_client_is_killed(fake: FakeESP) -> None:
    """A process that ends by kill -9 right after its answer is noticed."""
    call = CALLS[fake.kind]()
    code = (
        "import httpx, sys, time\n"
        "client = httpx.Client(trust_env=False)\n"
        f"client.post({fake.base_url + call.path!r}, content={call.body!r}, headers={call.headers!r})\n"
        "print('answered', flush=True)\n"
        "time.sleep(60)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    process.kill()
    await process.wait()

    assert await settled(fake, answered=False)
    assert [(True, False)] == [(entry.accepted, entry.answered) for entry in fake.record]


async def test_a_late_farewell_takes_no_answer_back(fake: FakeESP) -> None:
    """A client that leaves after half a second had used its answer."""
    async with httpx.AsyncClient(trust_env=False) as client:
        await send(client, fake)
        await asyncio.sleep(0.6)
    await asyncio.sleep(0.1)

    assert [True] == [entry.answered for entry in fake.record]


async def test_our_own_end_takes_no_answer_back(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """A reset or a stop is the fake's doing and says nothing about the client."""
    await send(client, fake)
    fake.script(faults.reset())
    with pytest.raises(httpx.ReadError):
        await send(client, fake)
    await send(client, fake)
    await settled(fake, answered=True)
    await fake.stop()

    assert [True, False, True] == [entry.answered for entry in fake.requests]
