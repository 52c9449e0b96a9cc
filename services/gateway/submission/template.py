"""A template as callers submit it.

Source: https://resend.com/docs/api-reference/templates; the language is not Resend's but the one
of :mod:`services.gateway.templating`, which also knows ``{{{NAME}}}``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, get_args
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    ValidationInfo,
    field_validator,
)

from services.gateway.submission import limits
from services.gateway.submission.headers import one_line
from services.gateway.submission.recipients import Mailbox, Mailboxes
from services.gateway.submission.template_variables import TemplateValue, TemplateVariables
from services.gateway.submission.texts import NO_NUL, ONE_LINE, Line, text
from services.gateway.submission.validation import NOTHING, Submission
from services.gateway.templates.content import Content, Variable, VariableType, fits
from services.gateway.templating import SOURCE_LENGTH, bounded

ALIAS = re.compile(rf"[A-Za-z0-9_-]{{1,{limits.TEMPLATE_NAME_LENGTH}}}")
AliasText = Annotated[str, text(pattern=f"^(?:{ALIAS.pattern})?$", format="alias")]
Liquid = Annotated[str, text(pattern=NO_NUL, maxLength=SOURCE_LENGTH, format="liquid")]
LiquidLine = Annotated[str, text(pattern=ONE_LINE, maxLength=SOURCE_LENGTH, format="liquid")]
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def identifier(text: str) -> UUID | str | None:
    """Read what names a template: its id or its alias; None if the text can be neither."""
    try:
        return UUID(text)
    except ValueError:
        return text if ALIAS.fullmatch(text) else None


def _alias(alias: str | None) -> str | None:
    if not alias:
        return None
    if identifier(alias) == alias:
        return alias
    raise ValueError(f"must be 1 to {limits.TEMPLATE_NAME_LENGTH} ASCII letters, digits, _ or -, and no UUID")


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError("must be a letter or _, then at most 63 ASCII letters, digits or _")
    return key


def _source(source: str | None) -> str | None:
    if source and "\0" in source:
        raise ValueError("must not contain the character U+0000")
    return source or None


def _few(variables: object) -> object:
    limits.at_most(limits.TEMPLATE_VARIABLES, variables, "variables")
    return () if variables is None else variables


def _json(value: object) -> object:
    # It was JSON, and stays what it is.
    return value


_JSON_TYPES = {"string": ["string", "number", "null"], "list": ["array", "null"]}
_FALLBACKS: list[Any] = [
    {
        "properties": {
            "type": {"const": name},
            "fallback_value": {"type": _JSON_TYPES.get(name, [name, "null"])},
        },
        # What is left out is a string.
        **({} if name == "string" else {"required": ["type"]}),
    }
    for name in get_args(VariableType)
]


class VariableSubmission(Submission):
    """A variable of a template; one that is used in the source need not be declared."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _FALLBACKS})

    key: Annotated[str, text(pattern=f"^{_KEY.pattern}$"), AfterValidator(_key)] = Field(
        description="Its name in the source."
    )
    type: VariableType = Field(default="string", description="What may be given for it.")
    fallback_value: Annotated[JsonValue, PlainValidator(_json, json_schema_input_type=TemplateValue)] = Field(
        default=None, description="Stands for it where a message gives nothing."
    )

    @field_validator("fallback_value")
    @classmethod
    def _of_its_type(cls, value: JsonValue, info: ValidationInfo) -> JsonValue:
        kind = info.data.get("type")
        if kind is not None and not fits(value, kind):
            raise ValueError(f"must be of the type {kind}")
        return value


def _distinct(variables: tuple[VariableSubmission, ...]) -> tuple[VariableSubmission, ...]:
    if len({variable.key for variable in variables}) < len(variables):
        raise ValueError("must not declare the same variable twice")
    bounded({variable.key: variable.fallback_value for variable in variables})
    return variables


_Name = Annotated[Line, Field(min_length=1, max_length=limits.TEMPLATE_NAME_LENGTH), AfterValidator(one_line)]
_Line = Annotated[LiquidLine | None, AfterValidator(lambda line: one_line(line) if line else None)]
_Source = Annotated[Liquid | None, AfterValidator(_source)]
_Variables = Annotated[
    tuple[VariableSubmission, ...],
    BeforeValidator(
        _few,
        json_schema_input_type=Annotated[
            list[VariableSubmission], Field(max_length=limits.TEMPLATE_VARIABLES)
        ]
        | None,
    ),
    AfterValidator(_distinct),
]


_NOTHING: dict[str, Any] = {"enum": [None, ""]}
_NO_BODY: dict[str, Any] = {"required": ["html", "text"], "properties": {"html": _NOTHING, "text": _NOTHING}}


class TemplateChange(Submission):
    """What is to be different in a template; what is left out stays, and null takes a thing away."""

    model_config = ConfigDict(json_schema_extra={"not": _NO_BODY})

    name: _Name | None = Field(default=None, description="What people call it; not seen in messages.")
    alias: Annotated[AliasText | None, AfterValidator(_alias)] = Field(
        default=None, description="A name to use in place of the id, such as `password-reset`."
    )
    sender: Mailbox | None = Field(
        default=None, alias="from", description="Who messages are from, unless they say so themselves."
    )
    reply_to: Mailboxes = Field(default=(), description="Where answers go, unless the message says so.")
    subject: _Line = Field(default=None, description="Source of the subject; may be left to the message.")
    html: _Source = Field(default=None, description="Source of the body as HTML.")
    text: _Source = Field(default=None, description="Source of the body as plain text.")
    variables: _Variables = Field(default=(), description="Variables with a type or a fallback.")

    def onto(self, before: Content) -> Content:
        """The content *before* with what is different."""
        given: dict[str, Any] = {
            name: getattr(self, name) for name in self.model_fields_set & Content.model_fields.keys()
        }
        if "variables" in given:
            given["variables"] = tuple(Variable(**dict(variable)) for variable in self.variables)
        return before.model_copy(update=given)


class TemplateSubmission(TemplateChange):
    """A new template."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [body], "properties": {body: {"type": "string", "minLength": 1}}}
                for body in ("html", "text")
            ]
        }
    )

    name: _Name = Field(description="What people call it; not seen in messages.")


class PreviewSubmission(Submission):
    """What stands for the variables in a preview."""

    variables: TemplateVariables = Field(**NOTHING, description="Data for the template's variables.")
