"""The part of a SendGrid request that is about one message: a personalization.

https://www.twilio.com/docs/sendgrid/for-developers/sending-email/personalizations
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, FailFast, Field, ValidationInfo, field_validator

from services.gateway.submission import limits
from services.gateway.submission.addresses import comparable
from services.gateway.submission.sendgrid_fields import People, Person, Recipients, Subject
from services.gateway.submission.sendgrid_options import CustomArguments, MailHeaders, SendAt
from services.gateway.submission.substitutions import Substitutions
from services.gateway.submission.template_variables import TemplateVariables
from services.gateway.submission.validation import NOTHING, Submission

_PERSONALIZATIONS = 1000
_RECIPIENTS = 1000


class Personalization(Submission):
    """One message: who gets it, and what is different in it."""

    to: Recipients = Field(description="Recipients; to, cc and bcc together are at most 50, each once.")
    cc: People = Field(default=(), description="Recipients of a copy.")
    bcc: People = Field(default=(), description="Recipients of a copy whom nobody else sees.")
    sender: Person | None = Field(default=None, alias="from", description="In place of the sender for all.")
    subject: Subject | None = Field(default=None, description="In place of the subject for all.")
    headers: MailHeaders = Field(**NOTHING, description="Custom headers, beside those for all.")
    substitutions: Substitutions = Field(
        **NOTHING, description="Tags in subject and bodies, and what is to stand there instead."
    )
    dynamic_template_data: TemplateVariables = Field(
        **NOTHING, description="Data for the template's variables."
    )
    custom_args: CustomArguments = Field(**NOTHING, description="Your own data, beside that for all.")
    send_at: SendAt = Field(default=None, description="When to send, in unix seconds; a year ahead at most.")

    @field_validator("to", "cc", "bcc")
    @classmethod
    def _each_once(cls, people: tuple[Person, ...], info: ValidationInfo) -> tuple[Person, ...]:
        lists = [*(info.data.get(field, ()) for field in ("to", "cc")), people]
        everybody = [comparable(person.email.email) for group in lists for person in group]
        if len(everybody) > limits.RECIPIENTS:
            raise ValueError(f"must be at most {limits.RECIPIENTS} recipients together with the other lists")
        if len(set(everybody)) < len(everybody):
            raise ValueError("must not name an address twice over to, cc and bcc")
        return people


def _few(value: object) -> object:
    """Count before anything looks inside, since each recipient costs time and may make an error."""
    limits.at_most(_PERSONALIZATIONS, value, "personalizations: split it into several requests")
    if value == []:
        raise ValueError("must hold at least one personalization")
    parts = [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
    people = [part.get(field) for part in parts for field in ("to", "cc", "bcc")]
    if sum(len(group) for group in people if isinstance(group, list)) > _RECIPIENTS:
        raise ValueError(f"must be at most {_RECIPIENTS} recipients (to + cc + bcc) together")
    return value


Personalizations = Annotated[
    tuple[Personalization, ...],
    FailFast(),
    BeforeValidator(
        _few,
        json_schema_input_type=Annotated[
            list[Personalization], Field(min_length=1, max_length=_PERSONALIZATIONS)
        ],
    ),
]
"""One or more messages; of those that are refused only the first one is reported."""


def merged_headers(common: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Put a personalization's own headers before those for all; case makes no difference in a name."""
    names = {name.lower() for name in own}
    return {**{name: value for name, value in common.items() if name.lower() not in names}, **own}
