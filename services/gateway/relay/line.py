"""A line to the broker: one publisher, one thread, and a connection made anew as often as it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from services.gateway.relay.publisher import Link, Publisher

log = structlog.get_logger()

T = TypeVar("T")

_KEEP_ALIVE_SECONDS = 1.0


class Line:
    """What is asked of the publisher runs in a thread, so the event loop never waits for the broker."""

    def __init__(self, publisher: Publisher, name: str) -> None:
        self.publisher = publisher
        self._name = name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._keeping: asyncio.Task[None] | None = None
        self.connected = False
        """Whether it is worth handing anything over."""
        self.connected_at = 0.0
        """When the connection was made, on the monotonic clock."""

    def start(self) -> None:
        """Connect to the broker, and keep connecting for as long as it is away."""
        self._keeping = asyncio.create_task(self._keep_connected())

    @property
    def is_open(self) -> bool:
        """Whether it was started, and not closed since."""
        return self._keeping is not None

    def hang_up(self) -> None:
        """Connect no more; what is connected serves for what is left to do."""
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    async def close(self) -> None:
        """Let go of the broker."""
        self.hang_up()
        await self.run(self.publisher.close)
        self._thread.shutdown()

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run one of the publisher's methods in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def lost(self, error: Exception) -> None:
        """Note that a batch ended early: the connection is of no use any more."""
        self.connected = False
        log.warning("broker.lost", line=self._name, error=type(error).__name__)

    async def _keep_connected(self) -> None:
        last: Link | None = None
        while True:
            link = await self.run(self.publisher.keep_alive)
            if link is Link.DOWN:
                link = await self._reconnect()
            if link is Link.BLOCKED and last is not link:
                log.warning("broker.blocked", line=self._name)
            self.connected = link is Link.UP
            last = link
            await asyncio.sleep(_KEEP_ALIVE_SECONDS)

    async def _reconnect(self) -> Link:
        try:
            await self.run(self.publisher.connect)
        except Exception as error:  # noqa: BLE001 - kombu raises what the driver raises
            log.warning("broker.unreachable", line=self._name, error=type(error).__name__)
            return Link.DOWN
        log.info("broker.connected", line=self._name)
        self.connected_at = time.monotonic()
        return Link.UP
