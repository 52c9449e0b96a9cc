"""How much may be under way at once, and what becomes of the rest: it is refused, at the price of a glance.

A gateway that is full must not spend on refusing what it needs for accepting.  So what most callers
send is turned away by its connection, before there is a request that middlewares see; everything else
is refused in the ordinary way, with the same answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from services.gateway import problems
from services.gateway.api.dialects import in_dialect
from services.gateway.api.middlewares import PROBES, REQUEST_ID, SERVER, Handler, request_id_of

log = structlog.get_logger()

_RETRY_AFTER_SECONDS: Final = 1
_COMMON: Final = ("/emails", "/emails/batch", "/v3/mail/send")
"""What is posted to when a gateway is full, nearly always."""
_LATER: Final = {REQUEST_ID: "%(id)s", hdrs.DATE: "%(date)s"}
"""What each answer has of its own."""


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
            raise problems.overloaded(_RETRY_AFTER_SECONDS, unread=not request.content.is_eof())
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


class TurnedAway:
    """Whom a full gateway turns away without further ado, and with which words.

    ``answered`` and ``refused`` are told what the middlewares would tell them.
    """

    def __init__(
        self,
        in_flight: InFlight,
        answered: Callable[[str | None, float], object],
        refused: Callable[[str], object],
    ) -> None:
        self._in_flight = in_flight
        self._answered = answered
        self._refused = refused
        self._problem = problems.overloaded(_RETRY_AFTER_SECONDS, unread=False)
        self._written = {path: _written(in_dialect(path, self._problem)) for path in _COMMON}

    def answer(self, request: web.BaseRequest) -> bytes | None:
        """Return the whole answer to a request; None if it is to take the ordinary way."""
        written = self._written.get(request.raw_path)
        if written is None or request.method != hdrs.METH_POST:
            return None
        if not (self._in_flight.is_full(self._in_flight.size(request)) and _is_plain(request)):
            return None
        started, request_id = time.perf_counter(), request_id_of(request)
        self._refused(self._problem.name)
        written %= {b"id": request_id.encode(), b"date": formatdate(usegmt=True).encode()}
        seconds = time.perf_counter() - started
        self._answered(f"{request.method} {request.raw_path}", seconds)
        log.info(
            "request.finished",
            method=request.method,
            route=request.raw_path,
            status=self._problem.status,
            duration_ms=round(seconds * 1000, 2),
            request_id=request_id,
        )
        return written


def _is_plain(request: web.BaseRequest) -> bool:
    """Whether nothing of it is still to come, and its connection stays as it is (RFC 9112, section 9)."""
    stays = request.keep_alive and request.version >= (1, 1) and hdrs.UPGRADE not in request.headers
    return stays and request.content.is_eof()


def _written(problem: problems.Problem) -> bytes:
    response = problem.response()
    body = response.body
    assert isinstance(body, bytes)  # noqa: S101 - it is no stream
    headers = {**response.headers, **_LATER, "Server": SERVER, "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{key}: {headers[key]}" for key in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + body.replace(b"%", b"%%")
