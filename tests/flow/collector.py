"""A collector of traces on loopback: what OTLP over HTTP brings, as a tree.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status


@dataclass(frozen=True)
class Span:
    """One span, as it was exported."""

    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    """Pairs of trace and span."""
    failed: bool
    begun: int
    """In nanoseconds, as ``ended``."""
    ended: int


class Collector:
    """Keeps all spans that it is brought."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        """What ``OTEL_EXPORTER_OTLP_ENDPOINT`` has to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Collect, in a thread."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace, in the order of their beginning."""
        return sorted((one for one in self.spans if one.trace_id == trace_id), key=lambda one: one.begun)

    def tree(self, trace_id: str) -> list[str]:
        """One line for each span, indented by its depth, with its service."""
        spans = self.trace(trace_id)
        known = {one.span_id for one in spans}

        def lines(parent: Span | None, depth: int) -> Iterator[str]:
            for one in spans:
                is_child = one.parent_id == parent.span_id if parent else one.parent_id not in known
                if is_child:
                    yield f"{'  ' * depth}{one.service.removeprefix('pillarbox-')}: {one.name}"
                    yield from lines(one, depth + 1)

        return list(lines(None, 0))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert ("/v1/traces", "application/x-protobuf") == (self.path, self.headers["Content-Type"])
                collector.bodies.append(body)
                collector.spans.extend(_read(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


def _read(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=service,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    name=span.name,
                    attributes=_attributes(span.attributes),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                    begun=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
