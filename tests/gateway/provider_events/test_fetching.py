"""Fetching: directly, little, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.gateway.provider_events.fetching import Fetcher, get
from services.gateway.provider_events.reader import Fetch, UnreachableError

ASKED: list[str] = []


async def _found(request: web.Request) -> web.Response:
    ASKED.append(request.path)
    return web.Response(body=b"certificate")


async def _elsewhere(_: web.Request) -> web.Response:
    raise web.HTTPFound("/found")


async def _huge(_: web.Request) -> web.Response:
    return web.Response(body=b"x" * 65_537)


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """A server that stands for Amazon's."""
    ASKED.clear()
    app = web.Application()
    app.router.add_get("/found", _found)
    app.router.add_get("/elsewhere", _elsewhere)
    app.router.add_get("/huge", _huge)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def test_what_is_there_is_given(server: TestServer) -> None:
    """As it is."""
    assert b"certificate" == await get(str(server.make_url("/found")))


@pytest.mark.parametrize("path", ["/elsewhere", "/huge", "/missing"])
async def test_nothing_else_is(server: TestServer, path: str) -> None:
    """No redirect is followed, and no more is read than a certificate can be."""
    with pytest.raises(UnreachableError):
        await get(str(server.make_url(path)))

    assert not ASKED


async def test_a_server_that_is_away_is_said_to_be(server: TestServer) -> None:
    """As one error, whatever it was."""
    url = str(server.make_url("/found"))
    await server.close()
    with pytest.raises(UnreachableError):
        await get(url)


class Source:
    """Gives everything, once it may, and notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.is_away = False

    async def get(self, url: str) -> bytes:
        """Wait, and give."""
        self.asked.append(url)
        await self.open.wait()
        if self.is_away:
            raise UnreachableError
        return url.encode()


async def test_a_certificate_is_fetched_once() -> None:
    """However many calls need it at the same time, and ever after."""
    source = Source()
    fetcher, wanted = Fetcher(source.get), Fetch("certificate", keep=True)
    calls = [asyncio.create_task(fetcher.fetch(wanted)) for _ in range(5)]
    await asyncio.sleep(0)
    source.open.set()

    assert [b"certificate"] * 5 == await asyncio.gather(*calls)
    assert b"certificate" == await fetcher.fetch(wanted)
    assert ["certificate"] == source.asked


async def test_a_confirmation_is_fetched_each_time() -> None:
    """Since it does something."""
    source = Source()
    source.open.set()
    fetcher = Fetcher(source.get)
    for _ in range(2):
        await fetcher.fetch(Fetch("confirm"))

    assert ["confirm"] * 2 == source.asked


async def test_what_could_not_be_fetched_is_tried_again() -> None:
    """A failure is not kept."""
    source = Source()
    source.open.set()
    source.is_away = True
    fetcher, wanted = Fetcher(source.get), Fetch("certificate", keep=True)
    with pytest.raises(UnreachableError):
        await fetcher.fetch(wanted)
    source.is_away = False

    assert b"certificate" == await fetcher.fetch(wanted)


async def test_strangers_cannot_have_much_fetched() -> None:
    """One thing at a time, and only few wait for it; what is kept is bounded, too."""
    source = Source()
    fetcher = Fetcher(source.get)
    waiting = [asyncio.create_task(fetcher.fetch(Fetch(str(n), keep=True))) for n in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(UnreachableError):
        await fetcher.fetch(Fetch("one more"))

    assert ["0"] == source.asked
    source.open.set()
    await asyncio.gather(*waiting)
    for number in range(100):
        await fetcher.fetch(Fetch(str(number), keep=True))
    assert 32 == len(fetcher._kept)
