"""Whether docs/metrics.md and the services tell of the same figures, in words that give nobody away."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import Metric

from tests.metrics import families

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(pillarbox_\w+)` \| (\w+) \| ([^|]*?) ?\| (.+) \|$", re.MULTILINE)
WORDS = frozenset(
    {
        *("account", "during", "event", "generation", "kind", "lane", "line"),
        *("outcome", "problem", "reason", "route", "status", "step", "way"),
    }
)
"""What may be a label; ``reason`` is RabbitMQ's word, and ``generation`` the garbage collector's."""
PROCESS = {"implementation", "major", "minor", "patchlevel", "version"}
ROUTE = r"[A-Z]+ /[a-z0-9/{}_-]+|other"
LONGEST = 40


@pytest.fixture(scope="module", params=["gateway", "mailer"])
def service(request: pytest.FixtureRequest) -> str:
    """One of the two."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def told(service: str) -> Mapping[str, Metric]:
    """What it tells, by the name that Prometheus keeps it under."""
    return {one.name + "_total" * (one.type == "counter"): one for one in families(service)}


def rows(service: str) -> dict[str, tuple[str, list[str]]]:
    """Type and labels of each figure in the table of a service."""
    chapter = DOCUMENT.partition(f"## {service.title()}\n")[2].partition("\n## ")[0]
    return {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels, _ in ROW.findall(chapter)}


def test_every_figure_is_in_the_table_and_every_one_of_the_table_is_told(
    service: str, told: Mapping[str, Metric]
) -> None:
    """With its type."""
    kinds = {name: one.type for name, one in told.items() if name.startswith("pillarbox_")}

    assert {name: kind for name, (kind, _) in rows(service).items()} == kinds


def test_labels_are_those_of_the_table(service: str, told: Mapping[str, Metric]) -> None:
    """Of every series, from the start."""
    for name, (_, labels) in rows(service).items():
        found = {tuple(label for label in one.labels if label != "le") for one in told[name].samples}

        assert {tuple(labels)} == found, name


def test_labels_are_words(told: Mapping[str, Metric]) -> None:
    """Nothing that grows with what is sent, or says of whom it is."""
    for name, one in told.items():
        for sample in one.samples:
            for label, value in sample.labels.items():
                assert label in {*WORDS, *PROCESS, "le"}, name
                pattern = ROUTE if label == "route" else r"[a-z0-9_]+"
                assert label in {*PROCESS, "le"} or re.fullmatch(pattern, value), (name, value)
                assert len(value) <= LONGEST, (name, value)


def test_everything_is_explained(told: Mapping[str, Metric]) -> None:
    """In the exposition itself, and the process' figures by name in the document."""
    assert not [name for name, one in told.items() if not one.documentation]
    assert not [name for name in told if f"`{name}`" not in DOCUMENT]
