"""Who is turned away at the price of a glance: by the connection, before middlewares see a request.

A gateway that is full must not spend on refusing what it needs for accepting, and a caller who knocks
far more often than he may must not cost the others their time.  That goes for what most callers send;
everything else is refused in the ordinary way, with the same answer, log line and figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Final

import structlog
from aiohttp import hdrs, web

from services.gateway import problems
from services.gateway.api.authentication import key_of
from services.gateway.api.dialects import in_dialect, limit_in_sendgrids_words
from services.gateway.api.in_flight import RETRY_AFTER_SECONDS, InFlight
from services.gateway.api.middlewares import REQUEST_ID, SERVER, request_id_of
from services.gateway.api.rate_limit import Allowance, RateLimit
from services.gateway.tenants.callers import Caller
from services.gateway.tenants.keyring import Keyring

log = structlog.get_logger()

_COMMON: Final = frozenset({"/emails", "/emails/batch", "/v3/mail/send"})
"""What is posted to when there is too much of it, nearly always."""
_LATER: Final = {REQUEST_ID: "%(id)s", hdrs.DATE: "%(date)s"}
"""What each answer has of its own."""
_RESET: Final = "%(reset)s"
_REMEMBERED: Final = 256  # answers; a key has as many as it may have to wait seconds, nearly always one


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What is answered, but for what each answer has of its own."""

    problem: problems.Problem
    written: bytes
    reset: int = 0
    """Seconds until all of the caller's limit is there again."""


class TurnedAway:
    """Whom a gateway turns away without further ado, and with which words.

    ``answered`` and ``refused`` are told what the middlewares would tell them.
    """

    def __init__(
        self,
        in_flight: InFlight,
        keyring: Keyring,
        rate_limit: RateLimit,
        *,
        answered: Callable[[str | None, float], object],
        refused: Callable[[str], object],
    ) -> None:
        self._in_flight = in_flight
        self._keyring = keyring
        self._rate_limit = rate_limit
        self._answered = answered
        self._refused = refused
        self._overloaded = {path: _overloaded(path) for path in _COMMON}

    def answer(self, request: web.BaseRequest) -> bytes | None:
        """Return the whole answer to a request; None if it is to take the ordinary way."""
        path = request.raw_path
        if path not in _COMMON or request.method != hdrs.METH_POST or not _is_plain(request):
            return None
        started, caller = time.perf_counter(), None
        if self._in_flight.is_full(self._in_flight.size(request)):
            refusal = self._overloaded[path]
        else:
            caller = self._caller(request)
            allowance = caller and self._rate_limit.refusal(caller.key_id, caller.rate)
            if not allowance:
                return None
            refusal = _too_often(path, allowance)
        return self._told(request, refusal, caller, started)

    def _caller(self, request: web.BaseRequest) -> Caller | None:
        key = key_of(request)
        return None if key is None else self._keyring.at_hand(key)

    def _told(
        self, request: web.BaseRequest, refusal: _Refusal, caller: Caller | None, started: float
    ) -> bytes:
        request_id = request_id_of(request)
        self._refused(refusal.problem.name)
        written = refusal.written % {
            b"id": request_id.encode(),
            b"date": formatdate(usegmt=True).encode(),
            b"reset": b"%d" % (time.time() + refusal.reset),
        }
        seconds = time.perf_counter() - started
        self._answered(f"{request.method} {request.raw_path}", seconds)
        log.info(
            "request.finished",
            method=request.method,
            route=request.raw_path,
            status=refusal.problem.status,
            duration_ms=round(seconds * 1000, 2),
            request_id=request_id,
            tenant=None if caller is None else caller.tenant,
            key_id=None if caller is None else str(caller.key_id),
        )
        return written


def _is_plain(request: web.BaseRequest) -> bool:
    """Whether nothing of it is still to come, and its connection stays as it is (RFC 9112, section 9)."""
    stays = request.keep_alive and request.version >= (1, 1) and hdrs.UPGRADE not in request.headers
    return stays and request.content.is_eof()


def _overloaded(path: str) -> _Refusal:
    problem = in_dialect(path, problems.overloaded(RETRY_AFTER_SECONDS, unread=False))
    return _Refusal(problem, _written(problem, {}))


@lru_cache(_REMEMBERED)
def _too_often(path: str, allowance: Allowance) -> _Refusal:
    limit = allowance.headers()
    problem = problems.rate_limit_exceeded(allowance.retry_after)
    problem = in_dialect(path, problem, limit_in_sendgrids_words(limit, _RESET))
    return _Refusal(problem, _written(problem, limit), allowance.reset)


def _written(problem: problems.Problem, more_headers: Mapping[str, str]) -> bytes:
    response = problem.response()
    body = response.body
    assert isinstance(body, bytes)  # noqa: S101 - it is no stream
    headers = {
        **response.headers,
        **_LATER,
        "Server": SERVER,
        **more_headers,
        "Content-Length": str(len(body)),
    }
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{key}: {headers[key]}" for key in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + body.replace(b"%", b"%%")
