"""Posts webhooks: to allowed addresses only, within a deadline, and without believing the answer much.

aiohttp is used as it is, and not behind httpx: resolver and sockets are ours here, see ``guard``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from services.mailer.webhooks.addresses import Addresses
from services.mailer.webhooks.destination import NotPostedError, destination, refusal
from services.mailer.webhooks.guard import CheckedNames, Guard, NotPublicError, SystemNames
from services.mailer.webhooks.patience import Patience

_KEEPALIVE_SECONDS = 3.0
"""Many servers hang up after 5 s of silence; what is posted into that moment would count as a failure."""
_MOST_ANSWER_BYTES = 4_000  # a thousand characters of UTF-8, whichever they are

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "the name cannot be found"),
    (aiohttp.ClientConnectorCertificateError, "the certificate is not trusted"),
    (aiohttp.ClientSSLError, "TLS failed"),
    (aiohttp.ClientConnectorError, "nobody can be connected to"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    (aiohttp.ClientResponseError, "the answer is no HTTP"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said."""

    status: int
    body: bytes = b""
    """Its beginning."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""


class WebhookTransport:
    """One for all webhooks; ``deadline`` in seconds bounds each exchange, from the look-up on."""

    def __init__(
        self,
        addresses: Addresses,
        deadline: float,
        connections: int,
        tls: SSLContext,
        names: AbstractResolver | None = None,
    ) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._connections = connections
        self._tls = tls
        self._names = names or SystemNames(connections)
        self._patience = Patience()
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post ``body`` once, and return what was answered, a redirect included.

        Raises:
            NotPostedError: There was no answer.
        """
        target = destination(url, self._addresses)
        self._patience.admit(url)
        until = asyncio.get_running_loop().time() + self._deadline
        try:
            async with asyncio.timeout_at(until):
                response = await self._session(target).post(
                    target, data=body, headers=headers, allow_redirects=False
                )
        except TimeoutError:
            self._patience.waited_in_vain(url)
            raise NotPostedError(f"no answer within {self._deadline:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotPostedError(_reason(error, target)) from None
        self._patience.answered(url)
        try:
            said = await _beginning(response, until)
        finally:
            response.release()  # which closes a connection with more to come
        told = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, said, told)

    async def close(self) -> None:
        """Close what is kept open."""
        for session in self._sessions.values():
            await session.close()
        await self._names.close()

    def _session(self, target: URL) -> aiohttp.ClientSession:
        """The session for the scheme; what is true of one that encrypts is not of the other."""
        if target.scheme not in self._sessions:
            guard = Guard(self._addresses, encrypted=target.scheme == "https")
            connector = aiohttp.TCPConnector(
                resolver=CheckedNames(self._names, guard),
                socket_factory=guard.socket,
                ssl=self._tls,
                use_dns_cache=False,
                limit=self._connections,
                keepalive_timeout=_KEEPALIVE_SECONDS,
            )
            self._sessions[target.scheme] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,  # a proxy would look the name up once more, unguarded
            )
        return self._sessions[target.scheme]


async def _beginning(response: aiohttp.ClientResponse, until: float) -> bytes:
    """Read the first of the body, for a human; the status has said already how it went."""
    said = bytearray()
    try:
        async with asyncio.timeout_at(until):
            while len(said) < _MOST_ANSWER_BYTES and (chunk := await response.content.readany()):
                said += chunk
    except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
        pass
    return bytes(said[:_MOST_ANSWER_BYTES])


def _reason(error: Exception, target: URL) -> str:
    """Say why, without the exception's own text, which holds addresses."""
    if isinstance(error, NotPublicError) or isinstance(error.__cause__, NotPublicError):
        return refusal(target)
    return next((words for kind, words in _REASONS if isinstance(error, kind)), type(error).__name__)
