"""The fake mail server as a whole; :mod:`.conversation` is one connection of it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from tests.fakes.entry import Entry
from tests.fakes.fake import Fake
from tests.fakes.faults import Fault
from tests.fakes.smtp import stages
from tests.fakes.smtp.conversation import Conversation
from tests.fakes.smtp.letters import subject
from tests.fakes.smtp.watched import Watched

# The library tells every step, and warns of what it does itself.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

_SCHEMES = {"none": "smtp", "starttls": "smtp+starttls", "tls": "smtps"}


class FakeSmtp(Fake):
    """A submission server (RFC 6409): logs in, takes messages over, delivers none.

    One entry of the record is one message that came to its final dot; its payload is sender, recipients
    and content.  With an ``api_key``, which is the password, nobody sends without having logged in.
    """

    kind: ClassVar[str] = "smtp"
    weights: ClassVar[Mapping[str, tuple[int, Fault]]] = stages.WEIGHTS

    def __init__(
        self,
        *,
        security: Literal["starttls", "tls", "none"] = "none",
        context: ssl.SSLContext | None = None,
        **settings: Any,
    ) -> None:
        """Prepare a fake; see :class:`.Fake` for the other settings.

        Args:
            security: What it offers or demands.
            context: Its certificate, for STARTTLS and TLS.
        """
        super().__init__(**settings)
        self.security = security
        self.context = context
        self.mechanisms: tuple[str, ...] = ("LOGIN", "PLAIN")
        """The ways to log in that it offers."""
        self.connections = 0
        """How many connections there were so far."""
        self.most_connections = 0
        """How many of them there were at once, at most."""
        self.commands: list[str] = []
        """Every command so far, without its arguments."""
        self.introductions: list[str] = []
        """What the clients called themselves."""
        self.largest = 50 * 1024 * 1024
        """Bytes that a message may have."""
        self.treatments = self._treatments = stages.StagedTreatments()
        self._conversations: set[Watched] = set()
        self._takings: set[asyncio.Future[str]] = set()
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        host, port = self._address
        return f"{_SCHEMES[self.security]}://{host}:{port}"

    @property
    def early(self) -> Callable[[stages.Stage], Fault | None] | None:
        """Asked at each stage before the message has come, where the script has nothing to say."""
        return self.treatments.early

    @early.setter
    def early(self, rule: Callable[[stages.Stage], Fault | None] | None) -> None:
        self.treatments.early = rule

    @property
    def open_connections(self) -> int:
        return len(self._conversations)

    def summary(self, payload: Any) -> str:
        return f"to {', '.join(payload['recipients'])}: {subject(payload['content'])}"

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = await self._loop.create_server(
            self._converse,
            host,
            port or self._address[1],
            ssl=self.context if self.security == "tls" else None,
        )
        self._address = (host, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            left = tuple(self._conversations)
            for conversation in left:
                conversation.tear()
            await asyncio.gather(*(conversation.gone.wait() for conversation in left))
            await self._server.wait_closed()
            self._server = None
        await asyncio.gather(*self._takings)
        self._record.close()

    def _converse(self) -> Conversation:
        return Conversation(self)

    def began(self, conversation: Watched) -> None:
        """Count a connection, which is met once more when it has become encrypted."""
        if conversation not in self._conversations:
            self.connections += 1
            self._conversations.add(conversation)
            self.most_connections = max(self.most_connections, len(self._conversations))

    def ended(self, conversation: Watched) -> None:
        self._conversations.discard(conversation)

    def opened(self, message_id: str | None, payload: Any) -> Entry:
        return self._record.open(method="DATA", path="/", headers={}, payload=payload, message_id=message_id)

    def note(self, number: int, **changes: Any) -> None:
        self._record.note(number, **changes)

    async def take(self, entry: Entry, fault: Fault) -> str:
        """Take a message over, if the fault lets us, whether or not the client stays; gives its queue id."""
        taking = asyncio.ensure_future(self._take(entry, fault))
        self._takings.add(taking)
        taking.add_done_callback(self._takings.discard)
        return await asyncio.shield(taking)

    async def _take(self, entry: Entry, fault: Fault) -> str:
        queue_id = secrets.token_hex(6).upper()
        await asyncio.sleep(self.latency / 2)
        if fault.accept:
            self._took(entry.number, queue_id)
        await asyncio.sleep(self.latency / 2)
        return queue_id
