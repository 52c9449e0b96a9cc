"""A span around each request to a provider.

Nothing of the trace is told to the provider: it is none of ours, and has no use for it.  Neither is the URL
told, of which searches make a question, and nothing of what is sent.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind, StatusCode, Tracer

from services.mailer.delivery.ports import NoAnswerError, NotSentError, Transport
from services.mailer.providers.base import Outgoing, Request, Response

_PORTS = {"https": 443, "http": 80}
_FAILED = 400


@dataclass(frozen=True, slots=True)
class TracedTransport:
    """A transport that another one does the work for."""

    transport: Transport
    tracer: Tracer

    async def perform(self, request: Outgoing) -> Response:
        """See :class:`~services.mailer.delivery.ports.Transport`."""
        name, kind, attributes = _described(request)
        with self.tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                response = await self.transport.perform(request)
            except (NotSentError, NoAnswerError) as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
            is_http = isinstance(request, Request)
            span.set_attribute("http.response.status_code" if is_http else "smtp.reply_code", response.status)
            if response.status >= _FAILED:
                span.set_attribute("error.type", str(response.status))
                span.set_status(StatusCode.ERROR)
            return response


def _described(request: Outgoing) -> tuple[str, SpanKind, dict[str, str | int]]:
    if not isinstance(request, Request):
        told: dict[str, str | int] = {
            "network.protocol.name": "smtp",
            "server.address": request.host,
            "server.port": request.port,
        }
        return "SMTP", SpanKind.CLIENT, told
    url = urlsplit(request.url)
    if url.scheme == "file":
        return "write file", SpanKind.INTERNAL, {}
    attributes: dict[str, str | int] = {
        "http.request.method": request.method,
        "url.scheme": url.scheme,
        "server.address": url.hostname or "",
        "server.port": url.port or _PORTS.get(url.scheme, 0),
    }
    return request.method, SpanKind.CLIENT, attributes
