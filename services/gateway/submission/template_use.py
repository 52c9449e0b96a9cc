"""Which template a message is made from, and with what in its variables."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from services.gateway import problems
from services.gateway.problems import FieldError
from services.gateway.submission import limits
from services.gateway.submission.template_variables import TemplateVariables
from services.gateway.submission.validation import NOTHING, Submission
from services.gateway.templates.published import TemplateContent, fill
from shared.signatures import Address, Template


class TemplateUse(Submission):
    """A published template, and what stands for its variables."""

    id: str = Field(
        min_length=1,
        max_length=limits.TEMPLATE_NAME_LENGTH,
        description="The id or alias of a template that is published.",
        json_schema_extra={"format": "template"},
    )
    variables: TemplateVariables = Field(
        **NOTHING,
        description="Data for the template's variables: at most 64 KB as JSON, at most 8 levels deep.",
    )

    def apply(
        self,
        template: TemplateContent,
        *,
        sender: Address | None,
        subject: str | None,
        reply_to: tuple[Address, ...],
    ) -> dict[str, Any]:
        """Give the fields of a signature: the message's own where it has them, else the template's.

        Raises:
            Problem: 422, neither has a sender or a subject, or a variable is missing.
        """
        lacking = {"/from": sender or template.sender, "/subject": subject or template.subject}
        because = "is required, since the template gives none"
        if errors := [FieldError(pointer, because) for pointer, value in lacking.items() if value is None]:
            raise problems.invalid_fields(errors, missing=True)
        return {
            "sender": sender or template.sender,
            "subject": subject or template.subject,
            "reply_to": reply_to or template.reply_to,
            "template": Template(
                # A subject of the message's own stands as it is.
                subject=None if subject else template.subject,
                html=template.html,
                text=template.text,
                variables=fill(template, self.variables),
            ),
        }
