"""The mail catcher: the letters that the mailer's provider ``outbox`` wrote, as an inbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import structlog
from aiohttp import web

from services.gateway import problems
from services.gateway.api.access import caller
from services.gateway.dashboard.asking import named, nothing_new, numbered, seen
from services.gateway.dashboard.frame import POLICY, Frame, see_other
from services.gateway.dashboard.inert import FRAME_POLICY, download, framed, plain
from services.gateway.dashboard.letter import Letter, letter_in
from services.gateway.dashboard.letter_page import letter_context
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.outbox import File, Glance, Outbox
from services.gateway.dashboard.sessions import PATH
from services.gateway.ledger.listing import Listing
from services.gateway.tenants.callers import Caller, Permission

log = structlog.get_logger()

INBOX: Final = f"{PATH}/inbox"
_ONE: Final = f"{INBOX}/{{id}}"
_SIZE: Final = 30
_AT_ONCE: Final = 200
_LOOKED_THROUGH: Final = 2000
_DONE: Final = {"removed": "Removed.", "cleared": "The inbox is empty."}


@dataclass(frozen=True, slots=True)
class Inbox:
    """The handlers, with what they need."""

    frame: Frame
    outbox: Outbox
    listing: Listing

    entry = Entry(INBOX, "Inbox")

    def routes(self) -> Iterable[web.RouteDef]:
        """The pages' routes."""
        page = self.frame.page
        return (
            web.get(INBOX, page(self.get_inbox), allow_head=False),
            web.get(f"{INBOX}/lines", page(self.get_lines), allow_head=False),
            web.post(f"{INBOX}/clear", self.frame.form(self.clear)),
            web.get(_ONE, page(self.get_one), allow_head=False),
            web.get(f"{_ONE}/letter", page(self.get_letter), allow_head=False),
            web.get(f"{_ONE}/source", page(self.get_source), allow_head=False),
            web.get(f"{_ONE}/attachments/{{number}}", page(self.get_attachment), allow_head=False),
            web.post(f"{_ONE}/remove", self.frame.form(self.remove)),
        )

    async def get_inbox(self, request: web.Request) -> web.Response:
        """Show a page of it."""
        return self.frame.render(request, "inbox.html", await self._found(request))

    async def get_lines(self, request: web.Request) -> web.Response:
        """Show the lines alone, if they are others by now."""
        context = await self._found(request)
        return nothing_new(request, context["lines"]) or self.frame.render(
            request, "inbox_lines.html", context
        )

    async def get_one(self, request: web.Request) -> web.Response:
        """Show a letter."""
        letter, source = await self._letter(request)
        message_id = named(request)
        owners = await self.listing.owners([message_id])
        context = {
            "id": message_id,
            "is_known": message_id in owners,
            "may_change": caller(request).may(Permission.FULL),
            **letter_context(request, letter, source, at=f"{INBOX}/{message_id}"),
        }
        return self.frame.render(request, "inbox_letter.html", context, policy=f"{POLICY}; {FRAME_POLICY}")

    async def get_letter(self, request: web.Request) -> web.Response:
        """Show the HTML, for a frame."""
        letter, _ = await self._letter(request)
        if letter.html is None:
            raise web.HTTPNotFound
        return framed(letter.html, letter.attachments, images=request.query.get("images") == "1")

    async def get_source(self, request: web.Request) -> web.Response:
        """Give it as it was written."""
        _, source = await self._letter(request)
        return plain(source, f"{named(request)}.eml")

    async def get_attachment(self, request: web.Request) -> web.Response:
        """Give a file."""
        letter, _ = await self._letter(request)
        return download(numbered(request, letter.attachments))

    async def remove(self, request: web.Request) -> web.Response:
        """Remove a letter."""
        await self._letter(request)
        await asyncio.to_thread(self.outbox.remove, named(request))
        return see_other(f"{INBOX}?done=removed")

    async def clear(self, request: web.Request) -> web.Response:
        """Remove all letters that may be seen."""
        files = await self._visible(caller(request), await asyncio.to_thread(self.outbox.files))
        await asyncio.to_thread(lambda: [self.outbox.remove(file.id) for file in files])
        log.info(
            "inbox.cleared", tenant=caller(request).tenant, by=str(caller(request).key_id), letters=len(files)
        )
        return see_other(f"{INBOX}?done=cleared")

    async def _found(self, request: web.Request) -> dict[str, Any]:
        text = request.query.get("q", "").strip()
        files = (await asyncio.to_thread(self.outbox.files))[:_LOOKED_THROUGH]
        visible = await self._visible(caller(request), files)
        number = request.query.get("page", "")
        page = int(number) if number.isascii() and number.isdecimal() and len(number) < 4 else 0
        lines, has_more = await asyncio.to_thread(self._glances, visible, text.lower(), page)
        return {
            "lines": lines,
            "q": text,
            "count": len(visible),
            "query": urlencode({"q": text} if text else {}),
            "page": page,
            "has_more": has_more,
            "seen": seen((len(visible), lines)),
            "done": _DONE.get(request.query.get("done", "")),
            "may_change": caller(request).may(Permission.FULL),
        }

    def _glances(self, files: Sequence[File], text: str, page: int) -> tuple[list[Glance], bool]:
        """The letters of a page that hold every word of *text*; runs in a thread."""
        words, first = text.split(), page * _SIZE
        if not words:
            shown = [self.outbox.glance(file) for file in files[first : first + _SIZE]]
            return [glance for glance in shown if glance], len(files) > first + _SIZE
        every = (self.outbox.glance(file) for file in files)
        found = [glance for glance in every if glance and all(word in glance.words for word in words)]
        return found[first : first + _SIZE], len(found) > first + _SIZE

    async def _letter(self, request: web.Request) -> tuple[Letter, bytes]:
        message_id = named(request)
        source = await asyncio.to_thread(self.outbox.source, message_id)
        if source is None or not await self._may_see(caller(request), [message_id]):
            raise problems.not_found()
        return await asyncio.to_thread(letter_in, source), source

    async def _visible(self, who: Caller, files: Sequence[File]) -> list[File]:
        visible: list[File] = []
        for first in range(0, len(files), _AT_ONCE):
            part = files[first : first + _AT_ONCE]
            allowed = await self._may_see(who, [file.id for file in part])
            visible += [file for file in part if file.id in allowed]
        return visible

    async def _may_see(self, who: Caller, ids: Sequence[UUID]) -> set[UUID]:
        """Of its tenant's messages; the development key sees those, too, that no gateway knows of."""
        owners = await self.listing.owners(ids)
        return {
            one for one in ids if owners.get(one, who.tenant if who.is_development else None) == who.tenant
        }
