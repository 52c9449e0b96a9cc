"""Whether the component for traces turns them on, in both services, and what they need can be reached."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import BaseModel

from services.gateway.settings import Settings as GatewaySettings
from services.mailer.settings import Settings as MailerSettings
from tests.k8s.rendering import TRIALS, Rendered, render
from tests.k8s.workloads import selected

DOCUMENT = (Path(__file__).parents[2] / "docs" / "tracing.md").read_text()
SERVICES: dict[str, type[BaseModel]] = {"gateway": GatewaySettings, "mailer": MailerSettings}


@pytest.fixture(scope="module")
def rendered(scratch: Path) -> Rendered:
    """A cluster with traces."""
    (trial,) = (one for one in TRIALS if "components/tracing" in one.components)
    return render(trial, scratch)


@pytest.fixture(params=SERVICES)
def variables(request: pytest.FixtureRequest, rendered: Rendered) -> dict[str, str]:
    """The environment that a service gets, in which its setting is on."""
    found: dict[str, str] = rendered.one("ConfigMap", f"{request.param}-settings")["data"]
    settings = SERVICES[request.param].model_validate({"tracing": found["PILLARBOX_TRACING"]})
    assert settings.model_dump(include={"tracing"}) == {"tracing": True}
    return found


def test_every_variable_is_explained(variables: dict[str, str]) -> None:
    """In the page on traces, and what was set before is still there."""
    asked = [name for name in variables if name.startswith("OTEL_")]

    assert 3 == len(asked)
    assert not [name for name in asked if f"`{name}`" not in DOCUMENT]
    assert "9464" == variables["PILLARBOX_METRICS_PORT"]


@pytest.mark.parametrize("name", ["gateway", "mailer", "mailer-bulk"])
def test_the_collector_can_be_reached(rendered: Rendered, variables: dict[str, str], name: str) -> None:
    """At the port that it is looked for at."""
    url = urlsplit(variables["OTEL_EXPORTER_OTLP_ENDPOINT"])
    labels = {"app.kubernetes.io/name": name}
    policies = [one for one in rendered.of("NetworkPolicy") if selected(one["spec"]["podSelector"], labels)]
    ways = [
        rule
        for one in policies
        for rule in one["spec"].get("egress", ())
        if {"port": url.port} in rule.get("ports", ())
    ]

    assert "collector.monitoring" == url.hostname
    assert [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}] == [
        to for rule in ways for to in rule["to"]
    ]
