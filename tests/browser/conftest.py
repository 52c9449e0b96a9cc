"""A real Chromium, and a real gateway with a mailer behind it; one of each for all tests in here."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.desk import NARROW, WIDE, Desk, Scheme
from tests.flow.system import System
from tests.servers.packages import UnavailableError, program, require

ARGUMENTS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nobody outside hears of what pages ask for
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)

Sit = Callable[..., Awaitable[Desk]]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run everything in here on one event loop: that of the browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's Chromium; on a laptop that has none, the tests that need it are skipped."""
    try:
        require("chromium")
    except UnavailableError as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))
    found = program("chromium")
    assert found is not None
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """The browser, with a new and empty profile."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, headless=True, args=list(ARGUMENTS), chromium_sandbox=False
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def pillarbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """What ``make run`` runs: everything embedded, and a development key."""
    folder = tmp_path_factory.mktemp("browser")
    broker = f"filesystem://{folder}/broker"
    databases = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {"PILLARBOX_PRESENCE_INTERVAL_SECONDS": "1"}
    with System(folder, broker, broker, *databases, settings) as system:
        yield system.start()


@pytest_asyncio.fixture(loop_scope="session")
async def sit(browser: Browser, pillarbox: System) -> AsyncIterator[Sit]:
    """Sit down at a new window, logged in unless told otherwise; nothing may be amiss on the console."""
    desks: list[Desk] = []
    async with AsyncExitStack() as closing:

        async def sit_down(*, scheme: Scheme = "light", phone: bool = False, key: str | None = None) -> Desk:
            context = await browser.new_context(
                color_scheme=scheme, viewport=NARROW if phone else WIDE, locale="en"
            )
            closing.push_async_callback(context.close)
            desk = Desk(f"http://127.0.0.1:{pillarbox.port}", context, await context.new_page())
            desk.listen()
            desks.append(desk)
            if key != "":
                await desk.enter(key or pillarbox.key)
            return desk

        yield sit_down
    assert [] == [complaint for desk in desks if not desk.may_complain for complaint in desk.complaints]
