"""Connections that answer in the documented shape, even to what is no HTTP.

Such a request never becomes one that middlewares see, and aiohttp would answer it with a text that
repeats what was sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import structlog
from aiohttp import web

from services.gateway import problems
from services.gateway.api.middlewares import REQUEST_ID, SERVER
from services.gateway.api.turned_away import TurnedAway

log = structlog.get_logger()

TURNED_AWAY = web.AppKey("turned_away", TurnedAway)
"""Where connections find whom to turn away, if anybody."""

_KEPT: Any = SimpleNamespace(keep_alive=True)
"""What aiohttp is told of an answer that is written already: that the connection stays."""


class Runner(web.AppRunner):
    """Runs an application on such connections."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        # There is no other way to say which class connections are of.
        server.__class__ = _Server
        server.turned_away = self.app.get(TURNED_AWAY)  # type: ignore[attr-defined]
        return server


class _Server(web.Server):
    turned_away: TurnedAway | None

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    __slots__ = ("_turned_away",)

    def __init__(self, manager: _Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._turned_away = manager.turned_away

    def data_received(self, data: bytes) -> None:
        """Take the rest of a body also from a caller who is in the middle of it when the gateway stops.

        aiohttp lets go of whatever comes then, and the request would wait for its body in vain.
        """
        stopping = self._close, self._force_close
        if any(stopping) and self._in_the_middle():
            self._close = self._force_close = False
        super().data_received(data)
        if any(stopping):
            self._close, self._force_close = stopping

    async def _handle_request(
        self,
        request: web.BaseRequest,
        start_time: float | None,
        request_handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> tuple[web.StreamResponse, bool]:
        """Turn away whom a glance suffices for; let the application answer everything else."""
        if self._turned_away is not None and self.transport is not None:
            answer = self._turned_away.answer(request)
            if answer is not None:
                self.transport.write(answer)
                return _KEPT, False
        return await super()._handle_request(request, start_time, request_handler)

    def _in_the_middle(self) -> bool:
        bodies = [payload for _, payload in self._messages]
        if self._current_request is not None:
            bodies.append(self._current_request.content)
        return not all(body.is_eof() for body in bodies)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, and close the connection."""
        super().handle_error(request, status, exc, message)  # raises if an answer has begun
        problem = problems.bad_request() if status < 500 else problems.internal_server_error()
        return _refusal(problem, type(exc).__name__)

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Send an answer; one that aiohttp raised outside of the middlewares is about the header Expect."""
        if isinstance(resp, web.HTTPException):
            resp = _refusal(problems.bad_request(), type(resp).__name__)
        return super().finish_response(request, resp, start_time)


def _refusal(problem: problems.Problem, error: str) -> web.Response:
    response = problem.response()
    response.force_close()
    response.headers[REQUEST_ID] = uuid.uuid4().hex
    response.headers["Server"] = SERVER
    log.info("request.refused", status=problem.status, error=error, request_id=response.headers[REQUEST_ID])
    return response
