"""An answer counts only if the client lived on to use it."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import httpx
import pytest

from tests.fakes import faults
from tests.fakes.calls import perform, settled
from tests.fakes.calls.sending import of_json
from tests.fakes.connections import GRACE
from tests.fakes.plain import Plain

MESSAGE = of_json("/send", {"id": "a"})


async def test_an_answer_counts_while_the_client_lives(plain: Plain, client: httpx.AsyncClient) -> None:
    """The client that keeps its connection had its answer, and goes on having it."""
    await perform(client, plain, MESSAGE)
    await settled(plain, answered=True)
    await asyncio.sleep(0.6)

    assert [True] == [entry.answered for entry in plain.record]


async def test_an_answer_does_not_count_when_the_client_is_gone(plain: Plain) -> None:
    """A connection lost right after the answers may be that of a client that had no time to use them."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(3):
            await perform(client, plain, MESSAGE)
        await settled(plain, answered=True)

    assert await settled(plain, answered=False)
    assert [(False, True)] * 3 == [(entry.answered, entry.ambiguous) for entry in plain.record]


async def test_an_answer_does_not_count_when_the_client_is_killed(plain: Plain) -> None:
    """A process that ends by kill -9 right after its answer is noticed."""
    what = f"content={MESSAGE.body!r}, headers={MESSAGE.headers!r}"
    code = (
        "import httpx, sys, time\n"
        "client = httpx.Client(trust_env=False)\n"
        f"client.post({plain.base_url + MESSAGE.path!r}, {what})\n"
        "print('answered', flush=True)\n"
        "time.sleep(60)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    process.kill()
    await process.wait()

    assert await settled(plain, answered=False)
    assert [(True, False)] == [(entry.accepted, entry.answered) for entry in plain.record]


async def test_a_late_farewell_takes_no_answer_back(plain: Plain) -> None:
    """A client that leaves later than that had used its answer."""
    async with httpx.AsyncClient(trust_env=False) as client:
        await perform(client, plain, MESSAGE)
        await asyncio.sleep(GRACE + 0.1)
    await asyncio.sleep(0.1)

    assert [True] == [entry.answered for entry in plain.record]


async def test_our_own_end_takes_no_answer_back(plain: Plain, client: httpx.AsyncClient) -> None:
    """A reset or a stop is the fake's doing and says nothing about the client."""
    await perform(client, plain, MESSAGE)
    plain.script(faults.reset())
    with pytest.raises(httpx.ReadError):
        await perform(client, plain, MESSAGE)
    await perform(client, plain, MESSAGE)
    await settled(plain, answered=True)
    await plain.stop()

    assert [True, False, True] == [entry.answered for entry in plain.requests]
