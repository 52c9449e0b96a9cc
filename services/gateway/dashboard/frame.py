"""The frame of every page: templates, headers, who is logged in, and what is said when something fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import aiohttp_jinja2
from aiohttp import web
from jinja2 import FileSystemLoader, StrictUndefined

from services.gateway import __version__, problems
from services.gateway.api.access import CALLER, public
from services.gateway.api.requests import BodyReader
from services.gateway.dashboard import words
from services.gateway.dashboard.files import Files
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.sessions import PATH, SESSION, Door
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.problems import Problem
from services.gateway.tenants.callers import Permission

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Content-Security-Policy: what is not served from here as a file of its own does not run or show."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    # With "no-referrer" browsers would not say of a form where it comes from.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_FORM_LIMIT_BYTES: Final = 2_000_000
_FORM_SECONDS: Final = 10.0
_RETRY_AFTER_SECONDS: Final = 5


class PageProblem(Problem):
    """What only people are told, in a page, and no program."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, "page", message)


class Frame:
    """What pages are made with; *entries* are the lines of the menu."""

    def __init__(self, app: web.Application, door: Door, files: Files) -> None:
        self._door = door
        self._body = BodyReader(_FORM_LIMIT_BYTES, _FORM_SECONDS)
        self.entries: list[Entry] = []
        aiohttp_jinja2.setup(
            app,
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            default_helpers=False,
            filters=words.FILTERS,
        ).globals.update(file=files.url, version=__version__, home=PATH)

    def page(self, handler: Handler, needs: Permission = Permission.READING) -> Handler:
        """Make a handler one for people who are logged in; others are shown the way to the login."""

        @public
        @wraps(handler)
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                session = await self._door.find(request)
                if session is None:
                    return _to_login(request)
                request[SESSION], request[CALLER] = session, session.caller
                if not session.caller.may(needs):
                    raise problems.restricted_api_key(session.caller.permission)
                return await handler(request)
            except LedgerUnavailableError:
                return self.refuse(request, problems.unavailable(_RETRY_AFTER_SECONDS))
            except Problem as problem:
                return self.refuse(request, problem)
            except web.HTTPNotFound:
                return self.refuse(request, problems.not_found())

        return guarded

    def form(self, handler: Handler, needs: Permission = Permission.FULL) -> Handler:
        """Make a handler one for the forms of our own pages: each holds the session's token, ``csrf``."""

        @wraps(handler)
        async def genuine(request: web.Request) -> web.StreamResponse:
            given = (await self.fields(request)).get("csrf", "")
            if is_foreign(request) or not request[SESSION].made(given):
                raise PageProblem(403, "This form is too old, or none of ours. Load the page again.")
            return await handler(request)

        return self.page(genuine, needs)

    async def fields(self, request: web.Request) -> dict[str, str]:
        """Read a form's fields; of those with one name the last counts.

        Raises:
            Problem: It is too long, or does not arrive.
        """
        body = await self._body.read_any(request)
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

    def render(
        self,
        request: web.Request,
        template: str,
        context: Mapping[str, Any] | None = None,
        *,
        status: int = 200,
        policy: str = POLICY,
    ) -> web.Response:
        """Answer with a page, or with a part of one that takes the place of what is shown.

        Every template finds ``session``, ``path``, ``menu`` and ``csrf`` beside its *context*.
        """
        session = request.get(SESSION)
        around = {
            "session": session,
            "path": request.path,
            "menu": [entry for entry in self.entries if session and session.caller.may(entry.needs)],
            "csrf": session.csrf if session else "",
        }
        text = aiohttp_jinja2.render_string(template, request, {**around, **(context or {})})
        headers = {**HEADERS, "Content-Security-Policy": policy}
        return web.Response(text=text, content_type="text/html", status=status, headers=headers)

    def refuse(self, request: web.Request, problem: Problem) -> web.Response:
        """Say in a page, or in its place in one, what is wrong."""
        template = "problem_part.html" if is_part(request) else "problem.html"
        response = self.render(request, template, {"problem": problem}, status=problem.status)
        response.headers.update(
            {name: problem.headers[name] for name in ("Retry-After",) if name in problem.headers}
        )
        return response


def is_part(request: web.Request) -> bool:
    """Whether htmx asks, which puts the answer into a page."""
    return request.headers.get("HX-Request") == "true"


def is_foreign(request: web.Request) -> bool:
    """Whether a browser says that another site makes it send this.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.host


def see_other(place: str) -> web.Response:
    """Send a browser on, with GET (RFC 9110, section 15.4.4)."""
    return web.Response(status=303, headers={**HEADERS, "Location": place})


def _to_login(request: web.Request) -> web.Response:
    login = f"{PATH}/login"
    if is_part(request):  # the whole page has to go there
        return web.Response(status=401, headers={**HEADERS, "HX-Redirect": login})
    if request.method != "GET":
        return see_other(login)
    return see_other(f"{login}?next={quote(request.path_qs, safe='/')}")
