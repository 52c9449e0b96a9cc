"""Who is still there: an answer counts only if the client lived on to use it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.web_protocol import RequestHandler
    from aiohttp.web_request import BaseRequest

    from tests.fakes.record import Record

    Handler = Callable[[BaseRequest], Awaitable[web.StreamResponse]]

GRACE = 2.0
"""Seconds.  A client whose connection is lost within them may have been killed before it used the answer."""


@dataclass(slots=True)
class Connection:
    """One TCP connection and what was lately answered on it."""

    gone: asyncio.Event = field(default_factory=asyncio.Event)
    ours: bool = False
    """We tear it down, so its end says nothing about the client."""
    answers: deque[tuple[float, int, int]] = field(default_factory=deque)
    """Monotonic time, number of the request, status."""


class _Server(web.Server):
    """aiohttp's low-level server, which tells when a connection ends."""

    def __init__(self, handler: Handler, lost: Callable[[RequestHandler], None]) -> None:
        super().__init__(handler, access_log=None)
        self._lost = lost

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._lost(handler)


class Connections:
    """All connections of a fake."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._connections: dict[RequestHandler, Connection] = {}
        self._closing = False

    def server(self, handler: Handler) -> web.Server:
        """Make a server whose connections are watched."""
        return _Server(handler, self._lost)

    def open(self) -> None:
        self._closing = False

    def close(self) -> None:
        """From here on it is us who end the connections."""
        self._closing = True

    def of(self, request: BaseRequest) -> Connection:
        """Find the connection that a request came in on."""
        if request.transport is None:  # It ended before we looked.
            lost = Connection()
            lost.gone.set()
            return lost
        return self._connections.setdefault(request.protocol, Connection())

    def answered(
        self, connection: Connection, number: int, status: int, *, reused: bool, honest: bool
    ) -> None:
        """Note that the whole answer is written; unless the connection is reused, it is us who end it."""
        self._record.note(number, status=status, answered=not connection.gone.is_set(), honest=honest)
        if reused:
            connection.answers.append((time.monotonic(), number, status))
        while connection.answers and connection.answers[0][0] < time.monotonic() - GRACE:
            connection.answers.popleft()

    def _lost(self, handler: RequestHandler) -> None:
        connection = self._connections.pop(handler, None)
        if connection is None:
            return
        connection.gone.set()
        if connection.ours or self._closing:
            return
        # All of them, not the last alone: a client can have read many answers and recorded none.
        for written, number, status in connection.answers:
            if written >= time.monotonic() - GRACE:
                self._record.note(number, status=status, answered=False)
