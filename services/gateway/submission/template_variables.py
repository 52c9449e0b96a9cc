"""Data for a template, as callers send it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue
from typing_extensions import TypeAliasType

from services.gateway.submission.texts import NO_NUL, Body, names
from services.gateway.templating import NUMBER


def _none_is_empty(variables: object) -> object:
    return {} if variables is None else variables


_NAMES = names(pattern=NO_NUL)
_Number = Annotated[float, Field(gt=-NUMBER, lt=NUMBER)]
TemplateValue = TypeAliasType(
    "TemplateValue",
    "bool | _Number | Body | list[TemplateValue] | Annotated[dict[str, TemplateValue], _NAMES] | None",
)
"""JSON without huge numbers and U+0000, as the description has it; size and depth are bounded, too."""

TemplateVariables = Annotated[
    dict[str, JsonValue],
    BeforeValidator(
        _none_is_empty,
        json_schema_input_type=Annotated[dict[str, TemplateValue], _NAMES] | None,
    ),
]
"""Variables by their names."""
