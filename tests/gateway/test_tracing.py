"""What the gateway makes of a trace, and what becomes of spans that nobody takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.deposit import Entry
from services.gateway.relay.publisher import Link, Publishable, Published
from services.gateway.tracing.exporting import Exporting, open_exporting
from services.gateway.tracing.tracing import Tracing
from tests.servers.server import free_port

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = (f"00-{TRACE_ID}-{PARENT}-{flags}" for flags in ("01", "00"))


class Broker:
    """A publisher that remembers, and confirms only what it is told to."""

    def __init__(self) -> None:
        self.traces: dict[UUID, str | None] = {}
        self.refused: set[UUID] = set()
        self.doubtful: set[UUID] = set()

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """Take a batch."""
        self.traces = {one.id: one.trace for one in batch}
        ids = [one.id for one in batch if one.id not in self.refused | self.doubtful]
        return Published(ids, [*self.refused])

    def connect(self) -> None:
        """Nothing to connect to."""

    def keep_alive(self) -> Link:
        """It is always there."""
        return Link.UP

    def depth(self, queue: str) -> int | None:
        """Nothing waits."""
        return len(queue) * 0

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def exported() -> InMemorySpanExporter:
    """Where spans go."""
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exported: InMemorySpanExporter) -> Tracing:
    """Tracing as it is by default: what its parent samples."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return Tracing(Exporting(provider, exported), "rabbitmq")


@pytest.fixture(autouse=True)
def _untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a fresh machine."""
    for name in ("SDK_DISABLED", "TRACES_EXPORTER", "SERVICE_NAME", "RESOURCE_ATTRIBUTES", "TRACES_SAMPLER"):
        monkeypatch.delenv(f"OTEL_{name}", raising=False)


def message(trace: str | None) -> Entry:
    """A committed message."""
    return Entry(new_message_id(), "default", "bulk", "mailer.send_email", b"{}", trace)


def placed(span: ReadableSpan) -> tuple[str, str, bool]:
    """Name, parent, and whether it failed."""
    parent = "" if span.parent is None else f"{span.parent.span_id:016x}"
    return span.name, parent, not span.status.is_ok and not span.status.is_unset


def test_a_published_message_names_its_publish(tracing: Tracing, exported: InMemorySpanExporter) -> None:
    """So that the mailer's work is a part of it; an unsampled or missing trace goes on as it is."""
    broker, messages = Broker(), [message(SAMPLED), message(UNSAMPLED), message(None)]
    tracing.publisher(broker).publish(messages)
    (span,) = exported.get_finished_spans()
    context = span.get_span_context()

    assert context is not None
    assert ("publish mailer.bulk", PARENT, False) == placed(span)
    assert [f"00-{TRACE_ID}-{context.span_id:016x}-01", UNSAMPLED, None] == [*broker.traces.values()]


def test_what_the_broker_did_not_take_is_told(tracing: Tracing, exported: InMemorySpanExporter) -> None:
    """And why."""
    broker, messages = Broker(), [message(SAMPLED), message(SAMPLED)]
    broker.refused, broker.doubtful = {messages[0].id}, {messages[1].id}
    tracing.publisher(broker).publish(messages)
    spans = exported.get_finished_spans()

    assert [True, True] == [placed(one)[2] for one in spans]
    assert ["unroutable", "unconfirmed"] == [(one.attributes or {})["error.type"] for one in spans]


def test_a_group_commit_is_in_each_trace_that_shares_it(
    tracing: Tracing, exported: InMemorySpanExporter
) -> None:
    """Once, however many messages of a batch it stored."""
    other = SAMPLED.replace(PARENT, "b7ad6b7169203331")
    tracing.committed([message(SAMPLED), message(SAMPLED), message(other), message(None)], 0.25)
    spans = exported.get_finished_spans()

    assert [("commit", PARENT, False), ("commit", "b7ad6b7169203331", False)] == sorted(map(placed, spans))
    assert {(4, 250_000_000)} == {
        ((one.attributes or {})["pillarbox.commit.messages"], (one.end_time or 0) - (one.start_time or 0))
        for one in spans
    }


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_opentelemetrys_own_switches_count(monkeypatch: pytest.MonkeyPatch, off: dict[str, str]) -> None:
    """Whatever ours says."""
    for name, value in off.items():
        monkeypatch.setenv(name, value)

    assert Tracing.of_environment("rabbitmq") is None


def test_an_exporter_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than to wonder where the traces are."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")

    with pytest.raises(ValueError, match="OTEL_TRACES_EXPORTER: must be otlp or none"):
        open_exporting("pillarbox-gateway")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No collector is at the address of the collector."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("nowhere")
def test_names_are_ours_unless_the_environment_has_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's name and version."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=of-the-operator,deployment=blue")
    exporting = open_exporting("pillarbox-gateway", "1")
    assert exporting is not None
    attributes = exporting.provider.resource.attributes
    exporting.close()

    assert ("pillarbox-gateway", "of-the-operator", "blue") == tuple(
        attributes[name] for name in ("service.name", "service.version", "deployment")
    )


@pytest.mark.usefixtures("nowhere")
def test_a_collector_that_is_away_costs_spans_and_nothing_else() -> None:
    """The end does not wait for it, and the log tells, once, in words of our own."""
    exporting = open_exporting("pillarbox-gateway")
    assert exporting is not None
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            exporting.provider.get_tracer("test").start_span("lost").end()
        hasty = Exporting(exporting.provider, exporting.exporter, patience=0.2)
        begun = time.process_time()
        hasty.close()
        logging.getLogger("opentelemetry.anything").warning("http://collector/ %s", "again")

    assert [("traces.unexported", "warning")] == [(one["event"], one["log_level"]) for one in lines]
    assert time.process_time() - begun < 2
