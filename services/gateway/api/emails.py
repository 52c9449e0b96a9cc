"""``/emails`` and ``/welcome-emails``: accepting a message, and telling what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web

from services.gateway import problems
from services.gateway.api.representation import represent_email, represent_timeline
from services.gateway.api.requests import BodyReader
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.writer import Entry, Writer
from services.gateway.submission.email import parse_email, parse_welcome_email
from shared.signatures import SendEmail, SendWelcomeEmail

TENANT = "default"
"""The one tenant there is until callers authenticate."""

MESSAGE_ID = "message_id"
"""Key under which a request carries the id of its message, for the log line."""

_RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Emails:
    """The handlers, with what they need."""

    writer: Writer
    ledger: Ledger
    body: BodyReader

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        return (
            web.post("/emails", self.post_email),
            web.post("/welcome-emails", self.post_welcome_email),
            web.get("/emails/{id}", self.get_email, allow_head=False),
            web.get("/emails/{id}/events", self.get_events, allow_head=False),
        )

    async def post_email(self, request: web.Request) -> web.Response:
        """Accept a message: 202 once it is committed."""
        submission = parse_email(await self.body.read(request))
        return await self._accept(request, submission.signature(new_message_id(), TENANT))

    async def post_welcome_email(self, request: web.Request) -> web.Response:
        """Accept a recipient for the mailer's own welcome message."""
        submission = parse_welcome_email(await self.body.read(request))
        return await self._accept(request, submission.signature(new_message_id(), TENANT))

    async def get_email(self, request: web.Request) -> web.Response:
        """Show a message and its state."""
        row = await self._find(request)
        return web.json_response(represent_email(_signature(row), **_state(row)))

    async def get_events(self, request: web.Request) -> web.Response:
        """Show a message's timeline."""
        row = await self._find(request)
        recorded = await self._ask(self.ledger.timeline(row.id))
        return web.json_response(represent_timeline(row.accepted_at, row.queued_at, recorded))

    async def _accept(self, request: web.Request, signature: SendEmail | SendWelcomeEmail) -> web.Response:
        message_id = signature.message_id
        assert message_id is not None  # noqa: S101 - the gateway has just made it
        request[MESSAGE_ID] = message_id
        entry = Entry(message_id, signature.tenant, signature.lane, signature.task, signature.arguments())
        try:
            await self.writer.append(entry)
        except LedgerUnavailableError as error:
            doubtful = message_id if error.unknown else None
            raise problems.unavailable(_RETRY_AFTER_SECONDS, message_id=doubtful) from error
        except EntryRefusedError as error:
            refused = problems.FieldError("", "the ledger cannot store this text")
            raise problems.invalid_fields([refused]) from error
        return web.Response(
            body=b'{"id":"%s"}' % str(message_id).encode(), status=202, content_type="application/json"
        )

    async def _find(self, request: web.Request) -> Any:
        try:
            message_id = UUID(request.match_info["id"])
        except ValueError:
            raise problems.not_found() from None
        row = await self._ask(self.ledger.find(TENANT, message_id))
        if row is None:
            raise problems.not_found()
        return row

    async def _ask(self, question: Any) -> Any:
        try:
            return await question
        except LedgerUnavailableError as error:
            raise problems.unavailable(_RETRY_AFTER_SECONDS) from error


def _signature(row: Any) -> SendEmail | SendWelcomeEmail:
    signature = SendEmail if row.task == SendEmail.task else SendWelcomeEmail
    return signature.parse(row.arguments)


def _state(row: Any) -> dict[str, Any]:
    return {
        "status": row.status,
        "created_at": row.accepted_at,
        "attempts": row.attempts,
        "provider": row.provider,
        "provider_message_id": row.provider_message_id,
        "reason": row.reason,
    }
