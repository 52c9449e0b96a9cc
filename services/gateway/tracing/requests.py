"""A span around every request: the beginning of a message's trace, or the continuation of its caller's.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/; but the path itself is never told, because
links to unsubscribe hold a secret, and neither is who called.
"""

from __future__ import annotations

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from services.gateway.api.access import is_public
from services.gateway.api.emails import MESSAGE_ID
from services.gateway.tracing import contexts

_PROBES = frozenset({"/healthz", "/readyz"})


def traced(tracer: Tracer) -> Middleware:
    """Make the middleware; it has to be the outermost, so that log lines know the trace."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _PROBES:
            return await handler(request)
        # Strangers begin traces of their own: only who has a key may say which one a request belongs to.
        is_strange = is_public(request.match_info.handler)
        parent = Context() if is_strange else contexts.carried(request.headers)
        with tracer.start_as_current_span(
            _name(request),
            parent,
            SpanKind.SERVER,
            attributes=_attributes(request),
            record_exception=False,  # its text may quote what was sent
            set_status_on_exception=False,
        ) as span:
            response = await handler(request)
            _conclude(span, request, response.status)
            return response

    return middleware


def _method(request: web.Request) -> str:
    return request.method if request.method in hdrs.METH_ALL else "_OTHER"


def _route(request: web.Request) -> str | None:
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical


def _name(request: web.Request) -> str:
    method, route = _method(request), _route(request)
    return f"{'HTTP' if method == '_OTHER' else method} {route or ''}".rstrip()


def _attributes(request: web.Request) -> dict[str, str]:
    attributes = {"http.request.method": _method(request), "url.scheme": request.scheme}
    if (route := _route(request)) is not None:
        attributes["http.route"] = route
    return attributes


def _conclude(span: Span, request: web.Request, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if message_id := request.get(MESSAGE_ID):
        span.set_attribute("pillarbox.message.id", str(message_id))
    if status >= web.HTTPInternalServerError.status_code:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)
