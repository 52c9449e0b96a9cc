"""The providers that a message can be handed to, by the word for them in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.mailer.providers.mailgun import Mailgun
from services.mailer.providers.mandrill import Mandrill
from services.mailer.providers.outbox import Outbox
from services.mailer.providers.sendgrid import SendGrid
from services.mailer.providers.ses import Ses

if TYPE_CHECKING:
    from services.mailer.providers.base import Provider

PROVIDERS: dict[str, type[Provider]] = {
    SendGrid.kind: SendGrid,
    Mandrill.kind: Mandrill,
    Mailgun.kind: Mailgun,
    Ses.kind: Ses,
    Outbox.kind: Outbox,
}
