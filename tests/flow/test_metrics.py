"""What Prometheus is told of a few messages, by the processes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.flow.conftest import build
from tests.flow.system import EMAIL, System, until
from tests.servers.server import free_port

CANARY = "canary.recipient@example.org"


@dataclass(frozen=True)
class Figures:
    """What stands at a service's second port."""

    port: int

    def text(self) -> str:
        """As it is served."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}/metrics")
        assert 200 == answer.status_code
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return answer.text

    def of(self, name: str, **labels: str) -> float:
        """One figure."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == name and sample.labels == labels
        ]
        assert 1 == len(found), (name, labels)
        return found[0]


@dataclass(frozen=True)
class Watched:
    """A system, and both expositions."""

    system: System
    gateway: Figures
    mailer: Figures
    ids: list[str]


@pytest.fixture(scope="module")
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Three messages were accepted and delivered, and one request was refused."""
    gateway, mailer = Figures(free_port()), Figures(free_port())
    with build(request, "embedded-sqlite", tmp_path_factory.mktemp("flow"), {}) as system:
        system.gateway.environment["PILLARBOX_METRICS_PORT"] = str(gateway.port)
        system.start(mailers=0)
        system.add_mailer(settings={"PILLARBOX_METRICS_PORT": str(mailer.port)})
        ids = [system.accept({**EMAIL, "to": CANARY}) for _ in range(3)]
        assert 422 == system.post({**EMAIL, "to": "nobody"}).status_code
        system.wait_until_final(ids, 60)
        yield Watched(system, gateway, mailer, ids)


def test_what_was_accepted_and_refused_is_counted(watched: Watched) -> None:
    """By lane, and by the problem's name; nothing else was refused."""
    told = watched.gateway

    assert 3 == told.of("pillarbox_messages_accepted_total", lane="transactional")
    assert 0 == told.of("pillarbox_messages_accepted_total", lane="bulk")
    assert 1 == told.of("pillarbox_requests_refused_total", problem="validation_error")
    assert 0 == told.of("pillarbox_requests_refused_total", problem="rate_limit_exceeded")


def test_commits_and_confirms_are_measured(watched: Watched) -> None:
    """Each message is in one group and confirmed once, and none is left in the relay."""
    told = watched.gateway

    assert 3 == told.of("pillarbox_commit_messages_sum")
    assert 1 <= told.of("pillarbox_commit_seconds_count") <= 3
    assert 3 == told.of("pillarbox_relay_confirmed_total")
    assert 0 < told.of("pillarbox_relay_lag_seconds_sum") < 30
    assert 0 == told.of("pillarbox_relay_held_messages") == told.of("pillarbox_relay_oldest_seconds")


def test_what_is_delivered_is_counted(watched: Watched) -> None:
    """By account and outcome, with the claims and the slots that it took."""
    told = watched.mailer

    assert 3 == told.of("pillarbox_attempts_total", account="outbox", outcome="accepted")
    assert 0 == told.of("pillarbox_attempts_total", account="outbox", outcome="uncertain")
    assert 3 == told.of("pillarbox_attempt_seconds_count", account="outbox")
    assert 1 <= told.of("pillarbox_claim_seconds_count", step="take") <= 3
    assert 1 <= told.of("pillarbox_claim_seconds_count", step="settle") <= 3
    until(lambda: not told.of("pillarbox_slots_busy", lane="transactional"), 10, "the slots to be free")


def test_events_are_counted_where_they_leave_and_where_they_arrive(watched: Watched) -> None:
    """As many."""
    until(
        lambda: 3 == watched.gateway.of("pillarbox_events_recorded_total", event="sent"), 10, "all to arrive"
    )

    assert 3 == watched.mailer.of("pillarbox_events_reported_total", event="sent")
    assert 3 == watched.mailer.of("pillarbox_events_reported_total", event="sending")
    assert 1 <= watched.gateway.of("pillarbox_recording_seconds_count")


def test_gauges_tell_how_it_is_now(watched: Watched) -> None:
    """The broker is there, the account well and without a limit, and nobody is at work."""
    assert 1 == watched.gateway.of("pillarbox_broker_connected", line="relay")
    assert 0 == watched.gateway.of("pillarbox_requests_in_flight")
    assert 0 == watched.mailer.of("pillarbox_account_circuit", account="outbox")
    assert float("inf") == watched.mailer.of("pillarbox_account_limit_per_second", account="outbox")
    assert 0 == watched.mailer.of("pillarbox_lane_paused", lane="transactional")
    assert 0 < watched.mailer.of("process_resident_memory_bytes")


def test_the_public_port_has_no_figures(watched: Watched) -> None:
    """With a key or without, and the second port has nothing else."""
    path = f"http://127.0.0.1:{watched.system.port}/metrics"

    assert 404 == watched.system.client.get("/metrics").status_code
    assert 404 == httpx.get(path).status_code
    assert 404 == httpx.get(f"http://127.0.0.1:{watched.gateway.port}/emails").status_code


def test_nobody_is_given_away(watched: Watched) -> None:
    """Neither recipient nor message, neither key nor subject."""
    text = watched.gateway.text() + watched.mailer.text()

    for secret in (CANARY, "example.com", watched.system.key, EMAIL["subject"], *watched.ids):
        assert secret not in text
