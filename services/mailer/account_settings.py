"""The settings of one provider account: who it is with, its credentials, its rate.

Each is read from ``PILLARBOX_PROVIDERS__<NAME>__<FIELD>``.  The name is the operator's own word for the
account; where it is the word for a provider, ``KIND`` need not be given.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.mailer.providers import PROVIDERS
from services.mailer.providers.base import Provider, Traits


class _Account(BaseModel):
    """What every account has."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)

    rate_per_second: Annotated[float | None, Field(gt=0)] = None
    """Messages (or batches of them) a second that the account may send, all mailers together; without
    it the mailer goes by what the provider says."""

    settle_delay_seconds: Annotated[float | None, Field(ge=0)] = None
    """How long after an attempt in doubt the provider's search certainly knows of it (by default 60 at
    Mandrill and Postmark, which do not say, and 1800 at Mailgun, which does)."""

    key_window_seconds: Annotated[float | None, Field(gt=0)] = None
    """How long an idempotency key counts, where the provider honours one (Resend: 24 hours)."""

    kind: str

    @abstractmethod
    def arguments(self) -> dict[str, object]:
        """What the provider is made with."""

    def provider(self) -> Provider:
        """Make the provider."""
        make: Callable[..., Provider] = PROVIDERS[self.kind]
        return make(**self.arguments())

    def traits(self, provider: Provider) -> Traits:
        """What the provider can do, as far as these settings do not know better."""
        traits = provider.traits
        if self.settle_delay_seconds is not None:
            traits = replace(traits, settle_delay=self.settle_delay_seconds)
        if self.key_window_seconds is not None and traits.key_window is not None:
            traits = replace(traits, key_window=self.key_window_seconds)
        return traits


class OutboxAccount(_Account):
    """``.eml`` files in a directory."""

    kind: Literal["outbox"]
    directory: Path = Path("var/outbox")

    def arguments(self) -> dict[str, object]:
        return {"directory": self.directory.absolute()}


class SendGridAccount(_Account):
    """Twilio SendGrid."""

    kind: Literal["sendgrid"]
    api_key: SecretStr
    """With the permission "Mail Send"."""
    base_url: str = "https://api.sendgrid.com"
    """``https://api.eu.sendgrid.com`` for accounts in the EU region."""

    def arguments(self) -> dict[str, object]:
        return {"api_key": self.api_key.get_secret_value(), "base_url": self.base_url}


class MandrillAccount(_Account):
    """Mailchimp Transactional."""

    kind: Literal["mandrill"]
    api_key: SecretStr
    base_url: str = "https://mandrillapp.com"

    def arguments(self) -> dict[str, object]:
        return {"api_key": self.api_key.get_secret_value(), "base_url": self.base_url}


class PostmarkAccount(_Account):
    """Postmark: one server of it."""

    kind: Literal["postmark"]
    server_token: SecretStr
    base_url: str = "https://api.postmarkapp.com"
    message_stream: str = "outbound"
    """``broadcast`` or another stream for bulk mail."""

    def arguments(self) -> dict[str, object]:
        return {
            "server_token": self.server_token.get_secret_value(),
            "base_url": self.base_url,
            "message_stream": self.message_stream,
        }


class ResendAccount(_Account):
    """Resend."""

    kind: Literal["resend"]
    api_key: SecretStr
    base_url: str = "https://api.resend.com"

    def arguments(self) -> dict[str, object]:
        return {"api_key": self.api_key.get_secret_value(), "base_url": self.base_url}


class MailgunAccount(_Account):
    """Mailgun: one domain of it."""

    kind: Literal["mailgun"]
    api_key: SecretStr
    domain: str
    base_url: str = "https://api.mailgun.net"
    """``https://api.eu.mailgun.net`` for domains in the EU region."""

    def arguments(self) -> dict[str, object]:
        return {
            "api_key": self.api_key.get_secret_value(),
            "domain": self.domain,
            "base_url": self.base_url,
        }


class SesAccount(_Account):
    """Amazon SES, version 2 of its API."""

    kind: Literal["ses"]
    access_key_id: str
    secret_access_key: SecretStr
    session_token: SecretStr | None = None
    region: str
    configuration_set: str | None = None
    base_url: str | None = None
    """Where the API is, if not at the region's own address (a VPC endpoint)."""

    def arguments(self) -> dict[str, object]:
        return {
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key.get_secret_value(),
            "region": self.region,
            "session_token": self.session_token.get_secret_value() if self.session_token else None,
            "configuration_set": self.configuration_set,
            "base_url": self.base_url,
        }


class SmtpAccount(_Account):
    """Any server that takes mail for delivery."""

    kind: Literal["smtp"]
    host: str
    port: Annotated[int, Field(gt=0, lt=65536)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """STARTTLS is then required, not merely tried; ``tls`` is implicit TLS, mostly on port 465."""
    username: str | None = None
    password: SecretStr | None = None

    def arguments(self) -> dict[str, object]:
        return {
            "host": self.host,
            "port": self.port,
            "security": self.security,
            "username": self.username,
            "password": self.password.get_secret_value() if self.password else None,
        }


AccountSettings = Annotated[
    OutboxAccount
    | SendGridAccount
    | MandrillAccount
    | PostmarkAccount
    | ResendAccount
    | MailgunAccount
    | SesAccount
    | SmtpAccount,
    Field(discriminator="kind"),
]


def with_kinds(providers: object) -> object:
    """Give an account that is named after a provider that provider as its kind."""
    if not isinstance(providers, dict):
        return providers
    return {
        name: {"kind": name, **account} if isinstance(account, dict) else account
        for name, account in providers.items()
    }
