"""Performs submissions, and says exactly whether one may have been taken where no answer tells."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from dataclasses import dataclass, field

import aiosmtplib

from services.mailer.delivery.ports import NotSentError
from services.mailer.providers.base import Response, Submission
from services.mailer.smtp.connection import Connection
from services.mailer.smtp.pool import Pool
from services.mailer.smtp.progress import Progress

_CHECK_SECONDS = 2.0
_HERE = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


@dataclass(slots=True)
class SmtpTransport:
    """Shares its connections among all attempts; for one event loop.

    ``deadline`` in seconds bounds each submission as a whole, and ``connections`` those that are open at
    once, idle ones included.  A private authority's certificate is trusted through ``SSL_CERT_FILE``.
    """

    deadline: float
    connections: int
    idle: float = 15.0
    """Seconds that a connection waits for more; servers bear minutes (RFC 5321, 4.5.3.2.7), what stands in
    between often less."""
    _pool: Pool = field(init=False)
    _places: asyncio.Semaphore = field(init=False)
    _busy: int = field(default=0, init=False)
    _context: ssl.SSLContext | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._pool = Pool(self.idle)
        self._places = asyncio.Semaphore(self.connections)

    async def perform(self, submission: Submission) -> Response:
        """Perform ``submission`` once; see :class:`~services.mailer.delivery.ports.Transport`.

        A reply of the server comes back as a :class:`.Response`, whichever command it answered; the header
        ``stage`` names that.  Before the final dot (RFC 5321, 4.1.1.4) leaves, nothing can have been sent.
        """
        _check_secrecy(submission)
        progress = Progress()
        until = time.monotonic() + self.deadline
        try:
            async with asyncio.timeout(self.deadline), self._places:
                return await self._perform(submission, progress, until)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # Not chained: the library's words repeat addresses.
            raise progress.failure(_name(error)) from None

    async def close(self) -> None:
        """Say goodbye on the connections that are idle."""
        await self._pool.close()

    async def _perform(self, submission: Submission, progress: Progress, until: float) -> Response:
        connection: Connection | None = None
        self._busy += 1
        try:
            connection = await self._connection(submission)
            self._pool.shrink(self.connections - self._busy)
            return await connection.deliver(submission, progress, until)
        finally:
            self._busy -= 1
            if connection is not None and connection.is_sound:
                self._pool.keep(connection)
            elif connection is not None:
                connection.abort()

    async def _connection(self, submission: Submission) -> Connection:
        kept = await self._pool.take(submission, min(_CHECK_SECONDS, self.deadline / 4))
        if kept is not None:
            return kept
        if self._context is None and submission.security != "none":
            self._context = await asyncio.to_thread(ssl.create_default_context)
        return Connection(submission, self._context)


def _check_secrecy(submission: Submission) -> None:
    """Never send a password in the clear, but to this very machine."""
    if submission.username is not None and submission.security == "none" and not _is_here(submission.host):
        raise NotSentError("the password would travel unencrypted")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _HERE


def _name(error: Exception) -> str:
    """Name what went wrong, without the words of the exception."""
    if type(error) is TimeoutError:
        return "deadline exceeded"
    return type(error.__cause__ or error).__name__
