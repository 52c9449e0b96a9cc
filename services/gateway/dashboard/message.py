"""One message: what it says, what became of it, and what can be done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from pydantic_core import from_json, to_json

from services.gateway import problems
from services.gateway.api.access import caller
from services.gateway.api.emails import represent_row, signature_of
from services.gateway.api.representation import represent_timeline
from services.gateway.dashboard.asking import accepted, complaints, named, nothing_new, numbered, seen
from services.gateway.dashboard.frame import POLICY, Frame, see_other
from services.gateway.dashboard.inert import FRAME_POLICY, download, framed, plain
from services.gateway.dashboard.letter import Letter, letter_of
from services.gateway.dashboard.letter_page import letter_context
from services.gateway.dashboard.messages import MESSAGES, zoned
from services.gateway.dashboard.outbox import Outbox
from services.gateway.decisions import Decisions
from services.gateway.ledger.queries import Ledger
from services.gateway.problems import Problem
from services.gateway.scheduling import Scheduling
from services.gateway.states import CANCELED, DROPPED, RELEASED, REPLAYED, RESTING
from services.gateway.submission.email import Rescheduling
from services.gateway.tenants.callers import Caller, Permission
from shared.signatures import SendEmail

_ONE: Final = f"{MESSAGES}/{{id}}"
DONE: Final = {
    REPLAYED: "Replayed: it is sent once more.",
    RELEASED: "Released: it is sent once more.",
    DROPPED: "Dropped: it is not sent once more.",
    CANCELED: "Canceled: it never leaves.",
    "rescheduled": "It has another time now.",
}
_WELCOME: Final = Letter(
    None, (), None, None, complaint="Only the mailer knows the words of a welcome message."
)


@dataclass(frozen=True, slots=True)
class MessagePage:
    """The handlers, with what they need."""

    frame: Frame
    ledger: Ledger
    scheduling: Scheduling
    decisions: Decisions
    outbox: Outbox | None
    """None where the gateway is not to look into it."""

    entry = None

    def routes(self) -> Iterable[web.RouteDef]:
        """The page's routes."""
        deeds: dict[str, Callable[[web.Request], Awaitable[web.Response]]] = {
            "replay": self.replay,
            "release": self.release,
            "drop": self.drop,
            "cancel": self.cancel,
            "reschedule": self.reschedule,
        }
        page = self.frame.page
        return (
            web.get(_ONE, page(self.get_message), allow_head=False),
            web.get(f"{_ONE}/timeline", page(self.get_timeline), allow_head=False),
            web.get(f"{_ONE}/letter", page(self.get_letter), allow_head=False),
            web.get(f"{_ONE}/source", page(self.get_source), allow_head=False),
            web.get(f"{_ONE}/attachments/{{number}}", page(self.get_attachment), allow_head=False),
            *(web.post(f"{_ONE}/{name}", self.frame.form(deed)) for name, deed in deeds.items()),
        )

    async def get_message(self, request: web.Request) -> web.Response:
        """Show the page."""
        return await self._show(request)

    async def get_timeline(self, request: web.Request) -> web.Response:
        """Show what happened, if more has happened by now."""
        row = await self._find(request)
        context = await self._story(row)
        if (same := nothing_new(request, context["events"])) is not None:
            return same
        response = self.frame.render(request, "message_timeline.html", context)
        if request.query.get("status") != row.status:
            response.headers["HX-Refresh"] = "true"  # there are other things to do now
        return response

    async def get_letter(self, request: web.Request) -> web.Response:
        """Show the HTML, for a frame."""
        letter, _ = await self._letter(await self._find(request))
        if letter.html is None:
            raise web.HTTPNotFound
        return framed(letter.html, letter.attachments, images=request.query.get("images") == "1")

    async def get_source(self, request: web.Request) -> web.Response:
        """Give the whole source."""
        row = await self._find(request)
        _, source = await self._letter(row)
        suffix = "eml" if source is not None else "json"
        return plain(source if source is not None else row.arguments, f"{row.id}.{suffix}")

    async def get_attachment(self, request: web.Request) -> web.Response:
        """Give a file."""
        letter, _ = await self._letter(await self._find(request))
        return download(numbered(request, letter.attachments))

    async def replay(self, request: web.Request) -> web.Response:
        """Send it once more."""
        return await self._do(request, self.decisions.replay, REPLAYED)

    async def release(self, request: web.Request) -> web.Response:
        """Send it once more, although it may have been sent."""
        return await self._do(request, self.decisions.release, RELEASED)

    async def drop(self, request: web.Request) -> web.Response:
        """Give it up."""
        return await self._do(request, self.decisions.drop, DROPPED)

    async def cancel(self, request: web.Request) -> web.Response:
        """Have it never leave."""
        return await self._do(
            request, lambda who, message_id: self.scheduling.cancel(who.tenant, message_id), CANCELED
        )

    async def reschedule(self, request: web.Request) -> web.Response:
        """Give it another time."""
        text = (await self.frame.fields(request)).get("scheduled_at", "")
        asked, errors = accepted(Rescheduling, {"scheduled_at": zoned(text) if text[:1].isdigit() else text})
        if asked is None or asked.scheduled_at is None:
            return await self._show(request, errors=errors, status=422)
        moment: datetime = asked.scheduled_at
        return await self._do(
            request,
            lambda who, message_id: self.scheduling.reschedule(who.tenant, message_id, moment),
            "rescheduled",
        )

    async def _do(
        self, request: web.Request, deed: Callable[[Caller, UUID], Awaitable[None]], word: str
    ) -> web.Response:
        message_id = named(request)
        try:
            await deed(caller(request), message_id)
        except Problem as problem:
            if problem.status not in {409, 410, 422}:
                raise
            return await self._show(request, errors=complaints(problem), status=problem.status)
        return see_other(f"{MESSAGES}/{message_id}?done={word}")

    async def _show(
        self, request: web.Request, *, errors: dict[str, str] | None = None, status: int = 200
    ) -> web.Response:
        row = await self._find(request)
        letter, source = await self._letter(row)
        email = represent_row(row)
        raw = source if source is not None else _readable(row.arguments)
        context = {
            "email": email,
            "row": row,
            "errors": errors or {},
            "done": DONE.get(request.query.get("done", "")),
            "may_change": caller(request).may(Permission.FULL),
            **letter_context(request, letter, raw, at=f"{MESSAGES}/{row.id}"),
            **await self._story(row),
        }
        return self.frame.render(
            request, "message.html", context, status=status, policy=f"{POLICY}; {FRAME_POLICY}"
        )

    async def _story(self, row: Any) -> dict[str, Any]:
        recorded = await self.ledger.timeline(row.id)
        events = represent_timeline(row.accepted_at, row.queued_at, recorded)["data"]
        for event in events:
            event |= {name: datetime.fromisoformat(event[name]) for name in ("at", "retry_at") if event[name]}
        pace = "10s" if row.status in RESTING else "2s"
        return {"row": row, "events": events, "seen": seen(events), "pace": pace}

    async def _letter(self, row: Any) -> tuple[Letter, bytes | None]:
        """What it says; and what the outbox wrote of it, if there is one and it did."""
        source = None if self.outbox is None else await asyncio.to_thread(self.outbox.source, row.id)
        signature = signature_of(row)
        if isinstance(signature, SendEmail) and (row.purged_at is None or source is None):
            is_purged = row.purged_at is not None
            return await asyncio.to_thread(letter_of, signature, is_purged=is_purged), source
        written = None
        if self.outbox is not None:
            written = await asyncio.to_thread(self.outbox.letter, row.id)
        return written or _WELCOME, source

    async def _find(self, request: web.Request) -> Any:
        row = await self.ledger.find(caller(request).tenant, named(request))
        if row is None:
            raise problems.not_found()
        return row


def _readable(arguments: bytes) -> bytes:
    """The signature as people read JSON, without what nobody reads."""
    signature = from_json(arguments) if arguments else {}
    for each in signature.get("attachments", ()):
        each["content"] = f"({len(each.get('content', ''))} characters of base64)"
    return to_json(signature, indent=2)
