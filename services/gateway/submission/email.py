"""The public API's idea of an e-mail to be sent, wire-compatible with Resend's.

Every model refuses fields it does not know: a misspelt ``repy_to`` must not vanish silently.
Where JSON has null, the field counts as left out, since some SDKs write all their fields.  If a
key stands twice in an object the last one counts (RFC 8259, section 4, leaves it open).
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from services.gateway.submission import limits, recipients
from services.gateway.submission.attachments import Attachments
from services.gateway.submission.headers import Headers, one_line
from services.gateway.submission.labels import Metadata, Tags
from services.gateway.submission.recipients import BareMailbox, Mailbox, Mailboxes, Recipients
from services.gateway.submission.validation import Submission, read
from shared.signatures import Address, SendEmail, SendWelcomeEmail, Tag


def _no_nul(body: str | None) -> str | None:
    """NUL is the one character that neither PostgreSQL nor a mail body can hold."""
    if body and "\0" in body:
        raise ValueError("must not contain the character U+0000")
    return body or None


_Body = Annotated[str | None, AfterValidator(_no_nul)]


class EmailSubmission(Submission):
    """An e-mail to be sent.  Addresses are `user@example.com` or `Name <user@example.com>`."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["html"]}, {"required": ["text"]}]})

    sender: Mailbox = Field(alias="from", description="Who it is from.")
    to: Recipients = Field(description="Recipients; to, cc and bcc together are at most 50.")
    cc: Mailboxes = Field(default=(), description="Recipients of a copy.")
    bcc: Mailboxes = Field(default=(), description="Recipients of a copy whom nobody else sees.")
    reply_to: Mailboxes = Field(default=(), description="Where answers go, if not to the sender.")
    subject: Annotated[
        str, Field(min_length=1, max_length=limits.SUBJECT_LENGTH), AfterValidator(one_line)
    ] = Field(description="One line.")
    # Before ``html``, whose check looks at it.
    text: _Body = Field(default=None, description="The body as plain text.")
    html: _Body = Field(default=None, validate_default=True, description="The body as HTML.")
    headers: Headers = Field(
        default={}, description="Custom headers: X-*, List-*, References, In-Reply-To; at most 50."
    )
    attachments: Attachments = Field(default=(), description="Files, at most 20.")
    tags: Tags = Field(default=(), description="Words for the provider's own reports, at most 20.")
    metadata: Metadata = Field(default={}, description="Your own data, handed back with the message.")

    @field_validator("bcc")
    @classmethod
    def _recipients(cls, bcc: tuple[Address, ...], info: ValidationInfo) -> tuple[Address, ...]:
        recipients.count(*(info.data.get(field, ()) for field in ("to", "cc")), bcc)
        return bcc

    @field_validator("cc")
    @classmethod
    def _copied(cls, cc: tuple[Address, ...], info: ValidationInfo) -> tuple[Address, ...]:
        recipients.count(info.data.get("to", ()), cc)
        return cc

    @field_validator("html")
    @classmethod
    def _some_body(cls, html: str | None, info: ValidationInfo) -> str | None:
        # A text that was refused is missing from ``data``, and has been reported already.
        if html is None and "text" in info.data and info.data["text"] is None:
            raise PydanticCustomError("body_missing", "is required, or text is")
        return html

    def signature(self, message_id: UUID, tenant: str) -> SendEmail:
        """What is queued for the mailer."""
        return SendEmail.model_validate(
            {
                "message_id": message_id,
                "tenant": tenant,
                "from": self.sender,
                "to": self.to,
                "cc": self.cc,
                "bcc": self.bcc,
                "reply_to": self.reply_to,
                "subject": self.subject,
                "html": self.html,
                "text": self.text,
                "headers": self.headers,
                "attachments": tuple(attachment.part() for attachment in self.attachments),
                "tags": tuple(Tag(name=tag.name, value=tag.value) for tag in self.tags),
                "metadata": self.metadata,
            }
        )


class WelcomeEmailSubmission(Submission):
    """A recipient who is to be welcomed; the mailer knows the words."""

    email: BareMailbox = Field(description="The recipient's address.")

    def signature(self, message_id: UUID, tenant: str) -> SendWelcomeEmail:
        """What is queued for the mailer."""
        return SendWelcomeEmail(email=self.email.email, message_id=message_id, tenant=tenant)


def parse_email(body: bytes, *, attachment_bytes: int = limits.ATTACHMENT_BYTES) -> EmailSubmission:
    """Read the body of ``POST /emails``; attachments may be *attachment_bytes* together, decoded.

    Raises:
        Problem: 400 if it is no JSON, 422 with every failing field if it is no such e-mail.
    """
    return read(EmailSubmission, body, context={"attachment_bytes": attachment_bytes})


def parse_welcome_email(body: bytes) -> WelcomeEmailSubmission:
    """Read the body of ``POST /welcome-emails``.

    Raises:
        Problem: 400 if it is no JSON, 422 with every failing field if it is no such request.
    """
    return read(WelcomeEmailSubmission, body)
