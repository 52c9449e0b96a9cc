"""Renders the mailer's own messages from ``templates/``; HTML is escaped, text is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from shared.signatures import Address, SendEmail, SendWelcomeEmail

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(enabled_extensions=("html",)),
    undefined=StrictUndefined,
)


@dataclass(frozen=True, slots=True)
class Welcome:
    """The welcome message, and who it comes from."""

    sender: Address

    def render(self, signature: SendWelcomeEmail, message_id: UUID) -> SendEmail:
        """Turn the signature into the message to deliver."""
        variables = {"sender_name": self.sender.name or self.sender.email}

        def rendered(template: str) -> str:
            return _ENVIRONMENT.get_template(template).render(variables)

        return SendEmail(
            message_id=message_id,
            tenant=signature.tenant,
            lane=signature.lane,
            sender=self.sender,
            to=(Address(email=signature.email),),
            subject=rendered("welcome.subject.txt").strip(),
            text=rendered("welcome.txt"),
            html=rendered("welcome.html"),
        )
