"""The overview: what goes on now, and what somebody should look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from services.gateway.dashboard.frame import Frame
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.sessions import PATH


@dataclass(frozen=True, slots=True)
class Overview:
    """The handlers, with what they need."""

    frame: Frame

    entry = Entry(PATH, "Overview")

    def routes(self) -> Iterable[web.RouteDef]:
        """The page's routes."""
        return (web.get(PATH, self.frame.page(self.get_overview), allow_head=False),)

    async def get_overview(self, request: web.Request) -> web.Response:
        """Show the page."""
        return self.frame.render(request, "overview.html")
