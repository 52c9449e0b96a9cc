"""API keys: made, shown once, and revoked; for those whose own key has full access."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.gateway.api.access import caller
from services.gateway.dashboard.asking import Pager, accepted, complaints, cursor, named
from services.gateway.dashboard.frame import Frame, see_other
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.sessions import PATH
from services.gateway.ledger.api_keys import read_domains
from services.gateway.problems import Problem
from services.gateway.submission.api_key import ApiKeySubmission
from services.gateway.tenants.callers import Permission
from services.gateway.tenants.issuing import Issuing

KEYS: Final = f"{PATH}/keys"
_SIZE: Final = 25
_MEANING: Final = {
    Permission.FULL: "Full access: everything, also keys",
    Permission.SENDING: "Sending access: submit, reschedule, cancel and replay messages",
    Permission.READING: "Read access: look at everything but keys",
}


@dataclass(frozen=True, slots=True)
class KeyPages:
    """The handlers, with what they need."""

    frame: Frame
    issuing: Issuing

    entry = Entry(KEYS, "Keys", Permission.FULL)

    def routes(self) -> Iterable[web.RouteDef]:
        """The pages' routes."""
        return (
            web.get(KEYS, self.frame.page(self.get_keys, Permission.FULL), allow_head=False),
            web.post(KEYS, self.frame.form(self.make)),
            web.post(f"{KEYS}/{{id}}/revoke", self.frame.form(self.revoke)),
        )

    async def get_keys(self, request: web.Request) -> web.Response:
        """Show a page of them."""
        return await self._show(request)

    async def make(self, request: web.Request) -> web.Response:
        """Make a key; this answer is the only place where it ever stands."""
        fields = await self.frame.fields(request)
        domains = fields.get("domains", "").replace(",", " ").split()
        wanted = {"name": fields.get("name", "").strip(), "permission": fields.get("permission")}
        asked, errors = accepted(ApiKeySubmission, {**wanted, "domains": domains or None})
        try:
            made = await self.issuing.make(caller(request), asked) if asked is not None else None
        except Problem as problem:
            made, errors = None, complaints(problem)
        if made is None:
            return await self._show(request, {"errors": errors, "fields": fields}, status=422)
        return await self._show(request, {"made": made.text, "made_name": wanted["name"]}, status=201)

    async def revoke(self, request: web.Request) -> web.Response:
        """Make a key worthless."""
        await self.issuing.revoke(caller(request), named(request))
        return see_other(f"{KEYS}?done=revoked")

    async def _show(
        self, request: web.Request, more: dict[str, Any] | None = None, *, status: int = 200
    ) -> web.Response:
        page = cursor(request, limit=_SIZE)
        rows, has_more = await self.issuing.api_keys.page(caller(request).tenant, page)
        context = {
            "rows": [(row, read_domains(row.domains)) for row in rows],
            "pager": Pager.of(
                {**request.query, "done": ""}, page, [row.id for row in rows], has_more=has_more
            ),
            "own": caller(request).key_id,
            "meaning": _MEANING,
            "errors": {},
            "fields": {},
            "made": None,
            "done": "Revoked: it is worth nothing any more." if request.query.get("done") else None,
        }
        return self.frame.render(request, "keys.html", context | (more or {}), status=status)
