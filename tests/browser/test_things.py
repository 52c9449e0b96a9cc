"""The pages about things, in front of a real browser."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from playwright.async_api import expect

from services.gateway.dashboard.frame import POLICY
from tests.browser.desk import HEAVIEST_BYTES
from tests.browser.stock import LETTERS, fill, later, report, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import Browser, Dialog, Request

    from tests.browser.conftest import Sit
    from tests.browser.desk import Scheme
    from tests.flow.system import System

PATIENCE_MS = 20_000
PICTURE = "https://pictures.example/track.png"
expect.set_options(timeout=PATIENCE_MS)

PAGES = {
    "messages": "/messages",
    "found": "/messages?q=kind:shipping&since=2020-01-01T00:00",
    "message": "/messages/{sent}",
    "source": "/messages/{sent}?show=source",
    "headers": "/messages/{bounced}?show=headers",
    "held": "/messages/{held}",
    "scheduled": "/messages/{scheduled}",
    "dead-letters": "/dead-letters",
    "replay": "/dead-letters/replay?status=failed",
    "suppressions": "/suppressions",
    "webhooks": "/webhooks",
    "webhook": "/webhooks/{webhook}",
    "webhook-event": "/webhooks/{webhook}/events/{event}",
    "templates": "/templates",
    "template": "/templates/{template}",
    "keys": "/keys",
    "inbox": "/inbox",
    "letter": "/inbox/{sent}",
}
ON_A_PHONE = ("messages", "message", "dead-letters", "template", "webhook", "inbox")
FRAMED = {"message", "source", "headers", "held", "scheduled", "template", "letter"}


@pytest.fixture(scope="module")
def stock(pillarbox: System) -> dict[str, str]:
    """What there is to be seen."""
    return fill(pillarbox)


@pytest.mark.parametrize(("scheme", "phone"), [("light", False), ("dark", True)])
async def test_every_page_is_fit_for_everybody(
    sit: Sit, stock: dict[str, str], scheme: Scheme, *, phone: bool
) -> None:
    """It is light, has no barrier, fits the window, says nothing on the console, and lets no script in."""
    desk = await sit(scheme=scheme, phone=phone)
    amiss = {}
    for name in ON_A_PHONE if phone else PAGES:
        response = await desk.visit("/dashboard" + PAGES[name].format_map(stock))
        await desk.picture(f"{name}-{scheme}{'-phone' if phone else ''}")
        policy = await response.header_value("Content-Security-Policy")
        facts: list[Any] = [response.status, await desk.barriers(), await desk.overhang()]
        is_light = 0 < await desk.weight() < HEAVIEST_BYTES
        expected = POLICY + ("; frame-src 'self'" if name in FRAMED else "")
        if [200, [], 0] != facts or not is_light or policy != expected:
            amiss[name] = (*facts, is_light, policy)

    assert {} == amiss


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server that somebody else has, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - named by the method

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, Any]:
            asked.append("connected")
            return super().get_request()

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_hostile_html_reaches_nobody(sit: Sit, pillarbox: System) -> None:
    """No script runs, nothing is loaded, no link leads anywhere; and the page around it notices nothing."""
    desk = await sit()
    fate: dict[str, str | None] = {}
    loading = asyncio.Event()

    def failed(request: Request) -> None:
        fate[request.url] = request.failure
        if not str(request.failure).endswith("csp"):
            loading.set()

    desk.page.on("requestfailed", failed)
    with listener() as (url, asked):
        html = (LETTERS / "hostile.html").read_text().replace("LISTENER", url)
        path = f"/dashboard/messages/{later(pillarbox, 'ann@example.org', 'Harmless', html=html)}"
        await desk.visit(path)
        frame = desk.page.frame_locator("iframe")
        await expect(frame.get_by_text("I am harmless.")).to_be_visible()
        for link in ("form", "top", "blank", "script"):
            await frame.locator(f"#{link}").click(force=True, no_wait_after=True)
            await frame.locator(f"#{link}").focus()
            await desk.page.keyboard.press("Enter")
        await frame.locator("#self").click(force=True, no_wait_after=True)
        await expect(frame.get_by_text("I am harmless.")).to_be_visible()
        direct = await desk.context.new_page()
        await direct.goto(f"{desk.base_url}{path}/letter", wait_until="load")
        reached = [await page.evaluate("[window.reached, origin]") for page in (desk.page, direct)]
        title, pages, place = await desk.page.title(), len(desk.context.pages), desk.page.url
        quiet = fate[PICTURE]
        await desk.visit(f"{path}?show=html&images=1")
        async with asyncio.timeout(PATIENCE_MS / 1000):
            await loading.wait()

    assert [] == asked
    assert [[None, desk.base_url], [None, "null"]] == reached
    assert ("Harmless · Pillarbox", 2, desk.base_url + path) == (title, pages, place)
    assert ("csp", "net::ERR_NAME_NOT_RESOLVED") == (quiet, fate[PICTURE])
    assert any("Blocked script execution" in complaint for complaint in desk.complaints)
    desk.may_complain = True


async def test_what_somebody_wrote_is_text(sit: Sit, pillarbox: System) -> None:
    """Markup in a subject is shown as it was written."""
    desk = await sit()
    subject = "<img src=x onerror=alert(1)><b>Sale</b>"
    message_id = later(pillarbox, "ann@example.org", subject)
    await desk.visit(f"/dashboard/messages/{message_id}")
    heading = await desk.page.get_by_role("heading", level=1).inner_text()
    await desk.visit("/dashboard/messages")

    assert subject == heading
    await expect(desk.page.get_by_role("link", name=subject)).to_be_visible()


async def test_what_is_sent_arrives_by_itself(sit: Sit, pillarbox: System) -> None:
    """In the list of messages, in the inbox and in the timeline, at the top and without a reload."""
    desk, inbox = await sit(), await sit()
    await desk.visit("/dashboard/messages")
    await inbox.visit("/dashboard/inbox")
    subject = f"News {uuid4()}"
    message_id = send(pillarbox, "ann@example.org", subject)

    await expect(desk.page.get_by_role("link").filter(has_text=subject)).to_be_visible()
    await expect(desk.page.locator("tbody tr").first).to_contain_text(subject)
    await expect(desk.page.locator("tbody tr").first).to_contain_text("sent")
    await expect(inbox.page.locator(".letters li").first).to_contain_text(subject)
    await desk.visit(f"/dashboard/messages/{message_id}")
    await expect(desk.page.locator("#timeline")).to_contain_text("Attempt 1 was accepted by outbox.")


async def test_a_dead_letter_is_replayed_from_the_keyboard(sit: Sit, pillarbox: System) -> None:
    """Found by its tab, asked once more, and said that it is done."""
    desk = await sit()
    asked: list[str] = []

    async def accept(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.accept()

    desk.page.on("dialog", accept)
    message_id = later(pillarbox, "ann@example.org", "Lost")
    report(pillarbox, message_id, "failed", reason="given_up")
    await desk.visit(f"/dashboard/messages/{message_id}")
    await desk.page.keyboard.press("Tab")
    await desk.page.keyboard.press("Enter")  # skips the menu
    for _ in range(5):
        await desk.page.keyboard.press("Tab")
        if await desk.page.evaluate("document.activeElement.textContent") == "Replay: send it once more":
            break
    await desk.page.keyboard.press("Enter")

    await expect(desk.page.get_by_role("status").filter(has_text="Replayed")).to_be_visible()
    assert ["Send it once more?"] == asked
    pillarbox.wait_for(message_id, "sent")


async def test_forms_work_without_javascript(browser: Browser, pillarbox: System) -> None:
    """A login, a search, a key, and its end."""
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    base = f"http://127.0.0.1:{pillarbox.port}/dashboard"
    await page.goto(f"{base}/login")
    await page.get_by_label("API key").fill(pillarbox.key)
    await page.get_by_role("button", name="Log in").click()
    await page.goto(f"{base}/keys")
    await page.get_by_label("Name").fill("Plain")
    await page.get_by_label("It may").select_option("read_access")
    await page.get_by_role("button", name="Make the key").click()
    secret = await page.locator(".secret").inner_text()
    await page.get_by_role("button", name="Revoke Plain").click()
    revoked = await page.get_by_role("status").inner_text()
    await context.close()

    assert re.fullmatch(r"pb_\w{72}", secret)
    assert "Revoked" in revoked


async def test_a_preview_follows_what_is_typed(sit: Sit, stock: dict[str, str]) -> None:
    """Or says at the field what is wrong; and it can be looked at as on a phone."""
    desk = await sit()
    await desk.visit(f"/dashboard/templates/{stock['template']}")
    field, preview = desk.page.get_by_label("Variables, as JSON"), desk.page.locator("#preview")
    await field.fill('{"name": "Zoë", "link": "https://example.com/r"}')
    await expect(preview).to_contain_text("Reset your password, Zoë")
    await expect(desk.page.frame_locator("iframe").get_by_text("Hello Zoë,")).to_be_visible()
    await preview.get_by_text("Phone", exact=True).click()
    box = await preview.locator("iframe").bounding_box()
    await field.fill('{"name": 1')

    await expect(preview.get_by_role("alert")).to_contain_text("This is no JSON")
    assert box is not None
    assert 375 == box["width"]
