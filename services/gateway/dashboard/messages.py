"""The messages: looked for, and seen as they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from multidict import MultiDict

from services.gateway.api.access import caller
from services.gateway.api.email_filters import read_listing
from services.gateway.api.listing import represent_summary
from services.gateway.api.representation import LAST_EVENT
from services.gateway.dashboard.asking import Pager, complaints, nothing_new, seen
from services.gateway.dashboard.frame import Frame, see_other
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.sessions import PATH
from services.gateway.ledger.listing import Listed, Listing
from services.gateway.problems import Problem
from shared.signatures import Lane

MESSAGES: Final = f"{PATH}/messages"
_FILTERS: Final = ("q", "status", "priority", "provider", "since", "until", "after", "before")
_SIZE: Final = "25"


@dataclass(frozen=True, slots=True)
class Line:
    """What a list shows of a message."""

    id: UUID
    subject: str | None
    sender: str | None
    to: tuple[str, ...]
    tags: tuple[str, ...]
    status: str
    lane: str
    at: datetime
    scheduled_at: datetime | None
    attempts: int
    provider: str | None
    reason: str | None

    @classmethod
    def of(cls, row: Listed) -> Line:
        """Show a row as the API does."""
        shown = represent_summary(row)
        return cls(
            id=row.id,
            subject=shown["subject"],
            sender=shown["from"],
            to=tuple(shown["to"] + shown["cc"] + shown["bcc"]),
            tags=tuple(f"{tag['name']}:{tag['value']}" for tag in shown["tags"]),
            status=row.status,
            lane=shown["priority"],
            at=row.accepted_at,
            scheduled_at=row.scheduled_at,
            attempts=row.attempts,
            provider=row.provider,
            reason=row.reason,
        )


@dataclass(frozen=True, slots=True)
class Messages:
    """The handlers, with what they need."""

    frame: Frame
    listing: Listing

    entry = Entry(MESSAGES, "Messages")

    def routes(self) -> Iterable[web.RouteDef]:
        """The pages' routes."""
        return (
            web.get(MESSAGES, self.frame.page(self.get_messages), allow_head=False),
            web.get(f"{MESSAGES}/lines", self.frame.page(self.get_lines), allow_head=False),
        )

    async def get_messages(self, request: web.Request) -> web.Response:
        """Show a page of them, and what can be looked for."""
        if (message_id := _an_id(request.query.get("q", ""))) is not None:
            return see_other(f"{MESSAGES}/{message_id}")
        asked = {name: request.query[name] for name in _FILTERS if request.query.get(name)}
        context = {"asked": asked, "states": LAST_EVENT, "lanes": tuple(Lane), "errors": {}, "lines": None}
        try:
            context |= await self._found(request, asked)
        except Problem as problem:
            if problem.status != 422:
                raise
            context["errors"] = _at_fields(problem)
            return self.frame.render(request, "messages.html", context, status=422)
        return self.frame.render(request, "messages.html", context)

    async def get_lines(self, request: web.Request) -> web.Response:
        """Show the lines alone, if they are others by now."""
        asked = {name: request.query[name] for name in _FILTERS if request.query.get(name)}
        context = await self._found(request, asked)
        return nothing_new(request, context["lines"]) or self.frame.render(
            request, "messages_lines.html", context
        )

    async def _found(self, request: web.Request, asked: Mapping[str, str]) -> dict[str, Any]:
        filters, page = read_listing(in_words_of_the_api(asked))
        rows, has_more = await self.listing.page(caller(request).tenant, filters, page)
        lines = [Line.of(row) for row in rows]
        pager = Pager.of(asked, page, [line.id for line in lines], has_more=has_more)
        return {"lines": lines, "pager": pager, "seen": seen(lines), "is_filtered": bool(pager.query)}


def in_words_of_the_api(asked: Mapping[str, str]) -> MultiDict[str]:
    """What a page was asked for, as ``GET /emails`` is: one box is for addresses and tags."""
    query = MultiDict({name: value for name, value in asked.items() if name not in {"q", "reason"}})
    query.update({name: zoned(query[name]) for name in ("since", "until") if name in query})
    text = asked.get("q", "").strip()
    words = [text] if "@" not in text else text.split()
    for word in filter(None, words):
        query.add("to" if "@" in word else "tag", word)
    query["limit"] = _SIZE
    return query


def zoned(moment: str) -> str:
    """Say of a moment that it is in UTC, as the pages' fields for moments have it."""
    return moment if moment.endswith(("Z", "z")) or "+" in moment else f"{moment}Z"


def _at_fields(problem: Problem) -> dict[str, str]:
    found = complaints(problem)
    for name in ("to", "tag"):
        if name in found:
            found["q"] = "Type an address, a tag as name:value, or the id of a message."
    return found


def _an_id(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None
