"""The public API's idea of an e-mail to be sent, wire-compatible with Resend's.

Source: https://resend.com/docs/api-reference/emails/send-email; ``metadata``, ``expires_at``,
``priority``, ``on_uncertain`` and ``unsubscribe`` are ours.

Every model refuses fields it does not know: a misspelt ``repy_to`` must not vanish silently.
Where JSON has null, the field counts as left out, since some SDKs write all their fields.  If a
key stands twice in an object the last one counts (RFC 8259, section 4, leaves it open).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from services.gateway import unsubscribing
from services.gateway.submission import limits, recipients
from services.gateway.submission.attachments import Attachments
from services.gateway.submission.headers import Headers, one_line
from services.gateway.submission.labels import IdempotencyKey, Metadata, Tags
from services.gateway.submission.moments import ExpiresAt, GivenMoment, ScheduledAt
from services.gateway.submission.recipients import BareMailbox, Mailbox, Mailboxes, Recipients
from services.gateway.submission.template_use import TemplateUse
from services.gateway.submission.texts import Body, Line
from services.gateway.submission.validation import NOTHING, Submission, read
from services.gateway.templates.published import TemplateContent
from shared.signatures import Address, Lane, OnUncertain, SendEmail, SendWelcomeEmail, Tag


def _no_nul(body: str | None) -> str | None:
    """NUL is the one character that neither PostgreSQL nor a mail body can hold."""
    if body and "\0" in body:
        raise ValueError("must not contain the character U+0000")
    return body or None


_Body = Annotated[Body | None, AfterValidator(_no_nul)]
_Subject = Annotated[Line, Field(min_length=1, max_length=limits.SUBJECT_LENGTH), AfterValidator(one_line)]
_UNSUBSCRIBE_HEADERS = {name.lower() for name in unsubscribing.HEADERS}
_REQUIRED = PydanticCustomError("missing", "is required")

# A template, or bodies of its own; null, and for bodies nothing, count as left out.
_STRING, _NULL, _NOTHING = {"type": "string"}, {"type": "null"}, {"enum": [None, ""]}
_FORMS: list[Any] = [
    {
        "required": ["template"],
        "properties": {"template": {"type": "object"}, "html": _NOTHING, "text": _NOTHING},
    },
    *(
        {
            "required": ["from", "subject", body],
            "properties": {
                "template": _NULL,
                "from": _STRING,
                "subject": _STRING,
                body: {**_STRING, "minLength": 1},
            },
        }
        for body in ("html", "text")
    ),
]


class EmailSubmission(Submission):
    """An e-mail to be sent.  Addresses are `user@example.com` or `Name <user@example.com>`."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _FORMS})

    # First, because what else is required depends on it.
    template: TemplateUse | None = Field(
        default=None, description="A published template to make subject and bodies from."
    )
    sender: Mailbox | None = Field(
        default=None,
        alias="from",
        description="Who it is from; may be left to the template.",
    )
    to: Recipients = Field(description="Recipients; to, cc and bcc together are at most 50.")
    cc: Mailboxes = Field(default=(), description="Recipients of a copy.")
    bcc: Mailboxes = Field(default=(), description="Recipients of a copy whom nobody else sees.")
    reply_to: Mailboxes = Field(default=(), description="Where answers go, if not to the sender.")
    subject: _Subject | None = Field(
        default=None, validate_default=True, description="One line; may be left to the template."
    )
    # Before ``html``, whose check looks at it.
    text: _Body = Field(default=None, description="The body as plain text.")
    html: _Body = Field(default=None, validate_default=True, description="The body as HTML.")
    headers: Headers = Field(
        **NOTHING, description="Custom headers: X-*, List-*, References, In-Reply-To; at most 50."
    )
    # Behind those whom it is about, and the headers that it makes.
    unsubscribe: StrictBool | None = Field(
        default=None,
        description="Add a link, and a button of the mail program, that puts the recipient on your list of "
        "suppressions for bulk mail (RFC 8058). Takes exactly one recipient; meant for `bulk` mail.",
    )
    attachments: Attachments = Field(default=(), description="Files, at most 20.")
    tags: Tags = Field(default=(), description="Words for the provider's own reports, at most 20.")
    metadata: Metadata = Field(**NOTHING, description="Your own data, handed back with the message.")
    scheduled_at: ScheduledAt = Field(
        default=None, description="When to send it: ISO 8601, or words as `in 1 hour`; at most a year ahead."
    )
    expires_at: ExpiresAt = Field(
        default=None,
        validate_default=True,
        description="After this it is worthless, and is not sent any more.",
    )
    topic_id: None = Field(default=None, description="Only null, which some SDKs send: there are no topics.")
    priority: Lane | None = Field(
        default=None, description="The lane it travels in: `bulk` mail never delays `transactional` mail."
    )
    on_uncertain: OnUncertain | None = Field(
        default=None, description="When nobody can tell whether it was sent: `resend` it, or `hold` it."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_is_named(cls, value: object) -> object:
        # Of a default pydantic would report our name for the field, not the caller's.
        return {**value, "from": None} if isinstance(value, dict) and "from" not in value else value

    @field_validator("sender", "subject")
    @classmethod
    def _given(cls, value: Any, info: ValidationInfo) -> Any:
        # A template that was refused is missing from ``data``, and has been reported already.
        if value is None and info.data.get("template", ...) is None:
            raise _REQUIRED
        return value

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

    @field_validator("unsubscribe")
    @classmethod
    def _of_one_recipient(cls, wanted: bool | None, info: ValidationInfo) -> bool | None:  # noqa: FBT001
        # Fields that were refused are missing from ``data``, and have been reported already.
        if wanted:
            if sum(len(info.data.get(field, ())) for field in ("to", "cc", "bcc")) > 1:
                raise ValueError("needs a message to exactly one recipient, since the link is theirs")
            if {name.lower() for name in info.data.get("headers", ())}.intersection(_UNSUBSCRIBE_HEADERS):
                raise ValueError(f"cannot be combined with the headers {' and '.join(unsubscribing.HEADERS)}")
        return wanted

    @field_validator("text", "html")
    @classmethod
    def _not_both(cls, body: str | None, info: ValidationInfo) -> str | None:
        if body is not None and info.data.get("template") is not None:
            raise ValueError("cannot be combined with a template")
        return body

    @field_validator("html")
    @classmethod
    def _some_body(cls, html: str | None, info: ValidationInfo) -> str | None:
        # A text that was refused is missing from ``data``, and has been reported already.
        lacking = "text" in info.data and info.data["text"] is None
        if html is None and lacking and info.data.get("template", ...) is None:
            raise PydanticCustomError("body_missing", "is required, or text is")
        return html

    @field_validator("expires_at")
    @classmethod
    def _after_the_start(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("scheduled_at")
        if moment is not None and start is not None and moment <= start:
            raise ValueError("must be later than scheduled_at")
        return moment

    def signature(self, message_id: UUID, tenant: str, template: TemplateContent | None = None) -> SendEmail:
        """What is queued for the mailer; *template* is what stands under the template's id.

        Raises:
            Problem: 422, neither this nor the template gives a sender or a subject, or a variable
                of the template is missing.
        """
        content: dict[str, Any] = {"sender": self.sender, "subject": self.subject, "reply_to": self.reply_to}
        if self.template is not None and template is not None:
            content = self.template.apply(template, **content)
        return SendEmail.model_validate(
            {
                "message_id": message_id,
                "tenant": tenant,
                "lane": self.priority or Lane.TRANSACTIONAL,
                "to": self.to,
                "cc": self.cc,
                "bcc": self.bcc,
                "html": self.html,
                "text": self.text,
                "headers": self.headers,
                "attachments": tuple(attachment.part() for attachment in self.attachments),
                "tags": tuple(Tag(name=tag.name, value=tag.value) for tag in self.tags),
                "metadata": self.metadata,
                "expires_at": self.expires_at,
                "on_uncertain": self.on_uncertain or OnUncertain.RESEND,
                **content,
            }
        )


class BatchItem(EmailSubmission):
    """An e-mail of a batch, which may have an idempotency key of its own."""

    idempotency_key: IdempotencyKey | None = Field(
        default=None, description="Repeats of this one e-mail under the same key are not sent again."
    )


class WelcomeEmailSubmission(Submission):
    """A recipient who is to be welcomed; the mailer knows the words."""

    email: BareMailbox = Field(description="The recipient's address.")

    def signature(self, message_id: UUID, tenant: str) -> SendWelcomeEmail:
        """What is queued for the mailer."""
        return SendWelcomeEmail(email=self.email.email, message_id=message_id, tenant=tenant)


class Rescheduling(Submission):
    """Another time for a scheduled e-mail."""

    scheduled_at: GivenMoment = Field(description="The new time, as when sending.")
    id: Any = Field(default=None, exclude=True, description="Ignored: some SDKs repeat the id here.")

    @field_validator("scheduled_at")
    @classmethod
    def _given(cls, moment: datetime | None) -> datetime:
        if moment is None:
            raise _REQUIRED
        return moment


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
