"""``/webhooks``: where a tenant wants to be told what becomes of its messages.

Shapes: https://resend.com/docs/api-reference/webhooks
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web
from pydantic import BaseModel

from services.gateway.api.access import caller, needs
from services.gateway.api.emails import ask, named
from services.gateway.api.pages import page_body, read_page
from services.gateway.api.requests import BodyReader
from services.gateway.api.webhook_bodies import (
    WebhookChanged,
    WebhookDeleted,
    WebhookRepresentation,
    WebhookSigned,
    WebhookSummary,
    represent_webhook,
)
from services.gateway.submission.validation import read
from services.gateway.submission.webhook import NETWORKS, WebhookChange, WebhookSubmission
from services.gateway.tenants.callers import Permission
from services.gateway.webhooks.endpoint import Networks
from services.gateway.webhooks.management import WebhookManagement


@dataclass(frozen=True, slots=True)
class WebhookHandlers:
    """The handlers, with what they need; ``networks`` are allowed as endpoints although not public."""

    management: WebhookManagement
    body: BodyReader
    networks: Networks

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        return (
            web.post("/webhooks", self.post_webhook),
            web.get("/webhooks", self.list_webhooks, allow_head=False),
            web.get("/webhooks/{id}", self.get_webhook, allow_head=False),
            web.patch("/webhooks/{id}", self.patch_webhook),
            web.delete("/webhooks/{id}", self.delete_webhook),
            web.post("/webhooks/{id}/signing-secret/rotate", self.rotate_secret),
        )

    @needs(Permission.FULL)
    async def post_webhook(self, request: web.Request) -> web.Response:
        """Have an endpoint told of events from now on."""
        asked = read(WebhookSubmission, await self.body.read(request), context={NETWORKS: self.networks})
        webhook_id, secret = await ask(self.management.create(caller(request), asked))
        return _answer(WebhookSigned(id=webhook_id, signing_secret=secret), status=201)

    @needs(Permission.READING)
    async def list_webhooks(self, request: web.Request) -> web.Response:
        """List the webhooks, the newest first."""
        rows, has_more = await ask(
            self.management.webhooks.page(caller(request).tenant, read_page(request.query))
        )
        data = [WebhookSummary.model_validate(row).model_dump(mode="json") for row in rows]
        return web.json_response(page_body(data, has_more=has_more))

    @needs(Permission.READING)
    async def get_webhook(self, request: web.Request) -> web.Response:
        """Show a webhook; what it signs with only to who might change it as well."""
        row = await ask(self.management.find(caller(request), named(request)))
        return _answer(represent_webhook(row, secret=caller(request).may(Permission.FULL)))

    @needs(Permission.FULL)
    async def patch_webhook(self, request: web.Request) -> web.Response:
        """Change where it is told, of what, or whether at all."""
        asked = read(WebhookChange, await self.body.read(request), context={NETWORKS: self.networks})
        await ask(self.management.change(caller(request), named(request), asked))
        return _answer(WebhookChanged(id=named(request)))

    @needs(Permission.FULL)
    async def delete_webhook(self, request: web.Request) -> web.Response:
        """Tell it nothing more."""
        await ask(self.management.delete(caller(request), named(request)))
        return _answer(WebhookDeleted(id=named(request)))

    @needs(Permission.FULL)
    async def rotate_secret(self, request: web.Request) -> web.Response:
        """Sign with another secret; for a day with the one before it, too."""
        secret = await ask(self.management.rotate(caller(request), named(request)))
        return _answer(WebhookSigned(id=named(request), signing_secret=secret))


def _answer(body: BaseModel, *, status: int = 200) -> web.Response:
    # A secret must not stay in a cache on its way (RFC 9111, section 5.2.2.5).
    holds_secret = isinstance(body, WebhookSigned | WebhookRepresentation)
    headers = {"Cache-Control": "no-store"} if holds_secret else None
    return web.json_response(text=body.model_dump_json(), status=status, headers=headers)
