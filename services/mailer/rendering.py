"""Renders the mailer's own messages from ``templates/``, in the language of everybody's templates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from services.mailer import templating
from shared.signatures import Address, SendEmail, SendWelcomeEmail

_FOLDER = Path(__file__).parent / "templates"
_SUBJECT, _HTML, _TEXT = (
    (_FOLDER / name).read_text(encoding="utf-8").removesuffix("\n")
    for name in ("welcome.subject.txt", "welcome.html", "welcome.txt")
)


@dataclass(frozen=True, slots=True)
class Welcome:
    """The welcome message, and who it comes from."""

    sender: Address

    def render(self, signature: SendWelcomeEmail, message_id: UUID) -> SendEmail:
        """Turn the signature into the message to deliver."""
        variables = {"sender_name": self.sender.name or self.sender.email}
        rendered = templating.render(_SUBJECT, _HTML, _TEXT, variables)
        return SendEmail(
            message_id=message_id,
            tenant=signature.tenant,
            lane=signature.lane,
            sender=self.sender,
            to=(Address(email=signature.email),),
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
        )
