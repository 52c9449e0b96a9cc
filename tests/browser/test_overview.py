"""What the overview shows while somebody looks at it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browser.desk import PATIENCE_MS

if TYPE_CHECKING:
    from tests.browser.conftest import Sit
    from tests.flow.system import System


async def test_what_happens_is_seen_without_a_click(sit: Sit, pillarbox: System) -> None:
    """A mailer at work, its account, and rates and times of what it has just sent."""
    desk = await sit()
    await desk.open("/dashboard")
    await desk.page.evaluate("window.unmoved = true")
    for _ in range(5):
        pillarbox.accept()

    now, plots = desk.page.locator("#now"), desk.page.locator("#plots")
    await expect(now.get_by_role("row", name="at work")).to_be_visible(timeout=PATIENCE_MS)
    await expect(now.get_by_role("row", name=re.compile("outbox.*closed"))).to_be_visible(timeout=PATIENCE_MS)
    await expect(plots.get_by_text(re.compile(r"half within \d+ m?s"))).to_be_visible(timeout=PATIENCE_MS)
    assert await desk.page.evaluate("window.unmoved")


async def test_nothing_but_the_pages_own_files_is_fetched(sit: Sit) -> None:
    """From no other host."""
    desk = await sit()
    await desk.open("/dashboard")
    urls = [response.url for response in desk.responses]

    assert {desk.base_url} == {url[: len(desk.base_url)] for url in urls}


async def test_a_gateway_that_does_not_answer_is_told_of(sit: Sit) -> None:
    """And no more once it answers again; what was shown stays."""
    desk = await sit()
    await desk.open("/dashboard")
    lost = desk.page.get_by_text("The gateway does not answer")
    await desk.context.set_offline(offline=True)
    await expect(lost).to_be_visible(timeout=PATIENCE_MS)
    assert await desk.page.get_by_role("heading", name="Overview").is_visible()
    await desk.context.set_offline(offline=False)
    await expect(lost).to_be_hidden(timeout=PATIENCE_MS)
    assert desk.complaints
    desk.complaints.clear()  # the browser says itself that it is offline


async def test_the_keyboard_reaches_everything(sit: Sit) -> None:
    """The first stop leads past the menu; what has the focus keeps it while the page renews itself."""
    desk = await sit()
    await desk.open("/dashboard")
    await desk.page.keyboard.press("Tab")
    await desk.page.keyboard.press("Enter")

    assert "main" == await desk.page.evaluate("document.activeElement.id")
