"""The settings of one account whose provider posts events here: what its calls are verified by.

Each is read from ``PILLARBOX_PROVIDER_EVENTS__<NAME>__<FIELD>``.  The name is that of the account in the
mailer's ``PILLARBOX_PROVIDERS__<NAME>__…``; where it is the word for a provider, ``KIND`` need not be given.

What can be there several times, so that keys can be changed without a gap, is separated by commas.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from services.gateway.provider_events import sns
from services.gateway.provider_events.mailgun import MailgunReader
from services.gateway.provider_events.mandrill import MandrillReader
from services.gateway.provider_events.postmark import PostmarkReader
from services.gateway.provider_events.reader import Reader
from services.gateway.provider_events.resend import ResendReader, signing_secret
from services.gateway.provider_events.sendgrid import SendGridReader, public_key
from services.gateway.provider_events.ses import SesReader
from services.gateway.provider_events.telling import Teller


def _parts(listed: str) -> list[str]:
    return [part.strip() for part in listed.split(",") if part.strip()]


def _each(check: Callable[[str], object]) -> Callable[[str], str]:
    """Make a validator that checks every part, of which there must be one at least."""

    def validate(listed: str) -> str:
        if not _parts(listed):
            raise ValueError("must not be empty")
        for part in _parts(listed):
            check(part)
        return listed

    return validate


def _each_secret(check: Callable[[str], object]) -> Callable[[SecretStr], SecretStr]:
    def validate(listed: SecretStr) -> SecretStr:
        try:
            _each(check)(listed.get_secret_value())
        except ValueError:
            raise ValueError("must be one or several keys of this provider, with commas") from None
        return listed

    return validate


def _topic(written: str) -> None:
    if not sns.is_topic(written):
        raise ValueError("must be ARNs of topics of Amazon SNS: arn:aws:sns:<region>:<account>:<name>")


def _networks(listed: str) -> str:
    try:
        for part in _parts(listed):
            ip_network(part)
    except ValueError:
        raise ValueError("must be addresses and networks, with commas: 192.0.2.1, 2001:db8::/32") from None
    return listed


_Secrets = Annotated[SecretStr, AfterValidator(_each_secret(bool))]


class _Account(BaseModel):
    """What every account has."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)

    kind: str

    @abstractmethod
    def reader(self, account: str) -> Reader:
        """Make what reads the calls of the account of that name."""


class SendGridEvents(_Account):
    """Twilio SendGrid, with the Signed Event Webhook."""

    kind: Literal["sendgrid"]
    public_keys: Annotated[str, AfterValidator(_each(public_key))]
    """The verification key that SendGrid shows."""

    def reader(self, account: str) -> Reader:
        return SendGridReader(Teller(account), [public_key(key) for key in _parts(self.public_keys)])


class MandrillEvents(_Account):
    """Mailchimp Transactional."""

    kind: Literal["mandrill"]
    keys: _Secrets
    """The webhook's key."""
    url: str
    """The URL as it was entered there, to the letter: it is part of the signature."""

    def reader(self, account: str) -> Reader:
        return MandrillReader(Teller(account), _parts(self.keys.get_secret_value()), self.url)


class PostmarkEvents(_Account):
    """Postmark, with a user name and password in the webhook's URL."""

    kind: Literal["postmark"]
    username: str
    passwords: _Secrets
    networks: Annotated[str, AfterValidator(_networks)] = ""
    """Addresses and networks that Postmark calls from, where nothing stands between it and the gateway."""

    def reader(self, account: str) -> Reader:
        passwords = _parts(self.passwords.get_secret_value())
        networks = [ip_network(part) for part in _parts(self.networks)]
        return PostmarkReader(Teller(account), self.username, passwords, networks)


class ResendEvents(_Account):
    """Resend."""

    kind: Literal["resend"]
    secrets: Annotated[SecretStr, AfterValidator(_each_secret(signing_secret))]
    """The webhook's signing secret: ``whsec_`` and base64."""

    def reader(self, account: str) -> Reader:
        secrets = _parts(self.secrets.get_secret_value())
        return ResendReader(Teller(account), [signing_secret(secret) for secret in secrets])


class MailgunEvents(_Account):
    """Mailgun."""

    kind: Literal["mailgun"]
    keys: _Secrets
    """The HTTP webhook signing key."""

    def reader(self, account: str) -> Reader:
        return MailgunReader(Teller(account), _parts(self.keys.get_secret_value()))


class SesEvents(_Account):
    """Amazon SES, through Amazon SNS."""

    kind: Literal["ses"]
    topic_arns: Annotated[str, AfterValidator(_each(_topic))]
    """The topics that are listened to.  Needed, because Amazon signs for every customer alike."""

    def reader(self, account: str) -> Reader:
        return SesReader(Teller(account), _parts(self.topic_arns))


EventsSettings = Annotated[
    SendGridEvents | MandrillEvents | PostmarkEvents | ResendEvents | MailgunEvents | SesEvents,
    Field(discriminator="kind"),
]


def with_kinds(accounts: object) -> object:
    """Give an account that is named after a provider that provider as its kind."""
    if not isinstance(accounts, dict):
        return accounts
    return {
        name: {"kind": name, **account} if isinstance(account, dict) else account
        for name, account in accounts.items()
    }
