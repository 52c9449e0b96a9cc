"""Makes messages from templates: the ones that travel with a message, and the mailer's own.

The mailer's own stand in ``templates/``, in the language of everybody's templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pydantic import JsonValue

from services.mailer import templating
from shared.signatures import Address, SendEmail, SendWelcomeEmail, Template

_FOLDER = Path(__file__).parent / "templates"
_SUBJECT, _HTML, _TEXT = (
    (_FOLDER / name).read_text(encoding="utf-8").removesuffix("\n")
    for name in ("welcome.subject.txt", "welcome.html", "welcome.txt")
)


def rendered(message: SendEmail) -> SendEmail:
    """Turn a message that has a template into the message to deliver; any other is that already.

    Its own subject stands as it is where the template gives none.

    Raises:
        TemplateError: The template cannot be parsed, or not be rendered with its variables.
    """
    template = message.template
    if template is None:
        return message
    parts = templating.render(template.subject, template.html, template.text, template.variables)
    return message.model_copy(
        update={
            "subject": message.subject if parts.subject is None else parts.subject,
            "html": parts.html,
            "text": parts.text,
            "template": None,
        },
    )


@dataclass(frozen=True, slots=True)
class Welcome:
    """The welcome message, and who it comes from."""

    sender: Address

    def render(self, signature: SendWelcomeEmail, message_id: UUID) -> SendEmail:
        """Turn the signature into the message to deliver.

        Raises:
            TemplateError: The sender's name cannot stand in a subject.
        """
        variables: dict[str, JsonValue] = {"sender_name": self.sender.name or self.sender.email}
        message = SendEmail(
            message_id=message_id,
            tenant=signature.tenant,
            lane=signature.lane,
            sender=self.sender,
            to=(Address(email=signature.email),),
            subject=_SUBJECT,
            template=Template(subject=_SUBJECT, html=_HTML, text=_TEXT, variables=variables),
        )
        return rendered(message)
