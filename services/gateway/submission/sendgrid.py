"""SendGrid's idea of an e-mail to be sent: ``POST /v3/mail/send``.

Source: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send, and the errors page
beside it.  Each personalization becomes a message of its own, with what it says itself before what
the request says for all.  Fields that are not known are refused, and so is what cannot be honoured:
nothing is dropped silently.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from services.gateway.problems import FieldError, invalid_fields
from services.gateway.submission import limits
from services.gateway.submission.sendgrid_fields import (
    Content,
    Contents,
    MailAttachments,
    People,
    Person,
    Subject,
)
from services.gateway.submission.sendgrid_forms import FORMS
from services.gateway.submission.sendgrid_options import (
    Batch,
    Categories,
    CustomArguments,
    IpPool,
    MailHeaders,
    MailSettings,
    SendAt,
    TrackingSettings,
    UnsubscribeGroups,
)
from services.gateway.submission.sendgrid_personalization import Personalizations, merged_headers
from services.gateway.submission.substitutions import Sections
from services.gateway.submission.texts import text
from services.gateway.submission.validation import NOTHING, Submission, read

_TEMPLATED = "cannot be combined with a template_id"
_NO_SUBJECT = "is required, unless every personalization has its own or a template_id is given"


class MailSubmission(Submission):
    """A request, which stands for as many messages as it has personalizations."""

    model_config = ConfigDict(json_schema_extra={"allOf": FORMS})

    # First, because what else is required depends on them.
    template_id: (
        Annotated[str, Field(max_length=limits.TEMPLATE_NAME_LENGTH), text(format="template")] | None
    ) = Field(default=None, description="The id or alias of a template that is published.")
    personalizations: Personalizations = Field(
        description="One or more messages, with at most 1,000 recipients together."
    )
    sender: Person = Field(alias="from", description="Who the messages are from.")
    reply_to: Person | None = Field(default=None, description="Where answers go, if not to the sender.")
    reply_to_list: People = Field(default=(), description="The same, for several people.")
    subject: Subject | None = Field(default=None, validate_default=True, description="One line.")
    content: Contents = Field(
        default=(), validate_default=True, description="The bodies: plain text, HTML, or both in this order."
    )
    attachments: MailAttachments = Field(default=(), description="Files, at most 20.")
    sections: Sections = Field(**NOTHING, description="Texts that a substitution's value may name.")
    headers: MailHeaders = Field(
        **NOTHING, description="Custom headers: X-*, List-*, References, In-Reply-To; at most 50."
    )
    categories: Categories = Field(default=(), description="Words for the provider's own reports.")
    custom_args: CustomArguments = Field(**NOTHING, description="Your own data, handed back with a message.")
    send_at: SendAt = Field(
        default=None,
        description="When to send, in unix seconds: at once if it has passed; a year ahead at most.",
    )
    batch_id: Batch = None
    asm: UnsubscribeGroups = None
    ip_pool_name: IpPool = None
    mail_settings: MailSettings | None = Field(default=None, description="Of these, only the sandbox.")
    tracking_settings: TrackingSettings | None = Field(default=None, description="None is supported.")

    @field_validator("subject")
    @classmethod
    def _some_subject(cls, subject: str | None, info: ValidationInfo) -> str | None:
        # What was refused is missing from ``data``, and has been reported already.
        own = info.data.get("personalizations", ())
        if not subject and not info.data.get("template_id", ...) and not all(each.subject for each in own):
            raise PydanticCustomError("body_missing", _NO_SUBJECT)
        return subject

    @field_validator("content")
    @classmethod
    def _some_content(cls, content: tuple[Content, ...], info: ValidationInfo) -> tuple[Content, ...]:
        if not content and not info.data.get("template_id", ...):
            raise PydanticCustomError("body_missing", "is required, unless a template_id is given")
        return content

    @field_validator("reply_to_list")
    @classmethod
    def _one_or_the_other(cls, people: tuple[Person, ...], info: ValidationInfo) -> tuple[Person, ...]:
        if people and info.data.get("reply_to"):
            raise ValueError("cannot be combined with reply_to")
        return people

    @property
    def is_sandboxed(self) -> bool:
        """Whether nothing is to be sent."""
        sandbox = self.mail_settings and self.mail_settings.sandbox_mode
        return bool(sandbox and sandbox.enable)

    def conflicts(self) -> Iterator[FieldError]:
        """What is right on its own, but not together."""
        if self.template_id and self.sections:
            yield FieldError("/sections", _TEMPLATED)
        for index, own in enumerate(self.personalizations):
            place = f"/personalizations/{index}"
            if self.template_id and own.substitutions:
                yield FieldError(f"{place}/substitutions", f"{_TEMPLATED}: use dynamic_template_data")
            if not self.template_id and own.dynamic_template_data:
                yield FieldError(f"{place}/dynamic_template_data", "needs a template_id")
            if len(merged_headers(self.headers, own.headers)) > limits.HEADERS:
                yield FieldError(f"{place}/headers", f"must be at most {limits.HEADERS} with those for all")
            if len({*self.custom_args, *own.custom_args}) > limits.METADATA_KEYS:
                yield FieldError(
                    f"{place}/custom_args", f"must be at most {limits.METADATA_KEYS} with those for all"
                )


def parse_mail(body: bytes) -> MailSubmission:
    """Read the body of ``POST /v3/mail/send``.

    Raises:
        Problem: 400 if it is no JSON, 422 with every failing field if it is no such request.
    """
    mail = read(MailSubmission, body)
    if errors := list(islice(mail.conflicts(), limits.REPORTED_ERRORS)):
        raise invalid_fields(errors)
    return mail
