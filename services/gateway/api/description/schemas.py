"""The models of all calls as JSON Schema, made by pydantic from what enforces and represents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from services.gateway.api.description.operation import Operation
from services.gateway.api.dialects import SendGridErrors
from services.gateway.problems import ErrorBody

Use = tuple[type[BaseModel], Literal["validation", "serialization"]]


class _Untitled(GenerateJsonSchema):
    """Without titles, which would only repeat the fields' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - for no schema
        return False


class Schemas:
    """The schemas of some operations."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        uses = list(dict.fromkeys(_uses(operations)))
        self._refs, definitions = models_json_schema(
            uses, ref_template="#/components/schemas/{model}", schema_generator=_Untitled
        )
        self.components: dict[str, Any] = definitions["$defs"]

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
