"""The SDK of OpenTelemetry, set up by its own variables (``OTEL_…``), and its end.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

log = structlog.get_logger()

_QUIET_SECONDS = 60.0


class _OwnWords(logging.Handler):
    """Says, now and then and without the library's words, which quote URLs, that spans are being lost."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told = -_QUIET_SECONDS

    def emit(self, record: logging.LogRecord) -> None:
        """Tell, unless that was done a moment ago."""
        if time.monotonic() - self._told >= _QUIET_SECONDS:
            self._told = time.monotonic()
            log.warning("traces.unexported", source=record.name)


@dataclass(frozen=True, slots=True)
class Exporting:
    """Takes spans to a collector (OTLP over HTTP), from a thread of its own; what it cannot take it drops."""

    provider: TracerProvider
    exporter: SpanExporter
    patience: float = 5.0
    """How many seconds what is left may take at the end."""

    def close(self) -> None:
        """Hand over what is left, unless that takes long."""
        flushing = threading.Thread(target=self.provider.shutdown, name="traces", daemon=True)
        flushing.start()
        flushing.join(self.patience)
        if flushing.is_alive():
            self.exporter.shutdown()  # ends what it waits for


def open_exporting(service: str, version: str | None = None) -> Exporting | None:
    """Set up the SDK; None where ``OTEL_SDK_DISABLED`` or ``OTEL_TRACES_EXPORTER`` wants no traces.

    Sampler, limits, batches, the collector's address and its headers are read from the environment by the
    SDK; the service's name and version are ours unless it says otherwise.

    Raises:
        ValueError: Another exporter is asked for, or a variable of the SDK is not usable.
    """
    wanted = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or wanted == "none":
        return None
    if wanted != "otlp":
        raise ValueError("OTEL_TRACES_EXPORTER: must be otlp or none")
    library = logging.getLogger("opentelemetry")
    library.handlers, library.propagate = [_OwnWords()], False
    told = OTELResourceDetector().detect().attributes
    ours = {SERVICE_NAME: service, **({SERVICE_VERSION: version} if version else {})}
    resource = Resource.create({name: value for name, value in ours.items() if name not in told})
    provider, exporter = TracerProvider(resource=resource, shutdown_on_exit=False), OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Exporting(provider, exporter)
