"""The way in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.conftest import Sit
    from tests.flow.system import System


async def test_nobody_sees_anything_without_a_key(sit: Sit) -> None:
    """Whatever page is asked for, the login stands before it, and leads there afterwards."""
    desk = await sit(key="")
    await desk.open("/dashboard?page=2")

    assert desk.page.url.endswith("/dashboard/login?next=/dashboard%3Fpage%3D2")
    assert [] == await desk.barriers()
    await desk.picture("login")


async def test_a_key_opens_the_dashboard(sit: Sit, pillarbox: System) -> None:
    """And then stands neither in the page nor in what its code can read."""
    desk = await sit()
    readable = await desk.page.evaluate("document.cookie + JSON.stringify(localStorage)")
    (cookie,) = await desk.context.cookies(f"{desk.base_url}/dashboard")

    assert "{}" == readable
    assert pillarbox.key not in await desk.page.content()
    assert (True, "Strict", "/dashboard") == (cookie["httpOnly"], cookie["sameSite"], cookie["path"])
    assert pillarbox.key not in cookie["value"]


async def test_the_root_leads_to_the_dashboard(sit: Sit) -> None:
    """For whoever types the host's name only."""
    desk = await sit()
    await desk.open("/")

    assert f"{desk.base_url}/dashboard" == desk.page.url


async def test_a_logout_ends_the_session(sit: Sit) -> None:
    """Also for a copy of the cookie."""
    desk = await sit()
    cookies = await desk.context.cookies(f"{desk.base_url}/dashboard")
    await desk.page.get_by_role("button", name="Log out").click()
    await desk.page.wait_for_url("**/dashboard/login")
    await desk.context.add_cookies(cookies)  # type: ignore[arg-type]  # what was read can be set
    await desk.open("/dashboard")

    assert "/dashboard/login" in desk.page.url
