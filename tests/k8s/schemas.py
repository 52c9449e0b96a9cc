"""The schemas of Kubernetes, in the strict form in which an unknown field is an error."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from tests.k8s.rendering import Document

VERSIONS = ("1.30.0", "1.33.0", "1.37.0")
"""The oldest with preStop's ``sleep`` switched on, and two newer ones."""


def _object(required: str, optional: str = "", **known: Any) -> dict[str, Any]:
    names = {name: known.get(name, True) for name in (*required.split(), *optional.split())}
    return {
        "type": "object",
        "properties": names,
        "required": required.split(),
        "additionalProperties": False,
    }


def _listed(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": of}


_FOREIGN = {
    # https://keda.sh/docs/latest/reference/scaledobject-spec/
    "ScaledObject": _object(
        "scaleTargetRef maxReplicaCount triggers",
        "minReplicaCount fallback advanced",
        scaleTargetRef=_object("name"),
        fallback=_object("failureThreshold replicas", "behavior"),
        advanced=_object("horizontalPodAutoscalerConfig"),
        triggers=_listed(
            _object(
                "type metadata authenticationRef",
                metadata=_object("protocol queueName mode value"),  # scalers/rabbitmq-queue
                authenticationRef=_object("name"),
            )
        ),
    ),
    "TriggerAuthentication": _object(
        "secretTargetRef", secretTargetRef=_listed(_object("parameter name key"))
    ),
    # https://prometheus-operator.dev/docs/api-reference/api/
    "PodMonitor": _object(
        "selector podMetricsEndpoints", podMetricsEndpoints=_listed(_object("port path", "interval params"))
    ),
    "PrometheusRule": _object(
        "groups",
        groups=_listed(_object("name rules", rules=_listed(_object("alert expr for labels annotations")))),
    ),
}
"""What we use of kinds that are not Kubernetes' own, and whose schemas come with no package."""


def faults(document: Document, version: str) -> Iterator[str]:
    """What is wrong with a document in a version of Kubernetes."""
    for error in _validator(document["apiVersion"], document["kind"], version).iter_errors(document):
        yield f"{document['kind']} {document['metadata']['name']}: {error.json_path}: {error.message}"


@cache
def _validator(api: str, kind: str, version: str) -> Draft202012Validator:
    if kind in _FOREIGN:
        return Draft202012Validator(_object("apiVersion kind metadata spec", spec=_FOREIGN[kind]))
    group, _, number = api.rpartition("/")
    name = "-".join(part for part in (kind.lower(), group.split(".")[0], number) if part)
    schema = schema_contents(f"kubernetes-json-schema/v{version}-local-strict/{name}.json", version)
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    path = f"kubernetes-json-schema/v{version}-local-strict/_definitions.json"
    registry: Registry[Any] = Registry()
    return Resource.from_contents(schema_contents(path, version)) @ registry
