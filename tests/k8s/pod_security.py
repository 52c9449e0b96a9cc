"""The Pod Security Standard "restricted", and a little more.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.k8s.rendering import Rendered
from tests.k8s.workloads import WORKLOADS, containers, name_of, pod_of

_VOLUMES = {
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SHARED_WITH_THE_NODE = ("hostNetwork", "hostPID", "hostIPC")


def pods_are_restricted(rendered: Rendered) -> Iterator[str]:
    """Not root, nothing of the node's, the runtime's own filter of system calls."""
    for workload in rendered.of(*WORKLOADS):
        pod = pod_of(workload)
        security = pod.get("securityContext", {})
        wanted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        if not wanted.items() <= security.items() or not security.get("runAsUser"):
            yield f"{name_of(workload)}: {security}"
        if any(pod.get(word) for word in _SHARED_WITH_THE_NODE):
            yield f"{name_of(workload)}: shares with the node"
        kinds = {word for volume in pod.get("volumes", ()) for word in volume if word != "name"}
        if kinds - _VOLUMES:
            yield f"{name_of(workload)}: volumes of {kinds - _VOLUMES}"


def containers_are_restricted(rendered: Rendered) -> Iterator[str]:
    """No capability, no way to more rights, nothing to write to but volumes."""
    for workload, container in containers(rendered):
        security: dict[str, Any] = container.get("securityContext", {})
        wanted = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        if security != wanted:
            yield f"{name_of(workload)}: {container['name']}: {security}"
        if any("hostPort" in port for port in container.get("ports", ())):
            yield f"{name_of(workload)}: {container['name']}: a port of the node's"


def nobody_may_ask_the_cluster(rendered: Rendered) -> Iterator[str]:
    """No token of a service account, and no list of all services in the environment."""
    accounts = {one["metadata"]["name"]: one for one in rendered.of("ServiceAccount")}
    for workload in rendered.of(*WORKLOADS):
        pod = pod_of(workload)
        account = accounts.get(pod.get("serviceAccountName"), {})
        tokens = (pod.get("automountServiceAccountToken"), account.get("automountServiceAccountToken"))
        if tokens != (False, False):
            yield f"{name_of(workload)}: a token"
        if pod.get("enableServiceLinks") is not False:
            yield f"{name_of(workload)}: service links"


def namespaces_enforce_it(rendered: Rendered) -> Iterator[str]:
    """What an overlay makes a namespace for stands in it, and the cluster enforces the standard there."""
    for namespace in rendered.of("Namespace"):
        if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield name_of(namespace)
        for document in rendered.documents:
            everywhere = document["kind"] in {"Namespace", "PriorityClass"}
            if not everywhere and document["metadata"]["namespace"] != namespace["metadata"]["name"]:
                yield f"{name_of(document)}: elsewhere"


POD_SECURITY = (
    pods_are_restricted,
    containers_are_restricted,
    nobody_may_ask_the_cluster,
    namespaces_enforce_it,
)
