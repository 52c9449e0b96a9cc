"""``/emails`` and ``/welcome-emails``: accepting a message, and telling what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web

from services.gateway import problems
from services.gateway.acceptance.acceptance import Acceptance, Accepted
from services.gateway.acceptance.entries import Draft
from services.gateway.acceptance.idempotency import read_key
from services.gateway.api.access import caller, needs
from services.gateway.api.representation import represent_email, represent_timeline
from services.gateway.api.requests import BodyReader
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.deposit import Key, item_answer
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.queries import Ledger
from services.gateway.problems import FieldError, Problem
from services.gateway.scheduling import Scheduling
from services.gateway.submission.email import EmailSubmission, Rescheduling, parse_email, parse_welcome_email
from services.gateway.submission.validation import read
from services.gateway.templates.published import TemplateContent, Templates
from services.gateway.tenants.callers import Caller, Permission
from services.gateway.unsubscribing import Subscriber, Unsubscribing
from shared.signatures import SendEmail, SendWelcomeEmail

# Without this a batch, or a replay, would be a message as soon as the method is another one.
_ONE = "/emails/{id:(?!(?:batch|replay)$)[^/]+}"

MESSAGE_ID = web.RequestKey("message_id", UUID)
"""Key under which a request carries the id of its message, for the log line."""

RESENDS = web.RequestKey("resends", bool)
"""Key of a request whose 202 is about messages that were accepted before."""

RETRY_AFTER_SECONDS = 2

_NO_LINKS = FieldError(
    "/unsubscribe",
    "is not possible here: the operator has not set PILLARBOX_PUBLIC_URL and PILLARBOX_UNSUBSCRIBE_KEYS",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Drafting:
    """Makes drafts of submissions: gives them their ids, and looks their templates up."""

    templates: Templates
    unsubscribing: Unsubscribing | None = None
    """None where the operator has not set what it takes."""

    async def draft(
        self, caller: Caller, submission: EmailSubmission, *, key: Key | None = None, place: str = ""
    ) -> Draft:
        """Return the draft of a submission that stands at *place* in the body.

        Raises:
            Problem: 422, the template is not there or lacks something, or there are no links to
                unsubscribe here; 503, the ledger is away.
        """
        template = await self._template(caller.tenant, submission)
        signature = submission.signature(new_message_id(), caller.tenant, template)
        if submission.unsubscribe:
            signature = self._with_link(signature)
        return Draft(signature, submission.scheduled_at, key, place)

    def _with_link(self, signature: SendEmail) -> SendEmail:
        if self.unsubscribing is None:
            raise problems.invalid_fields([_NO_LINKS])
        (recipient,) = signature.to
        subscriber = Subscriber(signature.tenant, recipient.email, signature.message_id)
        headers = signature.headers | self.unsubscribing.headers(subscriber)
        return signature.model_copy(update={"headers": headers})

    async def _template(self, tenant: str, submission: EmailSubmission) -> TemplateContent | None:
        if submission.template is None:
            return None
        content = await ask(self.templates.published(tenant, submission.template.id))
        if content is None:
            raise problems.invalid_fields([FieldError("/template/id", "names no published template")])
        return content


@dataclass(frozen=True, slots=True)
class Emails:
    """The handlers, with what they need."""

    acceptance: Acceptance
    drafting: Drafting
    ledger: Ledger
    scheduling: Scheduling
    body: BodyReader

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        return (
            web.post("/emails", self.post_email),
            web.post("/welcome-emails", self.post_welcome_email),
            web.get(_ONE, self.get_email, allow_head=False),
            web.patch(_ONE, self.patch_email),
            web.post("/emails/{id}/cancel", self.cancel_email),
            web.get("/emails/{id}/events", self.get_events, allow_head=False),
        )

    @needs(Permission.SENDING)
    async def post_email(self, request: web.Request) -> web.Response:
        """Accept a message: 202 once it is committed."""
        body = await self.body.read(request)
        key = read_key(request, "email", body)
        try:
            draft = await self.drafting.draft(caller(request), parse_email(body))
        except Problem as problem:
            return accepted_response(await self.acceptance.repeated(caller(request), key, problem))
        return await self._accept(request, draft, key)

    @needs(Permission.SENDING)
    async def post_welcome_email(self, request: web.Request) -> web.Response:
        """Accept a recipient for the mailer's own welcome message."""
        body = await self.body.read(request)
        key = read_key(request, "welcome-email", body)
        submission = parse_welcome_email(body)
        signature = submission.signature(new_message_id(), caller(request).tenant)
        return await self._accept(request, Draft(signature), key)

    @needs(Permission.READING)
    async def get_email(self, request: web.Request) -> web.Response:
        """Show a message and its state."""
        row = await self._find(request)
        return web.json_response(represent_row(row))

    @needs(Permission.READING)
    async def get_events(self, request: web.Request) -> web.Response:
        """Show a message's timeline."""
        row = await self._find(request)
        recorded = await ask(self.ledger.timeline(row.id))
        return web.json_response(represent_timeline(row.accepted_at, row.queued_at, recorded))

    @needs(Permission.SENDING)
    async def patch_email(self, request: web.Request) -> web.Response:
        """Give a scheduled message another time."""
        moment = read(Rescheduling, await self.body.read(request)).scheduled_at
        assert moment is not None  # noqa: S101 - the model requires it
        await ask(self.scheduling.reschedule(caller(request).tenant, named(request), moment))
        return _changed(request)

    @needs(Permission.SENDING)
    async def cancel_email(self, request: web.Request) -> web.Response:
        """Cancel a scheduled message: after a 200 it never leaves."""
        await ask(self.scheduling.cancel(caller(request).tenant, named(request)))
        return _changed(request)

    async def _accept(self, request: web.Request, draft: Draft, key: Key | None) -> web.Response:
        if draft.signature.message_id is not None:
            request[MESSAGE_ID] = draft.signature.message_id
        accepted = await self.acceptance.accept(caller(request), [draft], answer=_answer, key=key)
        return accepted_response(accepted)

    async def _find(self, request: web.Request) -> Any:
        row = await ask(self.ledger.find(caller(request).tenant, named(request)))
        if row is None:
            raise problems.not_found()
        return row


