"""Around every request: its id, its one log line, and errors in one shape."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from services.gateway import problems
from services.gateway.api.access import CALLER
from services.gateway.api.dialects import respond
from services.gateway.api.emails import MESSAGE_ID, RESENDS
from services.gateway.api.rate_limit import HEADERS
from services.gateway.logs import places

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = "X-Request-Id"
_NAMED = web.RequestKey("request_id", str)
SERVER = "Pillarbox"
"""What answers; which version of what it is made of is nobody's business (RFC 9110, section 10.2.4)."""

_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
PROBES = frozenset({"/healthz", "/readyz"})
"""What is answered however much there is to do, and not logged."""
_HUNG_UP = 499  # what is logged when the caller went away before there was an answer


def observing(answered: Callable[[str | None, float], object]) -> Middleware:
    """Give each request an id, and write its one canonical log line.

    ``answered`` is told of each whole answer: its method and route, and the seconds that it took.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = request_id_of(request)
        started = time.perf_counter()
        status = _HUNG_UP
        request[_NAMED] = request_id
        try:
            response = await handler(request)
            status = response.status
            head(request, response)
            if isinstance(response, web.Response):  # a stream takes as long as somebody listens
                answered(_route(request), time.perf_counter() - started)
            return response
        finally:
            if request.path not in PROBES:
                _log_line(request, request_id, status, time.perf_counter() - started)

    return middleware


def request_id_of(request: web.BaseRequest) -> str:
    """Return the id that the caller gave it, if that is a usable one, or else a new one."""
    given = request.headers.get(REQUEST_ID, "")
    return given if _USABLE_ID.fullmatch(given) else os.urandom(16).hex()


observe = observing(lambda *_: None)
"""The same, told to nobody."""


def _route(request: web.Request) -> str | None:
    resource = request.match_info.route.resource
    return None if resource is None else f"{request.method} {resource.canonical}"


def head(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer the headers that all answers have; a stream asks for them before it begins."""
    response.headers[REQUEST_ID] = request[_NAMED]
    response.headers["Server"] = SERVER
    response.headers.update(request.get(HEADERS, ()))


def _log_line(request: web.Request, request_id: str, status: int, seconds: float) -> None:
    resource = request.match_info.route.resource
    message_id = request.get(MESSAGE_ID)
    identity = request.get(CALLER)
    accepted = status == web.HTTPAccepted.status_code and not request.get(RESENDS)
    log.info(
        "message.accepted" if accepted else "request.finished",
        method=request.method,
        route=None if resource is None else resource.canonical,
        status=status,
        duration_ms=round(seconds * 1000, 2),
        request_id=request_id,
        message_id=str(message_id) if message_id else None,
        tenant=None if identity is None else identity.tenant,
        key_id=None if identity is None else str(identity.key_id),
    )


def answer_problems(refused: Callable[[str], object] = lambda _: None) -> Middleware:
    """Turn everything that is raised into the documented error body, in the dialect of the path.

    ``refused`` is told the name of each problem.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except problems.Problem as raised:
            problem = raised
        except web.HTTPMethodNotAllowed as error:
            problem = problems.method_not_allowed(error.allowed_methods)
        except web.HTTPNotFound:
            problem = problems.not_found()
        except ConnectionError:
            return web.Response(status=_HUNG_UP)  # nobody is there to read it
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours, answered as one
            log.error("request.crashed", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()
            problem = problems.internal_server_error()
        refused(problem.name)
        return respond(request, problem)

    return middleware
