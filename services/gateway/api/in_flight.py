"""How much may be under way at once; the rest is refused.

Most of it before there is a request that middlewares see: see :mod:`services.gateway.api.turned_away`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from services.gateway import problems
from services.gateway.api.middlewares import PROBES, Handler

RETRY_AFTER_SECONDS: Final = 1
"""How soon whoever found no room may come again."""


@dataclass(slots=True)
class InFlight:
    """What is worked on at the moment, and how much of it there may be."""

    limit: int
    """Requests at once."""
    limit_bytes: int
    """Bytes of bodies at once."""
    largest: int
    """Bytes that a body may have; one whose length is not announced counts as so many."""
    requests: int = 0
    bytes: int = 0

    def size(self, request: web.BaseRequest) -> int:
        """What a request's body counts as."""
        announced = self.largest if request.content_length is None else request.content_length
        return min(announced, self.largest) if request.can_read_body else 0

    def is_full(self, size: int) -> bool:
        """Whether a body of that size is too much; a single one never is."""
        return self.requests >= self.limit or bool(self.requests and self.bytes + size > self.limit_bytes)


@dataclass(frozen=True, slots=True)
class Slot:
    """A request's place among those in flight."""

    release: Callable[[], None]
    """Gives it back early: a stream that has begun has a limit of its own."""


SLOT = web.RequestKey("slot", Slot)
"""Key under which a request carries its place."""


def limit_in_flight(in_flight: InFlight) -> Middleware:
    """Refuse what there is no room for, before its body is read."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        size = in_flight.size(request)
        if request.path not in PROBES and in_flight.is_full(size):
            raise problems.overloaded(RETRY_AFTER_SECONDS, unread=not request.content.is_eof())
        in_flight.requests += 1
        in_flight.bytes += size
        is_counted = True

        def release() -> None:
            nonlocal is_counted
            if is_counted:
                in_flight.requests -= 1
                in_flight.bytes -= size
                is_counted = False

        request[SLOT] = Slot(release)
        try:
            return await handler(request)
        finally:
            release()

    return middleware
