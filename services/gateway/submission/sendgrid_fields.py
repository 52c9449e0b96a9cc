"""The parts of a SendGrid request that become parts of a message: people, bodies and files.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from services.gateway.submission import addresses, attachments, limits
from services.gateway.submission.attachments import AttachmentSubmission
from services.gateway.submission.headers import one_line
from services.gateway.submission.recipients import BareMailbox
from services.gateway.submission.texts import AT_LEAST_ONE, Body, Line, PersonName, text
from services.gateway.submission.validation import Submission
from shared.signatures import Address

_BODIES = 2


def _name(name: str | None) -> str | None:
    # The rules for ``"Name" <address>``, which is what the name will be written as.
    if not name:
        return None
    return addresses.parse(addresses.render(Address(email="a@example.com", name=name))).name


class Person(Submission):
    """An address, and a name to show with it."""

    email: BareMailbox = Field(description="The address.")
    name: Annotated[PersonName | None, AfterValidator(_name)] = Field(
        default=None, description="The name to show with it."
    )

    def address(self) -> Address:
        """The two as one."""
        return Address(email=self.email.email, name=self.name)


def _people(value: object) -> object:
    if isinstance(value, list) and len(value) > limits.RECIPIENTS:
        raise ValueError(
            f"must hold at most {limits.RECIPIENTS} addresses: divide them among several personalizations"
        )
    return () if value is None else value


def no_nul(text: str) -> str:
    """Refuse NUL, the one character that neither PostgreSQL nor a mail body can hold."""
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    return text


_Most = Field(max_length=limits.RECIPIENTS)
People = Annotated[
    tuple[Person, ...],
    BeforeValidator(_people, json_schema_input_type=Annotated[list[Person], _Most] | None),
]
"""Any number of people, and of addresses."""
Recipients = Annotated[
    tuple[Person, ...],
    BeforeValidator(_people, json_schema_input_type=Annotated[list[Person], Field(min_length=1), _Most]),
    AT_LEAST_ONE,
]
"""At least one."""

Subject = Annotated[Line, Field(min_length=1, max_length=limits.SUBJECT_LENGTH), AfterValidator(one_line)]
"""One line."""


def _kind(kind: str) -> str:
    if kind not in {"text/plain", "text/html"}:
        raise ValueError("must be text/plain or text/html: no other kind of body can be sent")
    return kind


class Content(Submission):
    """One body."""

    type: Annotated[str, text(enum=["text/plain", "text/html"]), AfterValidator(_kind)] = Field(
        description="What kind of body it is."
    )
    value: Annotated[Body, Field(min_length=1), AfterValidator(no_nul)] = Field(description="The body.")


def _few_bodies(value: object) -> object:
    limits.at_most(_BODIES, value, "bodies")
    return () if value is None else value


def _ordered(content: tuple[Content, ...]) -> tuple[Content, ...]:
    kinds = [body.type for body in content]
    if kinds != sorted(set(kinds), reverse=True):
        raise ValueError("must hold text/plain before text/html, and each of them once")
    return content


_Both = {"prefixItems": [{"properties": {"type": {"const": kind}}} for kind in ("text/plain", "text/html")]}
_OneOfEach = Annotated[
    list[Content], Field(max_length=_BODIES, json_schema_extra={"anyOf": [{"maxItems": 1}, _Both]})
]
Contents = Annotated[
    tuple[Content, ...],
    BeforeValidator(_few_bodies, json_schema_input_type=_OneOfEach | None),
    AfterValidator(_ordered),
]
"""The bodies: plain text, HTML or both."""

_SPELLINGS = {"content_type": "type", "inline_content_id": "contentId"}


def _ids_by_disposition(schema: dict[str, Any]) -> None:
    """Say which files need a content id, and which have none, whatever stands there."""
    fields = {name: schema["properties"][name] for name in ("content_id", "contentId")}
    schema["properties"] |= {name: {"description": each["description"]} for name, each in fields.items()}
    given = {"type": "string", "minLength": 1}
    schema["anyOf"] = [
        {"required": ["disposition"], "properties": {"disposition": {"const": "attachment"}}},
        {"properties": {**fields, "disposition": {"enum": [None, ""]}}},
        *(
            {
                "required": ["disposition", name],
                "properties": {**fields, "disposition": {"const": "inline"}, name: {**fields[name], **given}},
            }
            for name in fields
        ),
    ]


class MailAttachment(AttachmentSubmission):
    """A file, which is inline if it has a content id.  The SDK for Node.js lets ``contentId`` through."""

    model_config = ConfigDict(
        alias_generator=lambda name: _SPELLINGS.get(name, name), json_schema_extra=_ids_by_disposition
    )

    disposition: Annotated[str | None, text(enum=["inline", "attachment", "", None])] = Field(
        default=None, description="`inline` for a file that has a `content_id`, else `attachment`."
    )

    @model_validator(mode="before")
    @classmethod
    def _only_an_inline_file_has_an_id(cls, value: object) -> object:
        # For others SendGrid gives it no meaning, though its examples give them one, with blanks in it.
        if isinstance(value, dict) and value.get("disposition") == "attachment":
            return {key: part for key, part in value.items() if key not in {"content_id", "contentId"}}
        return value

    @model_validator(mode="after")
    def _disposed(self) -> MailAttachment:
        if self.disposition not in {None, "", "inline", "attachment"}:
            raise ValueError("must have inline or attachment as its disposition")
        if self.disposition == "inline" and not (self.content_id or self.inline_content_id):
            raise ValueError("must have a content_id to be inline")
        return self


MailAttachments = Annotated[
    tuple[MailAttachment, ...],
    BeforeValidator(
        attachments.few,
        json_schema_input_type=Annotated[list[MailAttachment], Field(max_length=limits.ATTACHMENTS)] | None,
    ),
    AfterValidator(attachments.small),
]
"""The files of one message."""
