"""``/webhooks``: where a tenant wants to be told what becomes of its messages.

Shapes: https://resend.com/docs/api-reference/webhooks
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from aiohttp import web
from pydantic import BaseModel

from services.gateway import problems
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
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.webhooks import MOST, Webhooks
from services.gateway.submission.validation import read
from services.gateway.submission.webhook import NETWORKS, WebhookChange, WebhookSubmission
from services.gateway.tenants.callers import Permission
from services.gateway.webhooks.endpoint import Networks

log = structlog.get_logger()

_SECRET_BYTES: Final = 32  # the specification wants 24 to 64


@dataclass(frozen=True, slots=True)
class WebhookHandlers:
    """The handlers, with what they need; ``networks`` are allowed as endpoints although not public."""

    webhooks: Webhooks
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
        webhook_id, secret = new_message_id(), _new_secret()
        created = self.webhooks.create(
            caller(request).tenant, webhook_id, endpoint=asked.endpoint, types=asked.events, secret=secret
        )
        if not await ask(created):
            raise problems.too_many_webhooks(MOST)
        log.info("webhook.created", **_about(request, webhook_id))
        return _answer(WebhookSigned(id=webhook_id, signing_secret=secret), status=201)

    @needs(Permission.READING)
    async def list_webhooks(self, request: web.Request) -> web.Response:
        """List the webhooks, the newest first."""
        rows, has_more = await ask(self.webhooks.page(caller(request).tenant, read_page(request.query)))
        data = [WebhookSummary.model_validate(row).model_dump(mode="json") for row in rows]
        return web.json_response(page_body(data, has_more=has_more))

    @needs(Permission.READING)
    async def get_webhook(self, request: web.Request) -> web.Response:
        """Show a webhook; what it signs with only to who might change it as well."""
        row = await found(self.webhooks, request)
        return _answer(represent_webhook(row, secret=caller(request).may(Permission.FULL)))

    @needs(Permission.FULL)
    async def patch_webhook(self, request: web.Request) -> web.Response:
        """Change where it is told, of what, or whether at all."""
        asked = read(WebhookChange, await self.body.read(request), context={NETWORKS: self.networks})
        tenant, webhook_id = caller(request).tenant, named(request)
        change = self.webhooks.change(
            tenant, webhook_id, endpoint=asked.endpoint, types=asked.events, status=asked.status
        )
        await self._do(change)
        log.info("webhook.changed", **_about(request, named(request)))
        return _answer(WebhookChanged(id=named(request)))

    @needs(Permission.FULL)
    async def delete_webhook(self, request: web.Request) -> web.Response:
        """Tell it nothing more."""
        await self._do(self.webhooks.delete(caller(request).tenant, named(request)))
        log.info("webhook.deleted", **_about(request, named(request)))
        return _answer(WebhookDeleted(id=named(request)))

    @needs(Permission.FULL)
    async def rotate_secret(self, request: web.Request) -> web.Response:
        """Sign with another secret; for a day with the one before it, too."""
        secret = _new_secret()
        await self._do(self.webhooks.rotate(caller(request).tenant, named(request), secret))
        log.info("webhook.secret_rotated", **_about(request, named(request)))
        return _answer(WebhookSigned(id=named(request), signing_secret=secret))

    async def _do(self, change: Awaitable[bool]) -> None:
        if not await ask(change):
            raise problems.not_found()


async def found(webhooks: Webhooks, request: web.Request) -> Any:
    """The row of the webhook that the path names.

    Raises:
        Problem: 404, the tenant has no such webhook; 503, nobody knows.
    """
    row = await ask(webhooks.find(caller(request).tenant, named(request)))
    if row is None:
        raise problems.not_found()
    return row


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _about(request: web.Request, webhook_id: UUID) -> dict[str, str]:
    who = caller(request)
    return {"tenant": who.tenant, "webhook_id": str(webhook_id), "by": str(who.key_id)}


def _answer(body: BaseModel, *, status: int = 200) -> web.Response:
    # A secret must not stay in a cache on its way (RFC 9111, section 5.2.2.5).
    holds_secret = isinstance(body, WebhookSigned | WebhookRepresentation)
    headers = {"Cache-Control": "no-store"} if holds_secret else None
    return web.json_response(text=body.model_dump_json(), status=status, headers=headers)
