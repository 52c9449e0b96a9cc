"""From the bytes of a request to a model of the public API, or to a problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, from_json

from services.gateway.problems import FieldError, Problem, invalid_fields, invalid_json
from services.gateway.submission import limits

_Model = TypeVar("_Model", bound=BaseModel)

# A key that the caller invented is repeated only if it can be neither an address nor a text.
_PLAIN_KEY = re.compile(r"[\w.-]{1,64}", re.ASCII)

# Each unknown field makes an error, and a body has room for a million: a second's work for nothing.
_FIELDS = 64

_MISSING = {"missing", "body_missing"}
_REFUSED = {
    "path": "is not supported, nothing is fetched from elsewhere: put the file into content, in base64",
}

_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this call",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "too_short": "must hold at least {min_length} address",
    "tuple_type": "must be an array",
    "dict_type": "must be an object",
    "none_required": "is not supported, and may only be null",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
}


NOTHING: Final[dict[str, Any]] = {"default_factory": dict, "json_schema_extra": {"default": {}}}
"""How a field says that it is an empty object by default: of one that was given pydantic would make a deep
copy each time, which costs more than most validations."""


class Submission(BaseModel):
    """What a caller sends: no unknown fields, and nothing of it in an error, since errors are logged."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: object) -> object:
        limits.at_most(_FIELDS, value, "fields")
        return value


def parse(body: bytes) -> Any:
    """Parse *body* as JSON.

    Raises:
        Problem: 400 if it is none.
    """
    try:
        # As fast as ``model_validate_json``, and lets a validator count before pydantic looks inside.
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise invalid_json(str(error)) from None


def read(model: type[_Model], body: bytes, *, context: Mapping[str, Any] | None = None) -> _Model:
    """Parse *body* as JSON and validate it; *context* holds limits that settings may change.

    Raises:
        Problem: 400 if it is no JSON, 422 with every failing field if it is not what *model* takes.
    """
    return validate(model, parse(body), context=context)


def validate(model: type[_Model], value: object, *, context: Mapping[str, Any] | None = None) -> _Model:
    """Validate what :func:`parse` returned, or a part of it.

    Raises:
        Problem: 422 with every failing field if it is not what *model* takes.
    """
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        # Without a cause: pydantic's error holds the values, and causes end up in logs.
        raise _problem(error) from None


def _problem(error: ValidationError) -> Problem:
    details = error.errors(include_url=False, include_input=False)
    # An unknown field first, because it often explains why another one is missing.
    details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
    errors = [_field_error(detail) for detail in details[: limits.REPORTED_ERRORS]]
    return invalid_fields(errors, missing=any(detail["type"] in _MISSING for detail in details))


def _field_error(detail: ErrorDetails) -> FieldError:
    """Name the place by a JSON pointer that ends before the first key that must not be repeated."""
    pointer, message = "", _message(detail)
    for key in detail["loc"]:
        if key == "[key]":  # pydantic's mark for "the key, not its value"
            continue
        if isinstance(key, str) and not _PLAIN_KEY.fullmatch(key):
            return FieldError(pointer, f"one of its members {message}")
        pointer += f"/{key}"
    return FieldError(pointer, message)


def _message(detail: ErrorDetails) -> str:
    kind, place = detail["type"], detail["loc"]
    if kind == "extra_forbidden" and place[-1] in _REFUSED:
        return _REFUSED[str(place[-1])]
    if kind in _WORDS:
        words = _WORDS[kind].format_map(detail.get("ctx", {}))
    else:
        words = detail["msg"].removeprefix("Value error, ")
    return f"has a name that {words}" if place and place[-1] == "[key]" else words
