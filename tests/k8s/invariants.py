"""What must hold of everything that is applied together; each says what it finds amiss.

Schemas know fields.  They do not know that a selector finds nothing, that a probe asks a port that is not
there, or that a Secret lacks a key; most of it a cluster takes without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from tests.k8s.rendering import Document, Rendered
from tests.k8s.workloads import (
    WORKLOADS,
    containers,
    labels_of,
    name_of,
    pod_of,
    quantity,
    secrets,
    selected,
    sources,
)

Invariant = Callable[[Rendered], Iterator[str]]
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def names_are_unique(rendered: Rendered) -> Iterator[str]:
    """Nothing is there twice."""
    counted = Counter(map(name_of, rendered.documents))
    yield from (f"{name}: {count} times" for name, count in counted.items() if count > 1)


def replicas_are_left_to_others(rendered: Rendered) -> Iterator[str]:
    """No manifest says how many, or applying it again would undo ``kubectl scale``."""
    for workload in rendered.of("Deployment", "StatefulSet"):
        if "replicas" in workload["spec"]:
            yield f"{name_of(workload)}: replicas"


def selectors_find_pods(rendered: Rendered) -> Iterator[str]:
    """Everything that selects pods selects some; a workload, its own and nobody else's."""
    pods = [labels_of(workload) for workload in rendered.of(*WORKLOADS)]
    for workload in rendered.of("Deployment", "StatefulSet"):
        found = [labels for labels in pods if selected(workload["spec"]["selector"], labels)]
        if found != [labels_of(workload)]:
            yield f"{name_of(workload)}: selects {found}"
        for spread in pod_of(workload).get("topologySpreadConstraints", ()):
            if not selected(spread["labelSelector"], labels_of(workload)):
                yield f"{name_of(workload)}: is spread among others"
    for service in rendered.of("Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        if len([labels for labels in pods if selected(selector, labels)]) != 1:
            yield f"{name_of(service)}: does not select one workload"
    for other in rendered.of("PodDisruptionBudget", "PodMonitor"):
        if not any(selected(other["spec"]["selector"], labels) for labels in pods):
            yield f"{name_of(other)}: selects nothing"


def policies_name_pods_and_ports(rendered: Rendered) -> Iterator[str]:
    """A policy about pods or ports that are not there guards nothing, or opens nothing."""
    workloads = rendered.of(*WORKLOADS)
    for policy in rendered.of("NetworkPolicy"):
        spec = policy["spec"]
        mine = [one for one in workloads if selected(spec["podSelector"], labels_of(one))]
        if not mine:
            yield f"{name_of(policy)}: is about nobody"
        for way, peers in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(way, ()):
                others = [
                    one
                    for peer in rule.get(peers, ())
                    if "podSelector" in peer and "namespaceSelector" not in peer
                    for one in workloads
                    if selected(peer["podSelector"], labels_of(one))
                ]
                if any("podSelector" in peer for peer in rule.get(peers, ())) and not others:
                    yield f"{name_of(policy)}: {way} names nobody"
                for port in rule["ports"]:
                    named = isinstance(port["port"], str)
                    if named and port["port"] not in _ports(mine if way == "ingress" else others):
                        yield f"{name_of(policy)}: {way} to no port {port['port']}"


def probes_ask_a_port(rendered: Rendered) -> Iterator[str]:
    """One that is there, or run a program; and each asks in one way."""
    for workload, container in containers(rendered):
        mine = {port["name"] for port in container.get("ports", ())}
        for probe in (container[word] for word in _PROBES if word in container):
            ways = [probe[way] for way in ("httpGet", "tcpSocket", "exec", "grpc") if way in probe]
            if len(ways) != 1 or ways[0].get("port", next(iter(mine), None)) not in {*mine, None}:
                yield f"{name_of(workload)}: {container['name']}: a probe of {ways}"


def named_ports_are_there(rendered: Rendered) -> Iterator[str]:
    """Of services, monitors and the ingress."""
    workloads = rendered.of(*WORKLOADS)
    for service in rendered.of("Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        ports = _ports([one for one in workloads if selected(selector, labels_of(one))])
        if missing := [p["targetPort"] for p in service["spec"]["ports"] if p["targetPort"] not in ports]:
            yield f"{name_of(service)}: no ports {missing}"
    for monitor in rendered.of("PodMonitor"):
        ports = _ports([one for one in workloads if selected(monitor["spec"]["selector"], labels_of(one))])
        if missing := [p["port"] for p in monitor["spec"]["podMetricsEndpoints"] if p["port"] not in ports]:
            yield f"{name_of(monitor)}: no ports {missing}"
    known = {
        (service["metadata"]["name"], port["name"])
        for service in rendered.of("Service")
        for port in service["spec"]["ports"]
    }
    for ingress in rendered.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for backend in (path["backend"]["service"] for path in rule["http"]["paths"]):
                if (backend["name"], backend["port"]["name"]) not in known:
                    yield f"{name_of(ingress)}: no {backend}"


def volumes_are_mounted(rendered: Rendered) -> Iterator[str]:
    """Every mount has its volume, and every volume a mount."""
    for workload in rendered.of(*WORKLOADS):
        claims = workload["spec"].get("volumeClaimTemplates", ())
        volumes = {volume["name"] for volume in pod_of(workload).get("volumes", ())}
        volumes |= {claim["metadata"]["name"] for claim in claims}
        mounted = {
            mount["name"]
            for owner, container in containers(rendered)
            if owner is workload
            for mount in container.get("volumeMounts", ())
        }
        if volumes != mounted:
            yield f"{name_of(workload)}: {sorted(volumes ^ mounted)}"


def what_is_named_is_there(rendered: Rendered) -> Iterator[str]:
    """Secrets and settings, with the keys that are asked for."""
    there = {("Secret", name): set(keys) for name, keys in secrets(rendered).items()}
    there |= {("ConfigMap", one["metadata"]["name"]): set(one["data"]) for one in rendered.of("ConfigMap")}
    for workload, container in containers(rendered):
        named = [source for volume in pod_of(workload).get("volumes", ()) for source in sources(volume)]
        named += [("ConfigMap", one["configMapRef"]["name"], []) for one in container.get("envFrom", ())]
        for kind, name, keys in named:
            if missing := set(keys) - there.get((kind, name), set()):
                yield f"{name_of(workload)}: {kind}/{name} has no {missing}"
            if (kind, name) not in there:
                yield f"{name_of(workload)}: no {kind}/{name}"
    for ask in rendered.of("TriggerAuthentication"):
        for wanted in ask["spec"]["secretTargetRef"]:
            if wanted["key"] not in there.get(("Secret", wanted["name"]), ()):
                yield f"{name_of(ask)}: no {wanted}"


def who_is_named_is_there(rendered: Rendered) -> Iterator[str]:
    """Service accounts, priorities, a stateful set's service."""
    for workload in rendered.of(*WORKLOADS):
        for kind, word in (("ServiceAccount", "serviceAccountName"), ("PriorityClass", "priorityClassName")):
            wanted = pod_of(workload).get(word)
            if wanted and wanted not in {one["metadata"]["name"] for one in rendered.of(kind)}:
                yield f"{name_of(workload)}: no {kind}/{wanted}"
        if isinstance(workload["spec"].get("serviceName"), str) and not any(
            one["metadata"]["name"] == workload["spec"]["serviceName"] for one in rendered.of("Service")
        ):
            yield f"{name_of(workload)}: no Service/{workload['spec']['serviceName']}"


def scalers_have_targets(rendered: Rendered) -> Iterator[str]:
    """They are there, and nobody has two masters."""
    masters: Counter[str] = Counter()
    targets = {one["metadata"]["name"]: one for one in rendered.of("Deployment")}
    for scaler in rendered.of("HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]["name"]
        masters[target] += 1
        if target not in targets:
            yield f"{name_of(scaler)}: no Deployment/{target}"
            continue
        mine = {container["name"] for container in pod_of(targets[target])["containers"]}
        for metric in scaler["spec"].get("metrics", ()):
            if metric["containerResource"]["container"] not in mine:
                yield f"{name_of(scaler)}: no container {metric['containerResource']['container']}"
        asked = [one["authenticationRef"]["name"] for one in scaler["spec"].get("triggers", ())]
        if set(asked) - {one["metadata"]["name"] for one in rendered.of("TriggerAuthentication")}:
            yield f"{name_of(scaler)}: no TriggerAuthentication of {asked}"
    yield from (f"Deployment/{name}: {count} scalers" for name, count in masters.items() if count > 1)


def jobs_stay_as_they_are(rendered: Rendered) -> Iterator[str]:
    """A Job cannot be changed, so nothing in it may have a name that changes with its content."""
    for job in rendered.of("Job"):
        for _, name, _ in (source for volume in pod_of(job)["volumes"] for source in sources(volume)):
            if re.search(r"-[0-9a-z]{10}$", name):
                yield f"{name_of(job)}: {name}"
        if any("envFrom" in container for container in pod_of(job)["containers"]):
            yield f"{name_of(job)}: envFrom"


def disruptions_are_bounded(rendered: Rendered) -> Iterator[str]:
    """A drain goes one by one, and is never blocked for ever."""
    for budget in rendered.of("PodDisruptionBudget"):
        spec = budget["spec"]
        if spec.get("maxUnavailable") != 1 or "minAvailable" in spec:
            yield f"{name_of(budget)}: not one at a time"


def resources_are_bounded(rendered: Rendered) -> Iterator[str]:
    """Memory has a limit, the processor none; both are asked for."""
    for workload, container in containers(rendered):
        place, asked = f"{name_of(workload)}: {container['name']}", container["resources"]["requests"]
        limits = container["resources"]["limits"]
        if set(asked) != {"cpu", "memory"} or set(limits) != {"memory"}:
            yield f"{place}: {asked} {limits}"
        elif quantity(asked["memory"]) > quantity(limits["memory"]):
            yield f"{place}: asks for more memory than it may have"


def images_have_a_version(rendered: Rendered) -> Iterator[str]:
    """No image may become another one by itself."""
    for workload, container in containers(rendered):
        if not re.search(r":(?!latest$)[\w.-]+$", container["image"]):
            yield f"{name_of(workload)}: {container['image']}"


def kubernetes_expands_nothing(rendered: Rendered) -> Iterator[str]:
    """``$(…)`` with a name in it is Kubernetes' own; a shell would never see it."""
    for workload, container in containers(rendered):
        words = (*container.get("command", ()), *container.get("args", ()))
        if found := [word for word in words if re.search(r"\$\([A-Za-z_][\w.-]*\)", word)]:
            yield f"{name_of(workload)}: {found}"


def _ports(workloads: list[Document]) -> set[str]:
    return {
        port["name"]
        for workload in workloads
        for container in pod_of(workload)["containers"]
        for port in container.get("ports", ())
    }


INVARIANTS: tuple[Invariant, ...] = (
    names_are_unique,
    replicas_are_left_to_others,
    selectors_find_pods,
    policies_name_pods_and_ports,
    probes_ask_a_port,
    named_ports_are_there,
    volumes_are_mounted,
    what_is_named_is_there,
    who_is_named_is_there,
    scalers_have_targets,
    jobs_stay_as_they_are,
    disruptions_are_bounded,
    resources_are_bounded,
    images_have_a_version,
    kubernetes_expands_nothing,
)
