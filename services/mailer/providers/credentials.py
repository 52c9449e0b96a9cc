"""How to ask a provider whether it takes our credentials, without sending anything to anybody.

For each there is a call that needs them and does nothing; what it answers to wrong ones, the provider's
own ``read`` knows.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from pydantic_core import from_json, to_json

from services.mailer.outcome import Unauthorised
from services.mailer.providers.base import AwsCredentials, Provider, Request, Response
from services.mailer.providers.mailgun import Mailgun
from services.mailer.providers.mandrill import Mandrill
from services.mailer.providers.postmark import Postmark
from services.mailer.providers.resend import Resend
from services.mailer.providers.sendgrid import SendGrid
from services.mailer.providers.ses import Ses


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the provider thinks of the credentials."""

    word: Literal["good", "refused", "unclear"]
    why: str


def question(provider: Provider) -> Request | None:
    """Give the request that asks; None for what has no HTTP interface.

    * SendGrid: https://www.twilio.com/docs/sendgrid/api-reference/api-key-permissions
    * Mandrill: https://mailchimp.com/developer/transactional/api/users/ping/
    * Postmark: https://postmarkapp.com/developer/api/server-api
    * Resend: https://resend.com/docs/api-reference/domains/list-domains
    * Mailgun: a message without sender and recipient, since a domain's sending key may do nothing else:
      https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages
    * Amazon SES: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html
    """
    match provider:
        case SendGrid():
            return Request(f"{_base(provider.base_url)}/v3/scopes", b"", _bearer(provider.api_key), "GET")
        case Mandrill():
            headers = {"Content-Type": "application/json"}
            url = f"{_base(provider.base_url)}/api/1.0/users/ping2.json"
            return Request(url, to_json({"key": provider.api_key}), headers)
        case Postmark():
            headers = {"X-Postmark-Server-Token": provider.server_token, "Accept": "application/json"}
            return Request(f"{_base(provider.base_url)}/server", b"", headers, "GET")
        case Resend():
            return Request(f"{_base(provider.base_url)}/domains", b"", _bearer(provider.api_key), "GET")
        case Mailgun():
            return _mailgun(provider)
        case Ses():
            return _ses(provider)
        case _:
            return None


def answer(provider: Provider, response: Response) -> Verdict:
    """Say what the answer means; never raises, whatever the bytes are."""
    said = _parsed(response.body)
    if 200 <= response.status < 300:
        return _good(provider, said)
    if isinstance(provider, Resend) and said.get("name") == "restricted_api_key":
        return Verdict("good", "it may send, and nothing else")
    if isinstance(provider, Mailgun) and response.status == 400:
        return Verdict("good", "it may send for the domain")
    if isinstance(provider, Ses) and "AccessDenied" in str(response.headers.get("x-amzn-errortype", "")):
        return Verdict("good", "they are known, and may not ask about the account, which is as it should be")
    outcome = provider.read(response)
    if isinstance(outcome, Unauthorised):
        return Verdict("refused", f"HTTP {response.status}")
    return Verdict("unclear", f"HTTP {response.status}")


def _good(provider: Provider, said: dict[str, object]) -> Verdict:
    scopes = said.get("scopes")
    if isinstance(provider, SendGrid) and isinstance(scopes, list) and "mail.send" not in scopes:
        return Verdict("refused", "the API key lacks the permission Mail Send")
    if isinstance(provider, Ses) and said.get("SendingEnabled") is False:
        return Verdict("refused", "Amazon has paused the account's sending")
    if isinstance(provider, Ses) and said.get("ProductionAccessEnabled") is False:
        return Verdict("unclear", "the account is in Amazon's sandbox, and sends to verified addresses only")
    return Verdict("good", "the provider takes them")


def _parsed(body: bytes) -> dict[str, object]:
    try:
        said = from_json(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _base(url: str) -> str:
    return url.rstrip("/")


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Accept": "application/json"}


def _mailgun(provider: Mailgun) -> Request:
    user = base64.b64encode(f"api:{provider.api_key}".encode()).decode()
    url = f"{_base(provider.base_url)}/v3/{quote(provider.domain, safe='')}/messages"
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return Request(url, b"", {"Authorization": f"Basic {user}", **form})


def _ses(provider: Ses) -> Request:
    base_url = provider.base_url or f"https://email.{provider.region}.amazonaws.com"
    credentials = AwsCredentials(
        access_key_id=provider.access_key_id,
        secret_access_key=provider.secret_access_key,
        session_token=provider.session_token,
        region=provider.region,
        service="ses",
    )
    url = f"{_base(base_url)}/v2/email/account"
    return Request(url, b"", {"Accept": "application/json"}, "GET", signed_by=credentials)
