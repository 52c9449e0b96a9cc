"""``/templates``: a tenant writes, publishes and tries its templates.

Shapes: https://resend.com/docs/api-reference/templates; ``preview`` and ``versions`` are ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from services.gateway import problems
from services.gateway.api.access import caller, needs
from services.gateway.api.emails import ask
from services.gateway.api.pages import page_body, read_page
from services.gateway.api.requests import BodyReader
from services.gateway.api.template_bodies import (
    TemplateChanged,
    TemplateDeleted,
    represent_template,
    represent_version,
    summarise,
)
from services.gateway.ledger.templates import StoredTemplates
from services.gateway.submission.template import (
    PreviewSubmission,
    TemplateChange,
    TemplateSubmission,
    identifier,
)
from services.gateway.submission.validation import read
from services.gateway.templates.editing import Editing
from services.gateway.tenants.callers import Permission


@dataclass(frozen=True, slots=True)
class TemplateHandlers:
    """The handlers, with what they need."""

    stored: StoredTemplates
    editing: Editing
    body: BodyReader

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        return (
            web.post("/templates", self.post_template),
            web.get("/templates", self.list_templates, allow_head=False),
            web.get("/templates/{id}", self.get_template, allow_head=False),
            web.patch("/templates/{id}", self.patch_template),
            web.delete("/templates/{id}", self.delete_template),
            web.post("/templates/{id}/publish", self.publish_template),
            web.post("/templates/{id}/duplicate", self.duplicate_template),
            web.post("/templates/{id}/preview", self.preview_template),
            web.get("/templates/{id}/versions", self.list_versions, allow_head=False),
        )

    @needs(Permission.FULL)
    async def post_template(self, request: web.Request) -> web.Response:
        """Store a new template, as a draft."""
        submission = read(TemplateSubmission, await self.body.read(request))
        made = await ask(self.editing.create(caller(request).tenant, submission))
        return _changed(made, status=201)

    @needs(Permission.READING)
    async def list_templates(self, request: web.Request) -> web.Response:
        """List templates, the newest first."""
        page = read_page(request.query)
        rows, has_more = await ask(self.stored.page(caller(request).tenant, page))
        return web.json_response(page_body([summarise(row) for row in rows], has_more=has_more))

    @needs(Permission.READING)
    async def get_template(self, request: web.Request) -> web.Response:
        """Show a template in its latest version."""
        row = await ask(self.editing.find(*_named(request)))
        return web.json_response(represent_template(row))

    @needs(Permission.FULL)
    async def patch_template(self, request: web.Request) -> web.Response:
        """Change a template; messages are made from the published version until it is published again."""
        named = _named(request)
        change = read(TemplateChange, await self.body.read(request))
        return _changed(await ask(self.editing.change(*named, change)))

    @needs(Permission.FULL)
    async def delete_template(self, request: web.Request) -> web.Response:
        """Remove a template with all its versions."""
        removed = await ask(self.editing.remove(*_named(request)))
        return web.json_response(TemplateDeleted(id=removed).model_dump(mode="json"))

    @needs(Permission.FULL)
    async def publish_template(self, request: web.Request) -> web.Response:
        """Make messages from the latest version."""
        return _changed(await ask(self.editing.publish(*_named(request))))

    @needs(Permission.FULL)
    async def duplicate_template(self, request: web.Request) -> web.Response:
        """Make a draft out of the latest version."""
        return _changed(await ask(self.editing.duplicate(*_named(request))), status=201)

    @needs(Permission.READING)
    async def preview_template(self, request: web.Request) -> web.Response:
        """Render the latest version, and send nothing."""
        named = _named(request)
        submission = read(PreviewSubmission, await self.body.read(request))
        return web.json_response(await ask(self.editing.preview(*named, submission.variables)))

    @needs(Permission.READING)
    async def list_versions(self, request: web.Request) -> web.Response:
        """List a template's versions, the newest first."""
        page = read_page(request.query)
        row = await ask(self.editing.find(*_named(request)))
        rows, has_more = await ask(self.stored.versions(row.id, page))
        data = [represent_version(version, published=row.published_version) for version in rows]
        return web.json_response(page_body(data, has_more=has_more))


def _named(request: web.Request) -> tuple[str, UUID | str]:
    """The tenant, and the template that it names."""
    which = identifier(request.match_info["id"])
    if which is None:
        raise problems.not_found()
    return caller(request).tenant, which


def _changed(template_id: UUID, *, status: int = 200) -> web.Response:
    return web.json_response(TemplateChanged(id=template_id).model_dump(mode="json"), status=status)
