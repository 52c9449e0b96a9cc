"""Whether alerts and dashboard ask for figures that there are, and Prometheus may come for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.k8s.rendering import Rendered
from tests.k8s.workloads import WORKLOADS, labels_of, selected
from tests.metrics import families

ADDED = {"namespace", "pod", "le"}
"""Labels that Prometheus adds, or the kind of figure does."""


def expressions(rendered: Rendered) -> Iterator[str]:
    """Those of every alert and panel."""
    for rule in rendered.of("PrometheusRule"):
        yield from (one["expr"] for group in rule["spec"]["groups"] for one in group["rules"])
    dashboard = json.loads(rendered.one("ConfigMap", "pillarbox-dashboard")["data"]["pillarbox.json"])
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel["targets"])


@pytest.fixture
def figures() -> dict[str, list[dict[str, str]]]:
    """Labels of every sample of both services, by its name."""
    found: dict[str, list[dict[str, str]]] = {}
    for service in ("gateway", "mailer"):
        for family in families(service):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_brackets_are_closed(development: Rendered) -> None:
    """Which is what can be said of an expression without Prometheus."""
    for one in expressions(development):
        assert [one.count(bracket) for bracket in "({["] == [one.count(bracket) for bracket in ")}]"], one


def test_every_figure_that_is_asked_for_is_there(
    development: Rendered, figures: dict[str, list[dict[str, str]]]
) -> None:
    """By its very name."""
    asked = {name for one in expressions(development) for name in re.findall(r"\bpillarbox_[a-z_]+", one)}

    assert len(asked) > 10
    assert set() == asked - set(figures)


def test_they_are_asked_for_by_labels_that_they_have(
    development: Rendered, figures: dict[str, list[dict[str, str]]]
) -> None:
    """With values that they take, where one is picked out."""
    seen = 0
    for one in expressions(development):
        names = re.findall(r"\bpillarbox_[a-z_]+", one)
        kept = {label.strip() for group in re.findall(r"by \(([^)]*)\)", one) for label in group.split(",")}
        for name in names:
            assert kept - ADDED <= {label for labels in figures[name] for label in labels}, one
        for name, picked in re.findall(r"\b(pillarbox_[a-z_]+)\{([^}]*)\}", one):
            for label, value in re.findall(r'(\w+)="([^"$]*)"', picked):
                seen += 1

                assert value in {labels.get(label) for labels in figures[name]}, one
    assert seen


def test_every_process_is_asked(development: Rendered) -> None:
    """Gateways and mailers of both lanes, by the path that they serve."""
    monitors = [one for one in development.of("PodMonitor") if one["metadata"]["name"] != "rabbitmq"]
    pods = [labels_of(workload) for workload in development.of("Deployment")]
    asked = {
        labels["app.kubernetes.io/name"]
        for monitor in monitors
        for labels in pods
        if selected(monitor["spec"]["selector"], labels)
    }

    assert {"gateway", "mailer", "mailer-bulk"} == asked
    assert {("metrics", "/metrics")} == {
        (endpoint["port"], endpoint["path"])
        for monitor in monitors
        for endpoint in monitor["spec"]["podMetricsEndpoints"]
    }


def test_prometheus_alone_reaches_the_figures(development: Rendered) -> None:
    """From its own namespace, and nothing but them."""
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    for workload in development.of(*WORKLOADS):
        if workload["metadata"]["name"] not in {"gateway", "mailer", "mailer-bulk"}:
            continue
        rules = [
            rule
            for policy in development.of("NetworkPolicy")
            if selected(policy["spec"]["podSelector"], labels_of(workload))
            for rule in policy["spec"].get("ingress", ())
        ]

        assert [[where]] == [rule["from"] for rule in rules if {"port": "metrics"} in rule["ports"]]
        assert [[{"port": "metrics"}]] == [rule["ports"] for rule in rules if where in rule.get("from", ())]
