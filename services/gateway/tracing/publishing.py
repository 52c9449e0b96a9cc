"""A span around each message that is published, in the message's trace; the mailer's are its children.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from services.gateway.relay.publisher import Link, Outgoing, Publishable, Published, Publisher
from services.gateway.tracing import contexts


class TracedPublisher:
    """A publisher that another one does the work for."""

    def __init__(self, publisher: Publisher, tracer: Tracer, system: str) -> None:
        self._publisher = publisher
        self._tracer = tracer
        self._system = system
        self.connect = publisher.connect
        self.depth = publisher.depth
        self.close = publisher.close

    def keep_alive(self) -> Link:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        return self._publisher.keep_alive()

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """See :class:`~services.gateway.relay.publisher.Publisher`."""
        spans: dict[UUID, Span] = {}
        published = self._publisher.publish([self._begin(entry, spans) for entry in batch])
        if spans:
            _end(spans, published)
        return published

    def _begin(self, entry: Publishable, spans: dict[UUID, Span]) -> Publishable:
        """Begin a span, and have what follows as its children; what is not sampled goes on as it is."""
        if entry.trace is None:
            return entry
        parent = contexts.read(entry.trace)
        if not contexts.place(parent).trace_flags.sampled:
            return entry
        attributes: dict[str, str | int] = {
            "messaging.system": self._system,
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.destination.name": entry.queue,
            "messaging.message.id": str(entry.id),
            "messaging.message.body.size": len(entry.arguments),
        }
        span = self._tracer.start_span(
            f"publish {entry.queue}", parent, SpanKind.PRODUCER, attributes=attributes
        )
        spans[entry.id] = span
        trace = contexts.written(span.get_span_context())
        return Outgoing(entry.id, entry.task, entry.queue, entry.arguments, trace)


def _end(spans: dict[UUID, Span], published: Published) -> None:
    confirmed, unroutable = set(published.confirmed), set(published.unroutable)
    for message_id, span in spans.items():
        if message_id not in confirmed:
            because = "unroutable" if message_id in unroutable else "unconfirmed"
            span.set_attribute("error.type", because)
            span.set_status(StatusCode.ERROR)
        span.end()
