"""The way in and out, and what stands at ``/``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

import structlog
from aiohttp import hdrs, web

from services.gateway import problems
from services.gateway.api.access import public
from services.gateway.dashboard.frame import Frame, is_foreign, see_other
from services.gateway.dashboard.sessions import COOKIE, PATH, SESSION, Door
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.tenants.callers import Permission

log = structlog.get_logger()

_OURS: Final = re.compile(rf"{PATH}(?:[/?][\w./?&=%:+-]*)?", re.ASCII)
_REFUSED: Final = "This key is not valid here, or it may only send. Use one with read access or full access."
_RETRY_AFTER_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Login:
    """The handlers; a link with the ``development_key`` opens the dashboard, where there is such a key."""

    frame: Frame
    door: Door
    development_key: str | None = field(default=None, repr=False)

    def routes(self) -> Iterable[web.RouteDef]:
        """The routes."""
        return (
            web.route("*", "/", self.get_root),
            web.get(f"{PATH}/login", self.get_login, allow_head=False),
            web.post(f"{PATH}/login", self.post_login),
            web.post(f"{PATH}/logout", self.frame.form(self.post_logout, needs=Permission.READING)),
        )

    @public
    async def get_root(self, request: web.Request) -> web.Response:
        """Send people to the dashboard; programs find nothing here."""
        if request.method == "GET" and "text/html" in request.headers.get(hdrs.ACCEPT, ""):
            return see_other(PATH)
        raise web.HTTPNotFound

    @public
    async def get_login(self, request: web.Request) -> web.Response:
        """Ask for an API key, or take the development key out of the link that ``make run`` prints."""
        key, own = request.query.get("key"), self.development_key
        if key is not None and own is not None and compare_digest(key.encode(), own.encode()):
            return await self._enter(request, key, PATH)
        return self._ask(request, _place(request.query.get("next", "")))

    @public
    async def post_login(self, request: web.Request) -> web.Response:
        """Exchange the key for a session."""
        if is_foreign(request):
            return self._ask(request, PATH, "Another site sent this form. Type the key here.", status=403)
        try:
            fields = await self.frame.fields(request)
        except problems.Problem as problem:
            return self.frame.refuse(request, problem)
        return await self._enter(request, fields.get("key", "").strip(), _place(fields.get("next", "")))

    async def post_logout(self, request: web.Request) -> web.Response:
        """End the session."""
        await self.door.leave(request[SESSION])
        response = see_other(f"{PATH}/login")
        response.del_cookie(COOKIE, path=PATH)
        return response

    async def _enter(self, request: web.Request, key: str, place: str) -> web.Response:
        try:
            session = await self.door.enter(key)
        except LedgerUnavailableError:
            return self.frame.refuse(request, problems.unavailable(_RETRY_AFTER_SECONDS))
        if session is None:
            log.warning("dashboard.refused")
            return self._ask(request, place, _REFUSED, status=403)
        log.info("dashboard.entered", tenant=session.caller.tenant, key_id=str(session.caller.key_id))
        response = see_other(place)
        self.door.hand_over(request, response, session)
        return response

    def _ask(
        self, request: web.Request, place: str, complaint: str | None = None, *, status: int = 200
    ) -> web.Response:
        context = {"next": place, "complaint": complaint, "has_link": self.development_key is not None}
        return self.frame.render(request, "login.html", context, status=status)


def _place(path: str) -> str:
    """Where to go after the login: a page of the dashboard, and no other site's."""
    return path if _OURS.fullmatch(path) else PATH
