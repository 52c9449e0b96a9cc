"""Somebody in front of a browser who looks at the dashboard, and notices what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import ViewportSize

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, ConsoleMessage, Page, Response

PICTURES = Path("var/browser")
HEAVIEST_BYTES = 300_000
PATIENCE_MS = 60_000
"""How long something may take to be seen on a busy machine."""
SERIOUS = frozenset({"serious", "critical"})
WIDE = ViewportSize(width=1280, height=900)
NARROW = ViewportSize(width=360, height=740)

Scheme = Literal["light", "dark"]


@dataclass(slots=True)
class Desk:
    """One browser window with cookies of its own."""

    base_url: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    """What the browser's console said that is an error or a warning, and what the pages' code threw."""
    may_complain: bool = False
    """Whether complaints are what is to be; the last of them may come while the window closes."""
    responses: list[Response] = field(default_factory=list)

    def listen(self) -> None:
        """Begin to take note of what the browser says and fetches."""

        # Playwright hangs something on what it is given, which methods of this class do not take.
        def console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.complaints.append(message.text)

        def response(response: Response) -> None:
            self.responses.append(response)

        self.page.on("console", console)
        self.page.on("response", response)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def open(self, path: str) -> Response:
        """Go to a page, and wait until it is all there."""
        self.responses.clear()
        response = await self.page.goto(self.base_url + path, wait_until="networkidle")
        assert response is not None
        return response

    async def visit(self, path: str) -> Response:
        """Go to a page, and wait until its files and frames are there; it may go on asking for news."""
        self.responses.clear()
        response = await self.page.goto(self.base_url + path, wait_until="load")
        assert response is not None
        return response

    async def enter(self, key: str) -> None:
        """Log in as a person does, with the form."""
        await self.open("/dashboard/login")
        await self.page.get_by_label("API key").fill(key)
        await self.page.get_by_role("button", name="Log in").click()
        await self.page.wait_for_url("**/dashboard")

    async def weight(self) -> int:
        """Bytes that came over the network for the page that was opened last."""
        sizes = [await response.request.sizes() for response in self.responses]
        return sum(one["responseBodySize"] + one["responseHeadersSize"] for one in sizes)

    async def barriers(self) -> list[str]:
        """What axe finds that keeps somebody from using the page, if it is serious."""
        found: dict[str, Any] = (await Axe().run(self.page)).response
        return [
            f"{one['id']}: {json.dumps([node['html'][:200] for node in one['nodes'][:3]])}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
        ]

    async def overhang(self) -> int:
        """How many pixels of the page lie beside the window."""
        root = "document.documentElement"
        return int(await self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    async def picture(self, name: str) -> None:
        """Keep what is to be seen under ``var/browser``."""
        await self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)  # makes the folder, too
