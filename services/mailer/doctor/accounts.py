"""Whether the providers take the accounts' credentials; nothing is sent to anybody."""

from __future__ import annotations

from typing import Final

from services.mailer.account_settings import AccountSettings, OutboxAccount
from services.mailer.delivery.ports import NoAnswerError, NotSentError
from services.mailer.doctor.disk import room
from services.mailer.doctor.finding import Finding
from services.mailer.providers.base import Provider, Submission
from services.mailer.providers.credentials import answer, question
from services.mailer.providers.smtp import Smtp
from services.mailer.smtp.greeting import greet
from services.mailer.transport import HttpTransport

_DEADLINE_SECONDS: Final = 10.0
_AWAY: Final = "Is the address right, and is there a way out to it?"


async def account_check(name: str, account: AccountSettings) -> Finding:
    """Ask one account's provider."""
    check = f"account {name}"
    if isinstance(account, OutboxAccount):
        return room(check, account.directory)
    provider = account.provider()
    if isinstance(provider, Smtp):
        return await _smtp(check, provider)
    return await _http(check, provider)


async def _http(check: str, provider: Provider) -> Finding:
    asked = question(provider)
    if asked is None:
        return Finding(check, "warning", f"nothing is known of how to ask {provider.kind}")
    transport = HttpTransport(_DEADLINE_SECONDS, 1)
    try:
        response = await transport.perform(asked)
    except (NotSentError, NoAnswerError) as error:
        return Finding(check, "failed", f"{provider.kind} does not answer ({error})", _AWAY)
    finally:
        await transport.close()
    verdict = answer(provider, response)
    said = f"{provider.kind}: {verdict.why}"
    match verdict.word:
        case "good":
            return Finding(check, "ok", said)
        case "refused":
            return Finding(
                check, "failed", f"{said}: the credentials are refused", "Replace the account's key."
            )
        case _:
            return Finding(
                check, "warning", f"{said}: nobody can tell", "Look at the provider's status page."
            )


async def _smtp(check: str, provider: Smtp) -> Finding:
    nobody = Submission(
        host=provider.host,
        port=provider.port,
        security=provider.security,
        username=provider.username,
        password=provider.password,
        sender="",
        recipients=(),
        body=b"",
    )
    problem = await greet(nobody, _DEADLINE_SECONDS)
    if problem is None:
        return Finding(check, "ok", "smtp: the server lets us in")
    advice = "Look at the user and the password." if "auth" in problem else _AWAY
    return Finding(check, "failed", f"smtp: {problem}", advice)
