"""The providers that a message can be handed to, by the word for them in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.mailer.providers.mailgun import Mailgun
from services.mailer.providers.mandrill import Mandrill
from services.mailer.providers.outbox import Outbox
from services.mailer.providers.postmark import Postmark
from services.mailer.providers.resend import Resend
from services.mailer.providers.sendgrid import SendGrid
from services.mailer.providers.ses import Ses
from services.mailer.providers.smtp import Smtp

if TYPE_CHECKING:
    from services.mailer.providers.base import Provider

PROVIDERS: dict[str, type[Provider]] = {
    SendGrid.kind: SendGrid,
    Mandrill.kind: Mandrill,
    Postmark.kind: Postmark,
    Resend.kind: Resend,
    Mailgun.kind: Mailgun,
    Ses.kind: Ses,
    Smtp.kind: Smtp,
    Outbox.kind: Outbox,
}
