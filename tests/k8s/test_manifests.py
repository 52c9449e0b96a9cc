"""What must hold of every overlay and of components put together; and whether it is noticed if not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.k8s.invariants import INVARIANTS, Invariant
from tests.k8s.pod_security import POD_SECURITY
from tests.k8s.rendering import DEV, MANIFESTS, PRODUCTION, TRIALS, Rendered, render
from tests.k8s.workloads import pod_of

EVERYTHING = (*INVARIANTS, *POD_SECURITY)
BY_NAME = {invariant.__name__: invariant for invariant in EVERYTHING}


def test_all_is_well(rendered: Rendered) -> None:
    """Whatever is applied together."""
    assert [] == [complaint for invariant in EVERYTHING for complaint in invariant(rendered)]


def test_every_folder_is_tried() -> None:
    """No component is forgotten."""
    tried = {folder for trial in TRIALS for folder in (*trial.resources, *trial.components)}
    through_overlays = {DEV, PRODUCTION, *(f"components/{name}" for name in ("network-policies-inside",))}
    there = {
        path.parent.relative_to(MANIFESTS).as_posix() for path in MANIFESTS.glob("*/*/kustomization.yaml")
    }

    assert {path for path in there if not path.startswith("base/")} <= tried | through_overlays


def test_there_is_one_kind_per_file() -> None:
    """But for the example of Secrets."""
    several = [path.name for path in MANIFESTS.rglob("*.yaml") if path.read_text().count("\nkind:") > 1]

    assert ["example-secrets.yaml"] == several


def container(document: Any) -> Any:
    """The first container of a workload."""
    return pod_of(document)["containers"][0]


BREAKS: list[tuple[str, str, str, Callable[[Any], object]]] = [
    ("replicas_are_left_to_others", "Deployment", "mailer", lambda d: d["spec"].update(replicas=2)),
    (
        "selectors_find_pods",
        "Deployment",
        "mailer",
        lambda d: d["spec"]["template"]["metadata"]["labels"].update({"app.kubernetes.io/name": "mail"}),
    ),
    ("selectors_find_pods", "Service", "gateway", lambda d: d["spec"]["selector"].update(app="gateway")),
    (
        "selectors_find_pods",
        "PodDisruptionBudget",
        "gateway",
        lambda d: d["spec"]["selector"]["matchLabels"].update(app="gateway"),
    ),
    (
        "policies_name_pods_and_ports",
        "NetworkPolicy",
        "postgres",
        lambda d: d["spec"]["podSelector"]["matchLabels"].update(app="database"),
    ),
    (
        "policies_name_pods_and_ports",
        "NetworkPolicy",
        "rabbitmq",
        lambda d: d["spec"]["ingress"][0]["ports"][0].update(port="amqps"),
    ),
    ("named_ports_are_there", "Service", "gateway", lambda d: d["spec"]["ports"][0].update(targetPort="web")),
    (
        "probes_ask_a_port",
        "Deployment",
        "gateway",
        lambda d: container(d)["livenessProbe"]["httpGet"].update(port="web"),
    ),
    (
        "probes_ask_a_port",
        "Deployment",
        "gateway",
        lambda d: container(d)["livenessProbe"].update(tcpSocket={"port": "http"}),
    ),
    (
        "volumes_are_mounted",
        "Deployment",
        "mailer",
        lambda d: container(d)["volumeMounts"].append({"name": "cache", "mountPath": "/cache"}),
    ),
    (
        "what_is_named_is_there",
        "Job",
        "migration-0-4-0",
        lambda d: pod_of(d)["volumes"][0]["projected"]["sources"][0]["secret"]["items"][0].update(key="URL"),
    ),
    (
        "what_is_named_is_there",
        "TriggerAuthentication",
        "rabbitmq",
        lambda d: d["spec"]["secretTargetRef"][0].update(name="keda-rabbitmq-5f2kd8m9t4"),
    ),
    ("who_is_named_is_there", "Deployment", "mailer", lambda d: pod_of(d).update(serviceAccountName="root")),
    (
        "scalers_have_targets",
        "ScaledObject",
        "mailer",
        lambda d: d["spec"]["scaleTargetRef"].update(name="mailers"),
    ),
    (
        "scalers_have_targets",
        "ScaledObject",
        "mailer",
        lambda d: d["spec"]["scaleTargetRef"].update(name="gateway"),
    ),
    (
        "jobs_stay_as_they_are",
        "Job",
        "migration-0-4-0",
        lambda d: pod_of(d)["volumes"][0]["projected"]["sources"][0]["secret"].update(
            name="gateway-secrets-h4t8m2k9fd"
        ),
    ),
    ("disruptions_are_bounded", "PodDisruptionBudget", "mailer", lambda d: d["spec"].update(minAvailable=1)),
    ("resources_are_bounded", "Deployment", "mailer", lambda d: container(d)["resources"].update(limits={})),
    ("images_have_a_version", "Deployment", "mailer", lambda d: container(d).update(image="mailer:latest")),
    ("kubernetes_expands_nothing", "Deployment", "mailer", lambda d: container(d).update(args=["$(SLOTS)"])),
    ("pods_are_restricted", "Deployment", "mailer", lambda d: pod_of(d).update(hostPID=True)),
    (
        "pods_are_restricted",
        "Deployment",
        "mailer",
        lambda d: pod_of(d)["securityContext"].pop("runAsNonRoot"),
    ),
    (
        "containers_are_restricted",
        "Deployment",
        "mailer",
        lambda d: container(d)["securityContext"].update(privileged=True),
    ),
    (
        "nobody_may_ask_the_cluster",
        "Deployment",
        "mailer",
        lambda d: pod_of(d).pop("automountServiceAccountToken"),
    ),
    ("namespaces_enforce_it", "Namespace", "pillarbox-dev", lambda d: d["metadata"]["labels"].clear()),
]


@pytest.mark.parametrize(
    ("name", "kind", "which", "spoil"),
    BREAKS,
    ids=[f"{number}-{one[0]}" for number, one in enumerate(BREAKS)],
)
def test_what_is_amiss_is_found(
    scratch: Path, name: str, kind: str, which: str, spoil: Callable[[Any], object]
) -> None:
    """One thing is spoiled, and the invariant about it complains."""
    (trial,) = [
        trial for trial in TRIALS if trial.resources == (DEV,) and "components/keda" in trial.components
    ]
    good = render(trial, scratch)
    spoiled = Rendered(copy.deepcopy(good.documents), good.secrets)
    spoil(spoiled.one(kind, which))
    invariant: Invariant = BY_NAME[name]

    assert list(invariant(spoiled))


def test_every_invariant_can_complain() -> None:
    """Each of them is spoiled once; that of unique names is kustomize's own."""
    assert {*BY_NAME} - {"names_are_unique"} == {one[0] for one in BREAKS}
