"""Which addresses are to be suppressed, or no longer.

Source: https://resend.com/docs/api-reference/suppressions, whose batches are at most 100.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from services.gateway.submission import limits
from services.gateway.submission.addresses import comparable
from services.gateway.submission.recipients import BareMailbox
from services.gateway.submission.texts import EmailAddress
from services.gateway.submission.validation import Submission


def _few(members: object) -> object:
    limits.at_most(limits.SUPPRESSIONS, members, "members")
    if members == []:
        raise ValueError("must not be empty")
    return members


def _identifier(value: object) -> UUID:
    try:
        return UUID(value)  # type: ignore[arg-type]  # whatever it is, the error is the same
    except (AttributeError, TypeError, ValueError):
        raise ValueError("must be the id of a suppression") from None


_Length = Field(min_length=1, max_length=limits.SUPPRESSIONS)
_Emails = Annotated[
    tuple[BareMailbox, ...],
    BeforeValidator(_few, json_schema_input_type=Annotated[list[EmailAddress], _Length]),
]
_Ids = Annotated[
    tuple[Annotated[UUID, PlainValidator(_identifier)], ...],
    BeforeValidator(_few, json_schema_input_type=Annotated[list[UUID], _Length]),
]


# One of the two, where null counts as left out.
_ARRAY, _NULL = {"type": "array"}, {"type": "null"}
_EITHER: list[Any] = [
    {"required": ["emails"], "properties": {"emails": _ARRAY, "ids": _NULL}},
    {"required": ["ids"], "properties": {"ids": _ARRAY, "emails": _NULL}},
]


class SuppressionSubmission(Submission):
    """An address that no mail may go to."""

    email: BareMailbox = Field(description="The address; upper and lower case are the same.")

    def addresses(self) -> list[str]:
        """The address, in comparable form."""
        return [comparable(self.email.email)]


class SuppressionBatch(Submission):
    """Addresses that no mail may go to; the same one may stand there twice."""

    emails: _Emails = Field(description="At most 1,000 addresses.")

    def addresses(self) -> list[str]:
        """The addresses in comparable form, each once."""
        return list(dict.fromkeys(comparable(address.email) for address in self.emails))


class SuppressionRemoval(Submission):
    """Suppressions to be removed, named by their addresses or by their ids."""

    model_config = ConfigDict(json_schema_extra={"oneOf": _EITHER})

    emails: _Emails | None = Field(default=None, description="At most 1,000 addresses.")
    ids: _Ids | None = Field(
        default=None, validate_default=True, description="At most 1,000 ids, in place of addresses."
    )

    @field_validator("ids")
    @classmethod
    def _either(cls, ids: tuple[UUID, ...] | None, info: ValidationInfo) -> tuple[UUID, ...] | None:
        emails = info.data.get("emails", ...)  # missing from ``data`` if they were refused already
        if ids is None and emails is None:
            raise PydanticCustomError("missing", "is required")
        if ids is not None and emails is not None:
            raise ValueError("cannot be combined with emails")
        return ids

    def which(self) -> list[UUID | str]:
        """What names the suppressions: ids, or addresses in comparable form."""
        if self.ids is not None:
            return list(self.ids)
        return [comparable(address.email) for address in self.emails or ()]
