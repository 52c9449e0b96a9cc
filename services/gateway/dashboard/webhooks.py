"""Webhooks: who is told, of what, and what came of telling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from services.gateway.api.access import caller
from services.gateway.dashboard.asking import Pager, accepted, complaints, cursor, named, nothing_new, seen
from services.gateway.dashboard.frame import Frame, see_other
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.sessions import PATH
from services.gateway.ledger.webhooks import read_types
from services.gateway.problems import Problem
from services.gateway.submission.webhook import NETWORKS, WebhookChange, WebhookSubmission
from services.gateway.tenants.callers import Permission
from services.gateway.webhooks.endpoint import Networks
from services.gateway.webhooks.management import WebhookManagement
from services.gateway.webhooks.payload import EVENT_TYPES

WEBHOOKS: Final = f"{PATH}/webhooks"
_ONE: Final = f"{WEBHOOKS}/{{id}}"
_DONE: Final = {
    "enabled": "Enabled: it is told from now on.",
    "disabled": "Disabled: it is told nothing.",
    "changed": "Changed.",
    "deleted": "Deleted: it is told nothing more.",
}
_SIZE: Final = 25


@dataclass(frozen=True, slots=True)
class WebhookPages:
    """The handlers, with what they need; ``networks`` are allowed as endpoints although not public."""

    frame: Frame
    management: WebhookManagement
    networks: Networks

    entry = Entry(WEBHOOKS, "Webhooks")

    def routes(self) -> Iterable[web.RouteDef]:
        """The pages' routes."""
        page, form = self.frame.page, self.frame.form
        return (
            web.get(WEBHOOKS, page(self.get_webhooks), allow_head=False),
            web.post(WEBHOOKS, form(self.create)),
            web.get(_ONE, page(self.get_webhook), allow_head=False),
            web.get(f"{_ONE}/events", page(self.get_events), allow_head=False),
            web.post(f"{_ONE}/change", form(self.change)),
            web.post(f"{_ONE}/rotate", form(self.rotate)),
            web.post(f"{_ONE}/delete", form(self.delete)),
        )

    async def get_webhooks(self, request: web.Request) -> web.Response:
        """Show a page of them."""
        return await self._show_all(request)

    async def create(self, request: web.Request) -> web.Response:
        """Have an endpoint told from now on."""
        fields = await self.frame.fields(request)
        endpoint, types = fields.get("endpoint", "").strip(), await _types(request)
        asked, errors = accepted(
            WebhookSubmission, {"endpoint": endpoint, "events": types}, context={NETWORKS: self.networks}
        )
        if asked is not None:
            try:
                webhook_id, _ = await self.management.create(caller(request), asked)
            except Problem as problem:
                errors = complaints(problem)
            else:
                return see_other(f"{WEBHOOKS}/{webhook_id}")
        entered = {"errors": errors, "endpoint": endpoint, "chosen": types}
        return await self._show_all(request, entered, status=422)

    async def get_webhook(self, request: web.Request) -> web.Response:
        """Show one, what it was told, and to whom it may concern what it signs with."""
        return await self._show(request)

    async def get_events(self, request: web.Request) -> web.Response:
        """Show what it was told alone, if that is something else by now."""
        context = await self._events(request)
        return nothing_new(request, context["events"]) or self.frame.render(
            request, "webhook_events.html", context
        )

    async def change(self, request: web.Request) -> web.Response:
        """Change where it is told, of what, or whether at all."""
        fields = await self.frame.fields(request)
        wanted: dict[str, Any] = {name: fields[name] for name in ("status",) if fields.get(name)}
        if "endpoint" in fields:
            wanted |= {"endpoint": fields["endpoint"].strip(), "events": await _types(request)}
        asked, errors = accepted(WebhookChange, wanted, context={NETWORKS: self.networks})
        if asked is None:
            return await self._show(request, {"errors": errors, **wanted}, status=422)
        await self.management.change(caller(request), named(request), asked)
        return see_other(f"{WEBHOOKS}/{named(request)}?done={asked.status or 'changed'}")

    async def rotate(self, request: web.Request) -> web.Response:
        """Sign with another secret; for a day with the one before it, too."""
        await self.management.rotate(caller(request), named(request))
        return see_other(f"{WEBHOOKS}/{named(request)}?done=rotated")

    async def delete(self, request: web.Request) -> web.Response:
        """Tell it nothing more."""
        await self.management.delete(caller(request), named(request))
        return see_other(f"{WEBHOOKS}?done=deleted")

    async def _show_all(
        self, request: web.Request, more: dict[str, Any] | None = None, *, status: int = 200
    ) -> web.Response:
        page = cursor(request, limit=_SIZE)
        rows, has_more = await self.management.webhooks.page(caller(request).tenant, page)
        context = {
            "rows": [(row, read_types(row.events)) for row in rows],
            "pager": Pager.of(
                {**request.query, "done": ""}, page, [row.id for row in rows], has_more=has_more
            ),
            **_form(request),
        }
        return self.frame.render(request, "webhooks.html", context | (more or {}), status=status)

    async def _show(
        self, request: web.Request, more: dict[str, Any] | None = None, *, status: int = 200
    ) -> web.Response:
        row = await self.management.find(caller(request), named(request))
        context = {
            "row": row,
            **_form(request),
            "endpoint": row.endpoint,
            "chosen": read_types(row.events),
            **await self._events(request),
        }
        return self.frame.render(request, "webhook.html", context | (more or {}), status=status)

    async def _events(self, request: web.Request) -> dict[str, Any]:
        row = await self.management.find(caller(request), named(request))
        page = cursor(request, limit=_SIZE)
        events, has_more = await self.management.history.page(row.id, page)
        pager = Pager.of(
            {**request.query, "done": "", "seen": ""}, page, [e.id for e in events], has_more=has_more
        )
        return {"row": row, "events": events, "pager": pager, "seen": seen(events)}


def _form(request: web.Request) -> dict[str, Any]:
    done = _DONE | {"rotated": "It signs with another secret now, and for a day with the one before it, too."}
    return {
        "types": EVENT_TYPES,
        "endpoint": "",
        "chosen": EVENT_TYPES,
        "errors": {},
        "done": done.get(request.query.get("done", "")),
        "may_change": caller(request).may(Permission.FULL),
    }


async def _types(request: web.Request) -> list[str]:
    """The boxes that are ticked; they share a name."""
    body = (await request.read()).decode("utf-8", "replace")  # has been read, and is within its limit
    return parse_qs(body).get("events", [])
