"""``/webhooks/{id}/events``: what an endpoint was told, each attempt at it, and once more.

Shapes: https://resend.com/docs/api-reference/webhooks
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from services.gateway import problems
from services.gateway.api.access import caller, needs
from services.gateway.api.emails import ask, named
from services.gateway.api.pages import page_body, read_page
from services.gateway.api.webhook_bodies import (
    WebhookAttempt,
    WebhookEventReplayed,
    WebhookEventSummary,
    represent_event,
)
from services.gateway.tenants.callers import Permission
from services.gateway.webhooks.management import WebhookManagement

_ONE = "/webhooks/{id}/events/{event_id}"


@dataclass(frozen=True, slots=True)
class WebhookEventHandlers:
    """The handlers, with what they need."""

    management: WebhookManagement

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        return (
            web.get("/webhooks/{id}/events", self.list_events, allow_head=False),
            web.get(_ONE, self.get_event, allow_head=False),
            web.get(f"{_ONE}/attempts", self.list_attempts, allow_head=False),
            web.post(f"{_ONE}/replay", self.replay_event),
        )

    @needs(Permission.READING)
    async def list_events(self, request: web.Request) -> web.Response:
        """List an endpoint's events, the newest first."""
        page = read_page(request.query)
        webhook = await ask(self.management.find(caller(request), named(request)))
        rows, has_more = await ask(self.management.history.page(webhook.id, page))
        return web.json_response(page_body(_dump(WebhookEventSummary, rows), has_more=has_more))

    @needs(Permission.READING)
    async def get_event(self, request: web.Request) -> web.Response:
        """Show an event, and what is posted of it."""
        event = represent_event(await self._event(request))
        return web.json_response(text=event.model_dump_json())

    @needs(Permission.READING)
    async def list_attempts(self, request: web.Request) -> web.Response:
        """List the attempts at an event, the latest first."""
        page = read_page(request.query)
        rows, has_more = await ask(self.management.history.attempts((await self._event(request)).id, page))
        return web.json_response(page_body(_dump(WebhookAttempt, rows), has_more=has_more))

    @needs(Permission.FULL)
    async def replay_event(self, request: web.Request) -> web.Response:
        """Tell an event once more, whatever became of it."""
        event_id = _event_id(request)
        await ask(self.management.tell_again(caller(request), named(request), event_id))
        return web.json_response(text=WebhookEventReplayed(id=event_id).model_dump_json())

    async def _event(self, request: web.Request) -> Any:
        tenant, webhook_id = caller(request).tenant, named(request)
        row = await ask(self.management.history.find(tenant, webhook_id, _event_id(request)))
        if row is None:
            raise problems.not_found()
        return row


def _event_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["event_id"])
    except ValueError:
        raise problems.not_found() from None


def _dump(model: type[BaseModel], rows: Iterable[Any]) -> list[dict[str, Any]]:
    return [model.model_validate(row).model_dump(mode="json") for row in rows]
