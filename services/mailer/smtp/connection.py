"""One SMTP connection: opened, used for one transaction after the other, closed (RFC 5321, 3)."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from services.mailer.providers.base import Response, Submission
from services.mailer.smtp.opening import open_session
from services.mailer.smtp.progress import Progress
from services.mailer.smtp.transaction import transact

_FAREWELL_SECONDS = 2.0
_MOST_SUBMISSIONS = 100  # many servers end a connection after so many or more; we are the first to
_GOODBYE = 421
_IN_TRANSACTION = frozenset({"mail", "rcpt", "data", "body"})

Account = tuple[str, int, str, str | None, str | None]


def account(submission: Submission) -> Account:
    """Give what the submissions on one connection have in common."""
    return (
        submission.host,
        submission.port,
        submission.security,
        submission.username,
        submission.password,
    )


class Connection:
    """A connection for one account's submissions; the first of them opens it."""

    def __init__(self, submission: Submission, context: ssl.SSLContext | None) -> None:
        self.account = account(submission)
        self.is_sound = False
        """Whether nothing stands against another transaction."""
        self._submissions = 0
        self._smtp = SMTP(
            hostname=submission.host,
            port=submission.port,
            use_tls=submission.security == "tls",
            start_tls=False,  # it is a step of its own here
            tls_context=context,
            local_hostname="localhost",  # not looked up, and not said either: see opening.py
            timeout=None,
        )

    @property
    def is_open(self) -> bool:
        """Whether it is connected, as far as anybody knows."""
        return self._smtp.is_connected

    async def deliver(self, submission: Submission, progress: Progress, until: float) -> Response:
        """Perform one submission; its final dot does not leave after ``until`` (monotonic).

        Raises:
            NotSentError: The server lacks what we insist on, or says what makes no sense.
            NoAnswerError: It says what makes no sense after the final dot.
            SMTPException: The connection was lost.
            OSError: It could not be made, or not be trusted; or it is too late.
            ValueError: An address cannot stand in a command.
        """
        self.is_sound = False
        self._submissions += 1
        try:
            if not self.is_open:
                await open_session(self._smtp, submission, progress)
            response = await transact(self._smtp, submission, progress, until)
        except SMTPResponseException as refusal:
            response = progress.response(refusal.code, refusal.message)
        in_step = progress.stage != "body" or progress.dot_has_left
        self.is_sound = (
            in_step
            and progress.stage in _IN_TRANSACTION
            and response.status != _GOODBYE
            and self._submissions < _MOST_SUBMISSIONS
        )
        return response

    async def log_in(self, submission: Submission, progress: Progress) -> None:
        """Open the connection, and submit nothing; see :func:`open_session` for what it raises."""
        await open_session(self._smtp, submission, progress)

    async def is_ready(self, patience: float) -> bool:
        """Ask whether it is still alive, for so many seconds; no transaction is left over then."""
        try:
            async with asyncio.timeout(patience):
                await self._smtp.rset()
        except (SMTPException, OSError):
            return False
        return True

    async def quit(self) -> None:
        """Say goodbye, and close whatever the server says."""
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._smtp.quit()
        except (SMTPException, OSError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once; what waits to be written is thrown away."""
        transport = self._smtp.transport
        if transport is not None:
            cast("asyncio.WriteTransport", transport).abort()
        self._smtp.close()
