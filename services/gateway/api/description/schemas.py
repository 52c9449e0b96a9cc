"""The models of all calls as JSON Schema, made by pydantic from what enforces and represents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway.api.description.operation import Operation
from services.gateway.api.dialects import SendGridErrors
from services.gateway.problems import ErrorBody

SCHEMAS = "#/components/schemas/"

Use = tuple[type[BaseModel], Literal["validation", "serialization"]]


class Schemas:
    """The schemas of some operations."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        refs, definitions = models_json_schema(
            list(dict.fromkeys(_uses(operations))), ref_template=SCHEMAS + "{model}"
        )
        self._refs = refs
        self.components = _reachable(definitions["$defs"], refs.values())

    def taken(self, model: type[BaseModel]) -> dict[str, Any]:
        """Refer to what a model takes."""
        return self._refs[model, "validation"]

    def given(self, model: type[BaseModel]) -> dict[str, Any]:
        """Refer to what a model is written as."""
        return self._refs[model, "serialization"]


def _uses(operations: Iterable[Operation]) -> Iterator[Use]:
    for operation in operations:
        if operation.body is not None:
            yield operation.body.model, "validation"
        for answer in operation.answers:
            if answer.model is not None:
                yield answer.model, "serialization"
    yield from ((ErrorBody, "serialization"), (SendGridErrors, "serialization"))


def _reachable(definitions: dict[str, Any], refs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Leave out what nothing refers to: forms that a value has inside, and nobody outside sees."""
    found: dict[str, Any] = {}
    waiting = [name for ref in refs for name in _named(ref)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = definitions[name]
            waiting += _named(definitions[name])
    return dict(sorted(found.items()))


def _named(node: object) -> Iterator[str]:
    """The schemas that are referred to, anywhere below."""
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str):
            yield ref.removeprefix(SCHEMAS)
        for child in node.values():
            yield from _named(child)
    elif isinstance(node, list):
        for child in node:
            yield from _named(child)
