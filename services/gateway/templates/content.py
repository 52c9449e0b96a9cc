"""What stands in one version of a template, as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.gateway import templating
from services.gateway.templating import TemplateError
from shared.signatures import Address

VariableType = Literal["string", "number", "boolean", "object", "list"]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": (str, int, float),  # a number becomes text by itself
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "list": list,
}


def fits(value: JsonValue, kind: str) -> bool:
    """Whether *value* can stand for a variable of the type *kind*; null can for any.

    A type of a newer version is no reason to refuse a message.
    """
    if value is None or kind not in _TYPES:
        return True
    # Python takes true and false for numbers.
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


class _Part(BaseModel):
    """Frozen, and indifferent to fields of a newer version."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Variable(_Part):
    """A variable that was declared."""

    key: str
    type: str = "string"
    fallback_value: JsonValue = None


class Content(_Part):
    """Sender and sources of a template."""

    sender: Address | None = Field(default=None, alias="from")
    reply_to: tuple[Address, ...] = ()
    subject: str | None = None
    html: str | None = None
    text: str | None = None
    variables: tuple[Variable, ...] = ()

    def encode(self) -> bytes:
        """The content as JSON; equal contents are equal bytes."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True).encode()

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read what :meth:`encode` wrote, in this version or another one."""
        return cls.model_validate_json(content)

    def needed(self) -> frozenset[str]:
        """The variables that have to be given, or to have a fallback.

        Raises:
            TemplateError: A source cannot be parsed.
        """
        return templating.needed(self.subject or "", self.html, self.text)

    def errors(self) -> Iterator[TemplateError]:
        """What is wrong with the sources; the first error of each.  May take a tenth of a second."""
        for sources in ((self.subject or "", None, None), ("", self.html, None), ("", None, self.text)):
            try:
                templating.check(*sources)
            except TemplateError as error:
                yield error
