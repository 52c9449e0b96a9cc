"""What holds for every page: light and dark, wide and narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.gateway.dashboard.frame import POLICY
from tests.browser.desk import HEAVIEST_BYTES

if TYPE_CHECKING:
    from tests.browser.conftest import Sit
    from tests.browser.desk import Scheme

PAGES = {
    "overview": "/dashboard",
}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("scheme", "phone"), [("light", False), ("dark", True)])
async def test_a_page_is_fit_for_everybody(sit: Sit, name: str, scheme: Scheme, *, phone: bool) -> None:
    """It is light, has no barrier, fits the window, says nothing on the console, and lets no script in."""
    desk = await sit(scheme=scheme, phone=phone)
    response = await desk.open(PAGES[name])
    await desk.picture(f"{name}-{scheme}{'-phone' if phone else ''}")

    assert 200 == response.status
    assert POLICY == await response.header_value("Content-Security-Policy")
    assert [] == await desk.barriers()
    assert 0 == await desk.overhang()
    assert 0 < await desk.weight() < HEAVIEST_BYTES
