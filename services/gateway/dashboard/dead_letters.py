"""Dead letters: what was given up, was suppressed or is held, and sending it once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from services.gateway.api.access import caller
from services.gateway.api.email_filters import read_filters
from services.gateway.api.pages import read_page
from services.gateway.bulk_replay import Done
from services.gateway.dashboard.asking import Pager, complaints, cursor
from services.gateway.dashboard.frame import Frame
from services.gateway.dashboard.messages import Line, in_words_of_the_api
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.sessions import PATH
from services.gateway.decisions import Decisions
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.listing import Listing
from services.gateway.problems import Problem
from services.gateway.submission import limits
from services.gateway.submission.filters import reason
from services.gateway.submission.replay import ENDED
from services.gateway.tenants.callers import Permission

DEAD_LETTERS: Final = f"{PATH}/dead-letters"
_ASKED: Final = ("status", "q", "reason", "since", "until")


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The handlers, with what they need."""

    frame: Frame
    listing: Listing
    decisions: Decisions

    entry = Entry(DEAD_LETTERS, "Dead letters")

    def routes(self) -> Iterable[web.RouteDef]:
        """The pages' routes."""
        replay = f"{DEAD_LETTERS}/replay"
        return (
            web.get(DEAD_LETTERS, self.frame.page(self.get_dead_letters), allow_head=False),
            web.get(replay, self.frame.page(self.get_replay, Permission.FULL), allow_head=False),
            web.post(replay, self.frame.form(self.post_replay)),
        )

    async def get_dead_letters(self, request: web.Request) -> web.Response:
        """Show a page of them."""
        asked = _asked(request.query)
        context: dict[str, Any] = {
            "asked": asked,
            "kinds": ENDED,
            "errors": {},
            "lines": None,
            "query": urlencode(asked),
            "may_change": caller(request).may(Permission.FULL),
        }
        try:
            filters, page = _filters(asked), cursor(request, limit=25)
        except Problem as problem:
            context["errors"] = complaints(problem)
            return self.frame.render(request, "dead_letters.html", context, status=422)
        rows, has_more = await self.listing.page(caller(request).tenant, filters, page)
        lines = [Line.of(row) for row in rows]
        cursors = {name: request.query[name] for name in ("after", "before") if name in request.query}
        pager = Pager.of({**asked, **cursors}, page, [line.id for line in lines], has_more=has_more)
        return self.frame.render(request, "dead_letters.html", context | {"lines": lines, "pager": pager})

    async def get_replay(self, request: web.Request) -> web.Response:
        """Say how many it would be, before anything is done."""
        asked = _asked(request.query)
        preview = await self.decisions.bulk.preview(caller(request).tenant, _filters(asked))
        return self._replay(request, asked, count=preview.count)

    async def post_replay(self, request: web.Request) -> web.Response:
        """Send some of them once more; it can be gone on behind them."""
        fields = await self.frame.fields(request)
        asked, after = _asked(fields), read_page(_only(fields, "after")).after
        done = await self.decisions.replay_page(
            caller(request), _filters(asked), limit=limits.REPLAYS, after=after
        )
        return self._replay(request, asked, done=done)

    def _replay(
        self, request: web.Request, asked: dict[str, str], *, count: int = 0, done: Done | None = None
    ) -> web.Response:
        context = {"asked": asked, "count": count, "done": done, "query": urlencode(asked)}
        return self.frame.render(request, "dead_letters_replay.html", context)


def _only(fields: Mapping[str, str], name: str) -> dict[str, str]:
    return {name: fields[name]} if fields.get(name) else {}


def _asked(query: Mapping[str, str]) -> dict[str, str]:
    asked = {name: query[name] for name in _ASKED if query.get(name)}
    status = asked.get("status", "")
    return {**asked, "status": status if status in ENDED else ENDED[0]}


def _filters(asked: Mapping[str, str]) -> Filters:
    """Read what is looked for.

    Raises:
        Problem: 422 naming what cannot be used.
    """
    query = in_words_of_the_api(asked)
    query.popall("limit")
    return read_filters(query, {"reason": ("reason", reason)})
