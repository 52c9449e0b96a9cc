"""Ways around in manifests: pods, containers, and what they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.k8s.rendering import Document, Rendered

WORKLOADS = ("Deployment", "StatefulSet", "Job")
_UNITS = {"": 1, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def name_of(document: Document) -> str:
    """Kind and name, for complaints."""
    return f"{document['kind']}/{document['metadata']['name']}"


def pod_of(workload: Document) -> Any:
    """The specification of a workload's pods."""
    return workload["spec"]["template"]["spec"]


def labels_of(workload: Document) -> dict[str, str]:
    """The labels of a workload's pods."""
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(rendered: Rendered) -> Iterator[tuple[Document, Any]]:
    """Every container, with its workload."""
    for workload in rendered.of(*WORKLOADS):
        pod = pod_of(workload)
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            yield workload, container


def selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector takes pods with these labels."""
    exactly = selector.get("matchLabels", {}).items() <= labels.items()
    among = (
        labels.get(one["key"]) in one["values"]
        for one in selector.get("matchExpressions", ())
        if one["operator"] == "In"
    )
    return exactly and all(among)


def quantity(text: str | int) -> float:
    """A quantity of Kubernetes, in its base unit."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


def environment(rendered: Rendered, container: Any) -> dict[str, str]:
    """What a container's process finds in its environment."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        (settings,) = [
            one
            for one in rendered.of("ConfigMap")
            if one["metadata"]["name"] == source["configMapRef"]["name"]
        ]
        found |= settings["data"]
    return found | {one["name"]: one["value"] for one in container.get("env", ())}


def secrets(rendered: Rendered) -> dict[str, dict[str, str]]:
    """Every Secret's name, and its keys with their texts, decoded or not."""
    return {
        one["metadata"]["name"]: {**one.get("data", {}), **one.get("stringData", {})}
        for one in (*rendered.of("Secret"), *rendered.secrets)
    }


def sources(volume: Any) -> Iterator[tuple[str, str, list[str]]]:
    """Kind, name and keys of what a volume is made of."""
    for source in (volume, *volume.get("projected", {}).get("sources", ())):
        for word, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
            if word in source:
                inner = source[word]
                keys = [item["key"] for item in inner.get("items", ())]
                yield kind, inner.get("secretName") or inner["name"], keys
