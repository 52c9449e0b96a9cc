"""Whether a cluster would take the manifests: Kubernetes' own schemas, strictly."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from tests.k8s.rendering import TRIALS, Rendered, render
from tests.k8s.schemas import VERSIONS, faults


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(version: str, scratch: Path) -> None:
    """In several versions of Kubernetes, each document once."""
    documents = {repr(one): one for trial in TRIALS for one in render(trial, scratch).documents}

    assert [] == [fault for document in documents.values() for fault in faults(document, version)]


@pytest.mark.parametrize(
    ("kind", "path", "misspelled"),
    [
        ("Deployment", ("spec",), "stratergy"),
        ("Deployment", ("spec", "template", "spec"), "serviceAccount_name"),
        ("Deployment", ("spec", "template", "spec", "containers", 0), "livenesProbe"),
        (
            "Deployment",
            ("spec", "template", "spec", "containers", 0, "securityContext"),
            "readOnlyRootFileSystem",
        ),
        ("Job", ("spec", "template", "spec", "volumes", 0, "projected"), "source"),
        ("StatefulSet", ("spec",), "volumeClaimTemplate"),
        ("Job", ("spec",), "ttlSecondsAfterFinish"),
        ("HorizontalPodAutoscaler", ("spec", "behavior"), "scaledown"),
        ("PodDisruptionBudget", ("spec",), "maxUnavailble"),
        ("NetworkPolicy", ("spec",), "policyType"),
        ("Service", ("spec", "ports", 0), "targetport"),
        ("Ingress", ("spec",), "ingressClass"),
        ("ConfigMap", (), "stringData"),
        ("ScaledObject", ("spec",), "maxReplicas"),
        ("ScaledObject", ("spec", "triggers", 0, "metadata"), "queue"),
        ("TriggerAuthentication", ("spec", "secretTargetRef", 0), "secret"),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0), "targetPath"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0), "summary"),
    ],
)
def test_a_misspelled_field_is_found(
    development: Rendered, kind: str, path: tuple[str | int, ...], misspelled: str
) -> None:
    """Wherever it stands."""
    document = copy.deepcopy(development.of(kind)[0])
    place = document
    for step in path:
        place = place[step]  # type: ignore[index]
    place[misspelled] = 1

    assert any(misspelled in fault for fault in faults(document, VERSIONS[-1]))


def test_a_wrong_type_is_found(development: Rendered) -> None:
    """A text for a number."""
    document = copy.deepcopy(development.of("Deployment")[0])
    document["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = "45"

    assert list(faults(document, VERSIONS[0]))


def test_a_missing_field_is_found(development: Rendered) -> None:
    """A workload without a selector."""
    document = copy.deepcopy(development.of("Deployment")[0])
    del document["spec"]["selector"]

    assert list(faults(document, VERSIONS[0]))


def test_an_unknown_kind_is_no_silence(development: Rendered) -> None:
    """What no schema is known for is an error, not a warning."""
    document = {**development.of("Deployment")[0], "apiVersion": "apps/v1beta1"}

    with pytest.raises(FileNotFoundError):
        list(faults(document, VERSIONS[0]))
