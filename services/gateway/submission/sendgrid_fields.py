"""The parts of a SendGrid request that become parts of a message: people, bodies and files.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from services.gateway.submission import addresses, attachments, limits
from services.gateway.submission.attachments import AttachmentSubmission
from services.gateway.submission.headers import one_line
from services.gateway.submission.recipients import BareMailbox
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

    email: BareMailbox
    name: Annotated[str | None, AfterValidator(_name)] = None

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


People = Annotated[tuple[Person, ...], BeforeValidator(_people)]
"""Any number of people, and of addresses."""

Subject = Annotated[str, Field(min_length=1, max_length=limits.SUBJECT_LENGTH), AfterValidator(one_line)]
"""One line."""


def _kind(kind: str) -> str:
    if kind not in {"text/plain", "text/html"}:
        raise ValueError("must be text/plain or text/html: no other kind of body can be sent")
    return kind


class Content(Submission):
    """One body."""

    type: Annotated[str, AfterValidator(_kind)]
    value: Annotated[str, Field(min_length=1), AfterValidator(no_nul)]


def _few_bodies(value: object) -> object:
    limits.at_most(_BODIES, value, "bodies")
    return () if value is None else value


def _ordered(content: tuple[Content, ...]) -> tuple[Content, ...]:
    kinds = [body.type for body in content]
    if kinds != sorted(set(kinds), reverse=True):
        raise ValueError("must hold text/plain before text/html, and each of them once")
    return content


Contents = Annotated[tuple[Content, ...], BeforeValidator(_few_bodies), AfterValidator(_ordered)]
"""The bodies: plain text, HTML or both."""

_SPELLINGS = {"content_type": "type", "inline_content_id": "contentId"}


class MailAttachment(AttachmentSubmission):
    """A file, which is inline if it has a content id.  The SDK for Node.js lets ``contentId`` through."""

    model_config = ConfigDict(alias_generator=lambda name: _SPELLINGS.get(name, name))

    disposition: str | None = None

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
    tuple[MailAttachment, ...], BeforeValidator(attachments.few), AfterValidator(attachments.small)
]
"""The files of one message."""
