"""``/openapi.json`` and ``/docs``: the description of the API, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from services.gateway.api.access import public
from services.gateway.api.docs import Page


class Reference:
    """The handlers; both answers are made once, since they never change."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = json.dumps(document, separators=(",", ":")).encode()
        self._page = Page(document)

    def routes(self) -> Iterable[web.RouteDef]:
        """The routes of both."""
        return (
            web.get("/openapi.json", self.get_openapi, allow_head=False),
            web.get("/docs", self.get_docs, allow_head=False),
        )

    @public
    async def get_openapi(self, _: web.Request) -> web.Response:
        """Give the description as OpenAPI."""
        return web.Response(body=self._document, content_type="application/json")

    @public
    async def get_docs(self, _: web.Request) -> web.Response:
        """Show the description as a page."""
        return web.Response(text=self._page.text, content_type="text/html", headers=self._page.headers)
