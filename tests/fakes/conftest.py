"""Every HTTP fake in turn, and a client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes import HTTP_FAKES, FakeESP
from tests.fakes.calls import KEY
from tests.fakes.plain import Plain


@pytest.fixture(params=HTTP_FAKES)
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeESP]:
    async with HTTP_FAKES[request.param](api_key=KEY) as fake:
        yield fake


@pytest.fixture
async def plain() -> AsyncIterator[Plain]:
    """The dialect without quirks, for what is the base's business alone."""
    async with Plain() as fake:
        yield fake


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps its connections open until the end of the test."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        yield client
