"""What the gateway tells of a message's trace: the request, the commit, the publish, and later events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from aiohttp.typedefs import Middleware
from opentelemetry.trace import Link, SpanKind, Tracer

from services.gateway import __version__
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.relay.publisher import Publisher
from services.gateway.tracing import contexts
from services.gateway.tracing.exporting import Exporting, open_exporting
from services.gateway.tracing.publishing import TracedPublisher
from services.gateway.tracing.requests import traced
from shared.signatures import RecordEvent

_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Tracing:
    """Makes spans; ``system`` is the broker's kind, as OpenTelemetry calls it."""

    exporting: Exporting
    system: str

    @classmethod
    def of_environment(cls, system: str) -> Self | None:
        """Set it up by ``OTEL_…``; None if these want no traces.

        Raises:
            ValueError: One of them is not usable.
        """
        exporting = open_exporting("pillarbox-gateway", __version__)
        return None if exporting is None else cls(exporting, system)

    @property
    def tracer(self) -> Tracer:
        """The SDK's."""
        return self.exporting.provider.get_tracer("pillarbox.gateway", __version__)

    def middleware(self) -> Middleware:
        """What makes a span of each request."""
        return traced(self.tracer)

    def current(self) -> str | None:
        """Where in which trace the running code is."""
        return contexts.current()

    def committed(self, stored: Sequence[Entry], seconds: float) -> None:
        """Tell of a group commit, in each of the traces that share it."""
        ended, tracer = time.time_ns(), self.tracer
        begun = ended - round(seconds * _NANOSECONDS)
        for text in {entry.trace for entry in stored if entry.trace is not None}:
            context = contexts.read(text)
            attributes = {"pillarbox.commit.messages": len(stored)}
            tracer.start_span("commit", context, attributes=attributes, start_time=begun).end(ended)

    def added(self, pairs: Sequence[tuple[KnownMessage, LedgerEvent]], seconds: float) -> None:
        """Tell of events that are new to the ledger, each in its message's trace.

        What a provider told is linked to the call that it was told in.
        """
        ended, tracer = time.time_ns(), self.tracer
        begun = ended - round(seconds * _NANOSECONDS)
        for message, event in pairs:
            if message.trace is not None:
                tracer.start_span(
                    f"record {event.event}",
                    contexts.read(message.trace),
                    SpanKind.CONSUMER,
                    attributes=self._told(message, event),
                    links=[Link(contexts.place(contexts.read(event.trace)))] if event.trace else None,
                    start_time=begun,
                ).end(ended)

    def _told(self, message: KnownMessage, event: LedgerEvent) -> dict[str, str | int]:
        told: dict[str, str | int] = {
            "messaging.system": self.system,
            "messaging.operation.name": "record",
            "messaging.operation.type": "process",
            "messaging.destination.name": RecordEvent.QUEUE,
            "pillarbox.message.id": str(message.id),
            "pillarbox.event": event.event,
            "pillarbox.event.actor": event.actor,
            "pillarbox.event.at": event.at.isoformat(),
        }
        if event.provider:
            told["pillarbox.account"] = event.provider
        if event.attempt:
            told["pillarbox.attempt"] = event.attempt
        return told

    def publisher(self, publisher: Publisher) -> Publisher:
        """Make it tell of what it publishes."""
        return TracedPublisher(publisher, self.tracer, self.system)

    async def close(self) -> None:
        """Hand over what is left to be exported, unless that takes long."""
        await asyncio.to_thread(self.exporting.close)
