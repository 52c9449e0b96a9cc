"""What precedes the first transaction of a connection: greeting, EHLO, STARTTLS, AUTH."""

from __future__ import annotations

from aiosmtplib import SMTP, SMTPResponseException

from services.mailer.providers.base import Submission
from services.mailer.smtp.progress import Progress


async def open_session(smtp: SMTP, submission: Submission, progress: Progress) -> None:
    """Connect, encrypt as the submission wants it, and log in.

    Raises:
        NotSentError: The server does not offer what we insist on.
        SMTPException: It refused us, or hung up.
        OSError: It could not be reached, or not be trusted.
    """
    try:
        await smtp.connect()
    except SMTPResponseException:
        progress.stage = "greeting"
        raise
    await _introduce(smtp, progress)
    if submission.security == "starttls":
        progress.stage = "starttls"
        if not smtp.supports_extension("starttls"):
            # Never without: somebody on the way may have taken the offer out of the answer.
            raise progress.failure("not offered")
        await smtp.starttls()
        await _introduce(smtp, progress)
    if submission.username is not None:
        await _log_in(smtp, submission.username, submission.password or "", progress)


async def _introduce(smtp: SMTP, progress: Progress) -> None:
    """Say who we are: our address, since a pod has no name that anybody could look up (RFC 5321, 4.1.4)."""
    progress.stage = "ehlo"
    address = str(smtp.get_transport_info("sockname")[0]).partition("%")[0]
    await smtp.ehlo(hostname=f"[IPv6:{address}]" if ":" in address else f"[{address}]")


async def _log_in(smtp: SMTP, username: str, password: str, progress: Progress) -> None:
    """Log in by the first way that we know and the server offers.

    Only by that one: a server counts wrong passwords, and locks who tries too many.
    """
    progress.stage = "auth"
    if "plain" in smtp.server_auth_methods:
        await smtp.auth_plain(username, password)
    elif "login" in smtp.server_auth_methods:
        await smtp.auth_login(username, password)
    else:
        raise progress.failure("neither PLAIN nor LOGIN is offered")
