"""One event for one endpoint: what is posted, every attempt at it, and once more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from pydantic_core import to_json

from services.gateway import problems
from services.gateway.api.access import caller
from services.gateway.api.webhook_bodies import represent_event
from services.gateway.dashboard.asking import complaints, cursor, named
from services.gateway.dashboard.frame import Frame, see_other
from services.gateway.dashboard.webhooks import WEBHOOKS
from services.gateway.problems import Problem
from services.gateway.tenants.callers import Permission
from services.gateway.webhooks.management import WebhookManagement

_ONE: Final = f"{WEBHOOKS}/{{id}}/events/{{event_id}}"


@dataclass(frozen=True, slots=True)
class WebhookEventPage:
    """The handlers, with what they need."""

    frame: Frame
    management: WebhookManagement

    entry = None

    def routes(self) -> Iterable[web.RouteDef]:
        """The page's routes."""
        return (
            web.get(_ONE, self.frame.page(self.get_event), allow_head=False),
            web.post(f"{_ONE}/replay", self.frame.form(self.replay)),
        )

    async def get_event(self, request: web.Request) -> web.Response:
        """Show an event, and the latest attempts at it."""
        return await self._show(request)

    async def replay(self, request: web.Request) -> web.Response:
        """Tell it once more, whatever became of it."""
        webhook_id, event_id = named(request), named(request, "event_id")
        try:
            await self.management.tell_again(caller(request), webhook_id, event_id)
        except Problem as problem:
            if problem.status != 409:
                raise
            return await self._show(request, complaints(problem), status=409)
        return see_other(f"{WEBHOOKS}/{webhook_id}/events/{event_id}?done=replayed")

    async def _show(
        self, request: web.Request, errors: dict[str, str] | None = None, *, status: int = 200
    ) -> web.Response:
        webhook = await self.management.find(caller(request), named(request))
        history = self.management.history
        row = await history.find(caller(request).tenant, webhook.id, named(request, "event_id"))
        if row is None:
            raise problems.not_found()
        attempts, _ = await history.attempts(row.id, cursor(request, limit=100))
        event = represent_event(row)
        context = {
            "webhook": webhook,
            "event": event,
            "payload": to_json(event.payload, indent=2).decode(),
            "attempts": attempts,
            "errors": errors or {},
            "done": "It is being told once more." if request.query.get("done") else None,
            "may_change": caller(request).may(Permission.FULL),
        }
        return self.frame.render(request, "webhook_event.html", context, status=status)
