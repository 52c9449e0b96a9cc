"""Whether alerts and dashboard ask for figures that there are, and Prometheus may come for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s.rendering import Rendered
from tests.k8s.workloads import WORKLOADS, labels_of, selected
from tests.metrics import families
from tests.servers.packages import UnavailableError, program, require

# Alert, the labels that it keeps, and figures of a bad and of a good day: what they begin with, and their
# growth in a minute.
DAYS: list[tuple[str, dict[str, str], dict[str, str], dict[str, str]]] = [
    (
        "PillarboxMailLate",
        {},
        {'pillarbox_lane_oldest_seconds{lane="transactional"}': "0+60"},
        {
            'pillarbox_lane_oldest_seconds{lane="transactional"}': "2+0",
            'pillarbox_lane_oldest_seconds{lane="bulk"}': "0+60",
        },
    ),
    (
        "PillarboxGivenUp",
        {},
        {
            'pillarbox_messages_given_up_total{event="failed"}': "0+10",
            'pillarbox_messages_accepted_total{lane="bulk"}': "0+100",
        },
        {
            'pillarbox_messages_given_up_total{event="failed"}': "0+1",
            'pillarbox_messages_accepted_total{lane="bulk"}': "0+100",
        },
    ),
    (
        "PillarboxSlowToAccept",
        {},
        {
            'pillarbox_request_seconds_bucket{route="POST /emails",le="1"}': "0+90",
            'pillarbox_request_seconds_bucket{route="POST /emails",le="2.5"}': "0+100",
            'pillarbox_request_seconds_bucket{route="POST /emails",le="+Inf"}': "0+100",
        },
        {
            'pillarbox_request_seconds_bucket{route="POST /emails",le="1"}': "0+100",
            'pillarbox_request_seconds_bucket{route="POST /emails",le="2.5"}': "0+100",
            'pillarbox_request_seconds_bucket{route="POST /emails",le="+Inf"}': "0+100",
        },
    ),
    (
        "PillarboxCircuitOpen",
        {"account": "postmark"},
        {'pillarbox_account_circuit{account="postmark"}': "2+0"},
        {'pillarbox_account_circuit{account="postmark"}': "1+0"},
    ),
    (
        "PillarboxDeadLettersCome",
        {"reason": "rejected"},
        {'pillarbox_dead_letters_seen_total{reason="rejected"}': "0+1"},
        {'pillarbox_dead_letters_seen_total{reason="rejected"}': "7+0"},
    ),
    (
        "PillarboxBrokerAway",
        {},
        {
            'pillarbox_broker_connected{line="relay"}': "0+0",
            'pillarbox_broker_connected{line="dispatch"}': "1+0",
        },
        {'pillarbox_broker_connected{line="relay"}': "1+0"},
    ),
]

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


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' own tool; on a laptop that has none, what needs it is skipped."""
    try:
        require("prometheus")
    except UnavailableError as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))
    found = program("promtool")
    assert found is not None
    return found


def run(*command: object) -> tuple[int, str]:
    """Run a program; return its exit status and what it said."""
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=60)
    return result.returncode, result.stdout + result.stderr


def test_prometheus_understands_every_expression(
    development: Rendered, promtool: Path, tmp_path: Path
) -> None:
    """Those of alerts as they are, and those of panels once Grafana has put its variables in."""
    (rule,) = development.of("PrometheusRule")
    panels = [
        {"record": f"panel:{number}", "expr": one.replace("$namespace", "pillarbox")}
        for number, one in enumerate(expressions(development))
    ]
    groups = [*rule["spec"]["groups"], {"name": "panels", "rules": panels}]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    status, said = run(promtool, "check", "rules", file)

    assert 0 == status, said
    assert f"{len(panels) + len(rule['spec']['groups'][0]['rules'])} rules found" in said


def test_alerts_are_raised_when_they_should_be(development: Rendered, promtool: Path, tmp_path: Path) -> None:
    """Each by figures of a bad day; none of them by those of a good one."""
    (rule,) = development.of("PrometheusRule")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": rule["spec"]["groups"]}))
    told = {one["alert"]: one for group in rule["spec"]["groups"] for one in group["rules"]}
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": series.replace("{", '{namespace="a",'), "values": f"{values}x60"}
                for series, values in figures.items()
            ],
            "alert_rule_test": [
                {
                    "eval_time": "50m",
                    "alertname": name,
                    "exp_alerts": [expected(told[name], labels)] if is_bad else [],
                }
            ],
        }
        for name, labels, *days in DAYS
        for is_bad, figures in zip((True, False), days, strict=True)
    ]
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    status, said = run(promtool, "test", "rules", file)

    assert 0 == status, said


def expected(rule: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """An alert as it should be raised."""
    return {
        "exp_labels": {"namespace": "a", **labels, **rule["labels"]},
        "exp_annotations": rule["annotations"],
    }


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
