"""Suppressions: whom no mail goes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, get_args

from aiohttp import web

from services.gateway.api.access import caller
from services.gateway.api.suppressions import Origin
from services.gateway.dashboard.asking import Pager, accepted, cursor, named
from services.gateway.dashboard.frame import Frame, see_other
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.sessions import PATH
from services.gateway.ledger.suppressions import Suppressions
from services.gateway.submission.suppressions import SuppressionSubmission
from services.gateway.tenants.callers import Permission

SUPPRESSIONS: Final = f"{PATH}/suppressions"
_DONE: Final = {"added": "No mail goes to that address any more.", "removed": "Mail may go there again."}
_SIZE: Final = 25


@dataclass(frozen=True, slots=True)
class SuppressionPages:
    """The handlers, with what they need."""

    frame: Frame
    suppressions: Suppressions

    entry = Entry(SUPPRESSIONS, "Suppressions")

    def routes(self) -> Iterable[web.RouteDef]:
        """The pages' routes."""
        return (
            web.get(SUPPRESSIONS, self.frame.page(self.get_suppressions), allow_head=False),
            web.post(SUPPRESSIONS, self.frame.form(self.add)),
            web.post(f"{SUPPRESSIONS}/{{id}}/remove", self.frame.form(self.remove)),
        )

    async def get_suppressions(self, request: web.Request) -> web.Response:
        """Show a page of them, or the one of an address."""
        return await self._show(request)

    async def add(self, request: web.Request) -> web.Response:
        """Suppress an address; one that is suppressed already keeps its entry."""
        fields = await self.frame.fields(request)
        asked, errors = accepted(SuppressionSubmission, {"email": fields.get("email", "").strip()})
        if asked is None:
            return await self._show(request, {"errors": errors, "email": fields.get("email", "")}, status=422)
        await self.suppressions.add(caller(request).tenant, asked.addresses())
        return see_other(f"{SUPPRESSIONS}?done=added")

    async def remove(self, request: web.Request) -> web.Response:
        """Let mail go there again."""
        if not await self.suppressions.remove(caller(request).tenant, [named(request)]):
            raise web.HTTPNotFound
        return see_other(f"{SUPPRESSIONS}?done=removed")

    async def _show(
        self, request: web.Request, more: dict[str, Any] | None = None, *, status: int = 200
    ) -> web.Response:
        tenant, address = caller(request).tenant, request.query.get("q", "").strip()
        origin = request.query.get("origin") if request.query.get("origin") in get_args(Origin) else None
        page, has_more = cursor(request, limit=_SIZE), False
        asked, _ = accepted(SuppressionSubmission, {"email": address}) if address else (None, {})
        if not address:
            rows, has_more = await self.suppressions.page(tenant, page, reason=origin)
        else:
            found = asked and await self.suppressions.find(tenant, asked.addresses()[0])
            rows = [found] if found else []
        context = {
            "rows": rows,
            "pager": Pager.of(
                {**request.query, "done": ""}, page, [row.id for row in rows], has_more=has_more
            ),
            "origins": get_args(Origin),
            "origin": origin,
            "q": address,
            "errors": {},
            "email": "",
            "done": _DONE.get(request.query.get("done", "")),
            "may_change": caller(request).may(Permission.FULL),
        }
        return self.frame.render(request, "suppressions.html", context | (more or {}), status=status)
