"""Templates: what they say, and what a message made from them would say."""

from __future__ import annotations

import asyncio
import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from pydantic import JsonValue
from pydantic_core import from_json, to_json

from services.gateway.api.access import caller
from services.gateway.api.template_bodies import represent_template, summarise
from services.gateway.dashboard.asking import Pager, accepted, complaints, cursor
from services.gateway.dashboard.frame import POLICY, Frame, is_part, see_other
from services.gateway.dashboard.inert import FRAME_POLICY, framed
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.sessions import PATH
from services.gateway.ledger.templates import StoredTemplates
from services.gateway.problems import Problem
from services.gateway.submission.template import PreviewSubmission, identifier
from services.gateway.templates.content import Content
from services.gateway.templates.editing import Editing
from services.gateway.templating import VARIABLES_BYTES, TemplateError
from services.gateway.tenants.callers import Permission

TEMPLATES: Final = f"{PATH}/templates"
_ONE: Final = f"{TEMPLATES}/{{id}}"
_SIZE: Final = 25
_LONGEST_QUERY: Final = 6000
"""Of what fits a request line (aiohttp reads 8190 bytes of one)."""
_SAMPLES: Final[dict[str, JsonValue]] = {"number": 1, "boolean": True, "object": {}, "list": []}


@dataclass(frozen=True, slots=True)
class TemplatePages:
    """The handlers, with what they need."""

    frame: Frame
    stored: StoredTemplates
    editing: Editing

    entry = Entry(TEMPLATES, "Templates")

    def routes(self) -> Iterable[web.RouteDef]:
        """The pages' routes."""
        page = self.frame.page
        return (
            web.get(TEMPLATES, page(self.get_templates), allow_head=False),
            web.get(_ONE, page(self.get_template), allow_head=False),
            web.get(f"{_ONE}/letter", page(self.get_letter), allow_head=False),
            web.post(f"{_ONE}/preview", self.frame.form(self.preview, Permission.READING)),
            web.post(f"{_ONE}/publish", self.frame.form(self.publish)),
        )

    async def get_templates(self, request: web.Request) -> web.Response:
        """Show a page of them."""
        page = cursor(request, limit=_SIZE)
        rows, has_more = await self.stored.page(caller(request).tenant, page)
        context = {
            "rows": [(row, summarise(row)) for row in rows],
            "pager": Pager.of(request.query, page, [row.id for row in rows], has_more=has_more),
        }
        return self.frame.render(request, "templates.html", context)

    async def get_template(self, request: web.Request) -> web.Response:
        """Show one, with a preview."""
        return await self._show(request, None)

    async def preview(self, request: web.Request) -> web.Response:
        """Show what it becomes with the variables that were typed."""
        return await self._show(request, (await self.frame.fields(request)).get("variables", ""))

    async def get_letter(self, request: web.Request) -> web.Response:
        """Show the HTML that it becomes, for a frame."""
        variables = _unpacked(request.query.get("v", ""))
        asked, _ = accepted(PreviewSubmission, {"variables": variables})
        if asked is None:
            raise web.HTTPNotFound
        rendered = await self.editing.preview(*_which(request), asked.variables)
        return framed(rendered["html"] or "")

    async def publish(self, request: web.Request) -> web.Response:
        """Make messages from the latest version."""
        template_id = await self.editing.publish(*_which(request))
        return see_other(f"{TEMPLATES}/{template_id}?done=published")

    async def _show(self, request: web.Request, typed: str | None) -> web.Response:
        row = await self.editing.find(*_which(request))
        if typed is None:
            typed = await asyncio.to_thread(_sample, Content.decode(row.content))
        rendered, packed, errors = await self._rendered(request, typed)
        context = {
            "template": represent_template(row),
            "row": row,
            "typed": typed,
            "rendered": rendered,
            "packed": packed,
            "errors": errors,
            "done": "Published: messages are made from this version." if request.query.get("done") else None,
            "may_change": caller(request).may(Permission.FULL),
        }
        name = "template_preview.html" if is_part(request) else "template.html"
        # What was typed is shown again with what is wrong in it, and htmx shows no part with another status.
        status = 422 if errors and not is_part(request) and request.method == "POST" else 200
        return self.frame.render(request, name, context, status=status, policy=f"{POLICY}; {FRAME_POLICY}")

    async def _rendered(
        self, request: web.Request, typed: str
    ) -> tuple[Mapping[str, str | None] | None, str | None, dict[str, str]]:
        try:
            variables = from_json(typed or "{}")
        except ValueError as error:
            return None, None, {"variables": f"This is no JSON: {error}."}
        asked, errors = accepted(PreviewSubmission, {"variables": variables})
        if asked is None:
            return None, None, errors
        try:
            rendered = await self.editing.preview(*_which(request), asked.variables)
        except Problem as problem:
            if problem.status != 422:
                raise
            return None, None, _by_variable(problem)
        return rendered, _packed(asked.variables), {}


def _which(request: web.Request) -> tuple[str, UUID | str]:
    """The tenant, and the template that it names."""
    which = identifier(request.match_info["id"])
    if which is None:
        raise web.HTTPNotFound
    return caller(request).tenant, which


def _by_variable(problem: Problem) -> dict[str, str]:
    told = (
        f"{error.pointer.removeprefix('/variables').lstrip('/')} {error.message}" for error in problem.errors
    )
    return {"variables": "; ".join(told) or complaints(problem).get("", "")}


def _sample(content: Content) -> str:
    """Something for every variable that has to be given, for a start; fallbacks as they are."""
    try:
        needed = content.needed()
    except TemplateError:
        needed = frozenset()
    declared = {variable.key: variable for variable in content.variables}
    sample: dict[str, JsonValue] = {}
    for key in sorted(needed | declared.keys()):
        variable = declared.get(key)
        fallback = variable.fallback_value if variable else None
        sample[key] = (
            fallback if fallback is not None else _SAMPLES.get(variable.type if variable else "", key)
        )
    return to_json(sample, indent=2).decode()


def _packed(variables: Mapping[str, Any]) -> str | None:
    """Variables as a part of a URL; None if they are too long for one."""
    packed = base64.urlsafe_b64encode(zlib.compress(to_json(variables), 9)).decode()
    return packed if len(packed) <= _LONGEST_QUERY else None


def _unpacked(packed: str) -> object:
    """Read what :func:`_packed` wrote, however it was changed since; None for nonsense."""
    try:
        text = zlib.decompressobj().decompress(base64.urlsafe_b64decode(packed), VARIABLES_BYTES)
        return from_json(text)
    except (ValueError, binascii.Error, zlib.error):
        return None
