"""Whether ports, probes, commands, queues and times of manifests are those of the services."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from services.gateway.app import create_app
from services.gateway.settings import Settings as GatewaySettings
from services.mailer.background import BackgroundLoop
from services.mailer.health import Health
from shared.signatures import MAILER_QUEUES
from tests.k8s.processes import ours, processes
from tests.k8s.rendering import Rendered
from tests.k8s.workloads import name_of, pod_of, quantity

SLACK_SECONDS = 10
"""To write down and tell what was finished last, and to end."""


def test_the_gateway_listens_where_it_is_asked(
    overlay: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the port of the container, at every address."""
    for process in ours(overlay, "gateway"):
        settings = process.settings(monkeypatch, tmp_path / "secrets")

        ports = {port["name"]: port["containerPort"] for port in process.container["ports"]}

        assert {"http": settings.port} == {name: ports[name] for name in ports if name != "metrics"}
        assert "0.0.0.0" == settings.host


def test_figures_are_served_where_they_are_asked_for(
    overlay: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the port ``metrics`` of every container of ours that serves; the embedded pod shows none."""
    monkeypatch.chdir(tmp_path)
    for number, process in enumerate([*ours(overlay, "gateway"), *ours(overlay, "mailer")]):
        settings = process.settings(monkeypatch, tmp_path / str(number))
        ports = {port["name"]: port["containerPort"] for port in process.container.get("ports", ())}

        assert settings.metrics_port == ports.get("metrics", 0), name_of(process.workload)
        assert bool(settings.metrics_port) == (process.workload["kind"] == "Deployment")
        assert "0.0.0.0" == settings.host or not settings.metrics_port


def test_the_gateway_has_what_is_asked_for(overlay: Rendered, tmp_path: Path) -> None:
    """Every path of a probe is a route of it that needs no key."""
    app = create_app(
        GatewaySettings.model_validate(
            {"broker_url": f"filesystem://{tmp_path}/broker", "ledger_url": f"sqlite:///{tmp_path}/ledger"}
        )
    )
    routes = {
        route.resource.canonical for route in app.router.routes() if route.resource and route.method == "GET"
    }
    for process in ours(overlay, "gateway"):
        asked = {
            word: process.container[f"{word}Probe"]["httpGet"]["path"]
            for word in ("startup", "readiness", "liveness")
        }

        assert {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"} == asked
        assert set(asked.values()) <= routes


def test_the_mailers_files_are_those_of_the_probes(overlay: Rendered, tmp_path: Path) -> None:
    """In the folder that it is told of, which is in memory."""
    background = BackgroundLoop()
    health = Health(tmp_path, background, longest=1, slots=1, underway=tuple)
    health.ready()
    health.round()
    until = time.monotonic() + 5
    while not (tmp_path / "beat").exists() and time.monotonic() < until:
        time.sleep(0.01)
    written = {path.name for path in tmp_path.iterdir()}
    for process in ours(overlay, "mailer"):
        folder = process.environment["PILLARBOX_HEALTH_DIRECTORY"]
        probes = " ".join(
            word
            for kind in ("startup", "readiness", "liveness")
            for word in process.container[f"{kind}Probe"]["exec"]["command"]
        )

        assert {f"{folder}/{name}" for name in written} == set(re.findall(r"/[\w/]+(?=[ '\"]|$)", probes))
        assert "Memory" == process.mounts[folder]["emptyDir"]["medium"]


def test_every_command_is_one(overlay: Rendered) -> None:
    """The programs of the images, with options that they know."""
    for process in processes(overlay):
        if process.service == "gateway":
            migrates = ["migrate"] if process.workload["kind"] == "Job" else []

            assert ["python", "-m", "services.gateway", *migrates] == process.command
        else:
            assert ["celery", "-A", "services.mailer.worker", "worker"] == process.command[:4]
            assert "INFO" == process.options["loglevel"]


def test_each_queue_is_consumed_once(
    overlay: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each lane by its own Deployment, or all by one; webhooks beside transactional mail."""
    monkeypatch.chdir(tmp_path)
    mailers = ours(overlay, "mailer")
    consumed = sorted(queue for process in mailers for queue in process.consumes)
    webhooks = [
        process.consumes
        for number, process in enumerate(mailers)
        if process.settings(monkeypatch, tmp_path / str(number)).webhook_slots
    ]

    assert sorted(MAILER_QUEUES) == consumed
    assert len(webhooks) == 1
    assert "mailer.transactional" in webhooks[0]


def test_mailers_differ_in_what_they_consume_alone(overlay: Rendered) -> None:
    """A change to one of the two Deployments is made to the other."""
    pods = []
    for process in ours(overlay, "mailer"):
        text = (
            repr(pod_of(process.workload))
            .replace("mailer-bulk", "mailer")
            .replace("pillarbox-bulk", "pillarbox")
        )
        for word in (repr(process.command), "'env': [{'name': 'PILLARBOX_WEBHOOK_SLOTS', 'value': '0'}], "):
            text = text.replace(word, "")
        pods.append(text)

    assert len(set(pods)) == 1


def test_nobody_is_killed_while_it_finishes(
    overlay: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grace is longer than what the settings let a drain take."""
    monkeypatch.chdir(tmp_path)
    for number, process in enumerate([*ours(overlay, "gateway"), *ours(overlay, "mailer")]):
        settings = process.settings(monkeypatch, tmp_path / str(number))
        if process.service == "gateway":
            drain = settings.drain_timeout_seconds
        else:
            drain = max(settings.attempt_deadline_seconds, settings.webhook_deadline_seconds)
        before = process.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        grace = pod_of(process.workload)["terminationGracePeriodSeconds"]

        assert before + drain + SLACK_SECONDS <= grace, name_of(process.workload)


def test_a_starting_mailer_hears_that_it_is_to_stop(overlay: Rendered) -> None:
    """It is not PID 1, which ignores SIGTERM until it has a handler."""
    for process in ours(overlay, "mailer"):
        assert pod_of(process.workload)["shareProcessNamespace"], name_of(process.workload)


def test_memory_is_enough_for_what_is_held(
    overlay: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies under way, twice (as they came and as they were read), and the process itself."""
    for process in ours(overlay, "gateway"):
        settings = process.settings(monkeypatch, tmp_path / "secrets")
        limit = quantity(process.container["resources"]["limits"]["memory"])

        assert 2 * settings.in_flight_limit_bytes + 100e6 < limit
