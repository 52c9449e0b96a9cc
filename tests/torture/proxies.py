"""TCP proxies: one for each pair of parties, with everything a network can do to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.servers.server import free_port

Direction = Literal["up", "down"]

UP: Final[Direction] = "up"
"""From the party that connects to the one that listens."""
DOWN: Final[Direction] = "down"

_CHUNK: Final = 65_536
_RST: Final = struct.pack("ii", 1, 0)  # SO_LINGER without lingering: the kernel sends RST


@dataclass(eq=False, slots=True)
class _Pair:
    """One connection, and its continuation."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    lossy: bool = False
    """Bytes of it were swallowed, so it can never go on."""

    def reset(self) -> None:
        for writer in (self.near, self.far):
            peer: socket.socket | None = writer.get_extra_info("socket")
            if peer is not None:
                with contextlib.suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            writer.transport.abort()

    def close(self) -> None:
        for writer in (self.near, self.far):
            writer.close()


@dataclass(eq=False, slots=True)
class Link:
    """The way from one party to another."""

    name: str
    """As in ``mailer-2 claims``."""
    target: int
    """The port, on loopback, of whoever listens."""
    port: int = 0
    """Where it listens itself, from the first :meth:`open` on."""
    silent: set[Direction] = field(default_factory=set)
    """Directions in which bytes vanish (a black hole)."""
    delay: float = 0.0
    """Seconds that each piece takes longer."""
    bandwidth: float | None = None
    """Bytes a second."""
    watched: bytes | None = None
    """Once this has passed upwards, the connection is torn down before the answer can come."""
    passed: int = 0
    """Bytes so far."""
    _pairs: set[_Pair] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Listen, again on the same port.

        Raises:
            OSError: Somebody else has taken it meanwhile.
        """
        while self._server is None:
            port = self.port or free_port()
            try:
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
            except OSError:
                if self.port:
                    raise
            else:
                self.port = port

    async def refuse(self) -> None:
        """Close the door: whoever connects is refused.  Connections go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """End every connection in order (FIN)."""
        for pair in tuple(self._pairs):
            pair.close()

    def reset(self) -> None:
        """Tear every connection down (RST)."""
        for pair in tuple(self._pairs):
            pair.reset()

    async def heal(self) -> None:
        """Be a good network again; what lost bytes is torn down."""
        self.silent.clear()
        self.delay, self.bandwidth, self.watched = 0.0, None, None
        for pair in tuple(self._pairs):
            if pair.lossy:
                pair.reset()
        await self.open()

    async def close(self) -> None:
        """End for good."""
        await self.refuse()
        self.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            answers, far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _Pair(near, near).reset()
            return
        pair = _Pair(near, far)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(pair, reader, far, UP))
                pumps.create_task(self._pump(pair, answers, near, DOWN))
        except* OSError:
            pair.reset()
        finally:
            self._pairs.discard(pair)
            pair.close()

    async def _pump(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction
    ) -> None:
        while piece := await reader.read(_CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.bandwidth:
                await asyncio.sleep(len(piece) / self.bandwidth)
            if way in self.silent:
                pair.lossy = True
                continue
            writer.write(piece)
            await writer.drain()
            self.passed += len(piece)
            if way == UP and self.watched is not None and self.watched in piece:
                self.watched = None
                pair.reset()
        if way in self.silent or pair.lossy:  # nor does the end of a connection come through a black hole
            pair.lossy = True
            return
        pair.close()


async def every(links: list[Link], do: Callable[[Link], object]) -> None:
    """Do something to several links."""
    for link in links:
        done = do(link)
        if asyncio.iscoroutine(done):
            await done
