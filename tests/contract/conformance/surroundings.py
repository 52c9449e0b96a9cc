"""What can happen at every provider, whatever it speaks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.contract.conformance.mishap import Known, Mishap, changed
from tests.fakes import Fake, FakeSmtp, faults
from tests.fakes.bucket import Bucket

_MOMENT = 0.02

LARGE = f"{'A long letter. ':a<72}\r\n" * 6_000
"""More than what stands between takes in without somebody who reads."""
BRIEF = 1.5
"""Seconds; long enough for everything that does happen, also on a machine that stands still for a moment."""


@asynccontextmanager
async def away(fake: Fake) -> AsyncIterator[None]:
    """Nobody listens at the fake's port."""
    await fake.stop()
    yield
    await fake.start()


@asynccontextmanager
async def mute(fake: Fake) -> AsyncIterator[None]:
    """Nobody picks up: the queue of connections is full, and the kernel answers no more."""
    await fake.stop()
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(fake._address)
        listener.listen(0)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            while True:
                caller = sockets.enter_context(socket.socket())
                caller.settimeout(0)
                async with asyncio.timeout(_MOMENT):
                    await loop.sock_connect(caller, fake._address)
        yield
    await fake.start()


@asynccontextmanager
async def crowded(fake: Fake) -> AsyncIterator[None]:
    """Others have used up the limit, for a moment."""
    fake.limit = Bucket(rate=0.001)
    fake.limit.take()
    yield
    fake.limit = None


@asynccontextmanager
async def narrow(fake: FakeSmtp) -> AsyncIterator[None]:
    """The way to the fake holds little: a letter is still being written when its beginning is read."""
    assert fake._server is not None
    for listener in fake._server.sockets:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    yield


USUAL = Mishap(name="usual", known=Known.TAKEN, fault=faults.usual(), taken=True)
REFUSED_CONNECTION = Mishap(name="refused-connection", known=Known.AWAY, during=away)
WRONG_KEY = Mishap(name="wrong-key", known=Known.NOT_US, during=changed(api_key="another"))
EVERYWHERE = [
    USUAL,
    Mishap(name="late", known=Known.TAKEN, fault=faults.late(0.05), taken=True),
    REFUSED_CONNECTION,
    Mishap(name="mute-connection", known=Known.AWAY, during=mute, patience=BRIEF),
    WRONG_KEY,
    Mishap(name="above-the-limit", known=Known.TOO_FAST, during=crowded),
]