def named(request: web.Request) -> UUID:
    """The message that the path names.

    Raises:
        Problem: 404, no message can have that id.
    """
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise problems.not_found() from None


async def ask(question: Awaitable[T]) -> T:
    """Await an answer of the ledger.

    Raises:
        Problem: 503, there is none.
    """
    try:
        return await question
    except LedgerUnavailableError as error:
        raise problems.unavailable(RETRY_AFTER_SECONDS) from error


def _changed(request: web.Request) -> web.Response:
    return web.json_response({"object": "email", "id": str(named(request))})


def accepted_response(accepted: Accepted) -> web.Response:
    """The 202, with a word on whether it is a repetition."""
    headers = {"Idempotent-Replayed": "true"} if accepted.replayed else None
    return web.Response(body=accepted.body, status=202, content_type="application/json", headers=headers)


def _answer(ids: Sequence[UUID | None]) -> bytes:
    (message_id,) = ids
    assert message_id is not None  # noqa: S101 - only an item of a batch is refused alone
    return item_answer(message_id)


def represent_row(row: Any) -> dict[str, Any]:
    """Give a message of the ledger as ``GET /emails/{id}`` does."""
    return represent_email(signature_of(row), **_state(row))


def signature_of(row: Any) -> SendEmail | SendWelcomeEmail:
    """Read a message of the ledger."""
    signature = SendEmail if row.task == SendEmail.task else SendWelcomeEmail
    # What is left of a message whose bodies are purged still reads as one.
    return signature.parse(row.arguments or row.summary)


def _state(row: Any) -> dict[str, Any]:
    return {
        "status": row.status,
        "created_at": row.accepted_at,
        "scheduled_at": row.scheduled_at,
        "purged_at": row.purged_at,
        "series": row.series,
        "attempts": row.attempts,
        "provider": row.provider,
        "provider_message_id": row.provider_message_id,
        "reason": row.reason,
    }
