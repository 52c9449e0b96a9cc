"""``GET /events`` as a listener meets it: the whole application, real sockets, a real ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from services.gateway.api.event_stream import TYPES
from services.gateway.app import create_app
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.api_keys import ApiKeys
from services.gateway.ledger.database import LedgerAddress, open_engine
from services.gateway.ledger.feed import Position
from services.gateway.ledger.sessions import Sessions
from services.gateway.settings import Settings
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission
from tests.flow.system import DEVELOPMENT_KEY, EMAIL

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE = 10.0
LATER = {**EMAIL, "scheduled_at": "in 1 hour"}


@dataclass
class Listener:
    """A client of a stream, which understands what is sent as a browser would."""

    answer: aiohttp.ClientResponse
    session: aiohttp.ClientSession
    last_id: str = ""
    comments: int = 0
    type: str = ""
    blocks: list[dict[str, str]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        self.answer.close()
        await self.session.close()

    async def ended(self) -> bool:
        """Read to the end, which the gateway has to make."""
        try:
            while True:
                await self.line()
        except (EOFError, aiohttp.ClientError):
            return True

    async def event(self) -> dict[str, Any]:
        """The next event's data; ids and comments are noted beside."""
        while True:
            block = await self.block()
            if "data" in block:
                told: dict[str, Any] = json.loads(block["data"])
                self.type = block["event"]
                return told

    async def words(self, count: int) -> list[str]:
        """The next events, by name."""
        return [(await self.event())["data"]["event"] for _ in range(count)]

    async def block(self) -> dict[str, str]:
        """The lines up to an empty one."""
        lines: dict[str, str] = {}
        while line := await self.line():
            name, _, value = line.partition(":")
            lines[name] = value.removeprefix(" ")
            self.comments += name == ""
        self.last_id = lines.get("id", self.last_id)
        return lines

    async def line(self) -> str:
        """The next line."""
        async with asyncio.timeout(PATIENCE):
            line = await self.answer.content.readline()
        if not line:
            raise EOFError
        return line.decode().removesuffix("\n")


@dataclass
class Gateway:
    """A running application, and its callers."""

    server: TestServer
    ledger_url: str

    async def call(self, method: str, path: str, key: str = DEVELOPMENT_KEY, **more: Any) -> Any:
        """Make a request; the answer's status, headers and JSON."""
        headers = {"Authorization": f"Bearer {key}"} | more.pop("headers", {})
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.server.make_url(path), headers=headers, **more) as answer,
        ):
            return answer.status, answer.headers, await answer.json()

    async def schedule(self, key: str = DEVELOPMENT_KEY) -> str:
        """Have a message scheduled, which is an event."""
        status, _, body = await self.call("POST", "/emails", key, json=LATER)
        assert 202 == status
        return str(body["id"])

    async def cancel(self, message_id: str) -> None:
        """Have it canceled, which is another."""
        status, _, _ = await self.call("POST", f"/emails/{message_id}/cancel")
        assert 200 == status

    async def listen(self, query: str = "", key: str = DEVELOPMENT_KEY, **headers: str) -> Listener:
        """Open a stream, and read where it begins."""
        session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}", **headers})
        answer = await session.get(self.server.make_url("/events" + query))
        listener = Listener(answer, session)
        if answer.status != 200:
            await listener.close()
            raise AssertionError(answer.status)
        await listener.block()
        return listener

    async def listen_at_last(self, key: str) -> Listener:
        """Open a stream as soon as there is room for it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return await self.listen(key=key)
                except AssertionError:
                    await asyncio.sleep(0.02)

    async def make_key(self, tenant: str, permission: Permission = Permission.FULL) -> tuple[str, str]:
        """Make a key of a tenant; its text and its id."""
        key = keys.generate(new_message_id())
        engine = open_engine(LedgerAddress.parse(self.ledger_url), 5)
        store = ApiKeys(Sessions(engine, writing=None, timeout=5))
        await store.create(Caller(tenant, key.id, permission), "test", key.digest)
        await engine.dispose()
        return key.text, str(key.id)


@asynccontextmanager
async def running(folder: Path, **settings: Any) -> AsyncIterator[Gateway]:
    """A gateway that looks for news often."""
    url = f"sqlite:///{folder}/ledger.sqlite3"
    app = create_app(
        Settings(
            broker_url=f"filesystem://{folder}/broker",
            ledger_url=url,
            development_key=DEVELOPMENT_KEY,
            event_stream_interval_seconds=0.02,
            ledger_timeout_seconds=PATIENCE,
            **settings,
        )
    )
    async with TestServer(app, shutdown_timeout=PATIENCE) as server:
        assert isinstance(server, TestServer)
        yield Gateway(server, url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway with few streams for a key, and little room for other requests."""
    folder = tmp_path_factory.mktemp("streams")
    more = {"event_streams_per_key": 3, "event_stream_heartbeat_seconds": 0.2, "in_flight_limit": 2}
    async with running(folder, **more) as gateway:
        yield gateway


async def test_a_stream_begins_with_where_it_is(gateway: Gateway) -> None:
    """So that a client that is cut off before the first event misses none."""
    async with await gateway.listen() as listener:
        headers = listener.answer.headers

    assert Position.parse(listener.last_id)
    assert "text/event-stream" == headers["Content-Type"]
    assert ("no-store", "no") == (headers["Cache-Control"], headers["X-Accel-Buffering"])
    assert all(name in headers for name in ("X-Request-Id", "ratelimit-limit", "Server"))


async def test_what_happens_is_told(gateway: Gateway) -> None:
    """As it stands in the message's timeline, with the message's id and a type in front."""
    async with await gateway.listen() as listener:
        message_id = await gateway.schedule()
        told = await listener.event()
        await gateway.cancel(message_id)
        following = await listener.event()
    _, _, timeline = await gateway.call("GET", f"/emails/{message_id}/events")
    scheduled = timeline["data"][1]

    assert ["email.scheduled", "email.canceled"] == [told["type"], following["type"]]
    assert listener.type == following["type"]
    assert scheduled["at"] == told["created_at"]
    assert {"email_id": message_id, "event": "scheduled", "actor": "gateway", "attempt": 0} == {
        name: value for name, value in told["data"].items() if value is not None
    }


async def test_a_stream_goes_on_behind_the_last_event_that_was_seen(gateway: Gateway) -> None:
    """In the header, as browsers say it, or in the URL; the header is newer."""
    async with await gateway.listen() as listener:
        start = listener.last_id
        message_id = await gateway.schedule()
        await listener.event()
        seen = listener.last_id
    await gateway.cancel(message_id)
    for query, headers, missed in (
        ("", {"Last-Event-ID": seen}, ["canceled"]),
        (f"?last_event_id={seen}", {}, ["canceled"]),
        (f"?last_event_id={start}", {"Last-Event-ID": seen}, ["canceled"]),
        (f"?last_event_id={start}", {}, ["scheduled", "canceled"]),
    ):
        async with await gateway.listen(query, **headers) as listener:
            assert missed == await listener.words(len(missed))


async def test_a_stream_can_be_narrowed(gateway: Gateway) -> None:
    """To some types of events."""
    for query in ("?types=email.bounced,email.canceled", "?types=email.bounced&types=email.canceled"):
        async with await gateway.listen(query) as listener:
            message_id = await gateway.schedule()
            await gateway.cancel(message_id)

            assert ["canceled"] == await listener.words(1)


async def test_a_stream_gives_signs_of_life(gateway: Gateway) -> None:
    """Comments, which are no events, so that no proxy takes the connection for dead."""
    async with await gateway.listen() as listener:
        assert [":", ":"] == [await listener.line(), await listener.line()]


async def test_nobody_is_told_of_another_tenants_messages(gateway: Gateway) -> None:
    """Whatever place is named."""
    stranger, _ = await gateway.make_key("stranger")
    async with await gateway.listen() as ours, await gateway.listen(key=stranger) as theirs:
        start = theirs.last_id
        mine, foreign = await gateway.schedule(), await gateway.schedule(stranger)
        told = [(await listener.event())["data"]["email_id"] for listener in (ours, theirs)]
    async with await gateway.listen(key=stranger, **{"Last-Event-ID": start}) as again:
        resumed = (await again.event())["data"]["email_id"]

    assert [mine, foreign, foreign] == [*told, resumed]


async def test_a_key_has_a_few_streams(gateway: Gateway) -> None:
    """One more is refused, until one of them has gone; a stream is no request in flight."""
    key, _ = await gateway.make_key("many")
    listeners = [await gateway.listen(key=key) for _ in range(3)]
    status, headers, body = await gateway.call("GET", "/events", key)
    await gateway.schedule(key)
    words = [await listener.words(1) for listener in listeners]
    await listeners.pop().close()
    listeners.append(await gateway.listen_at_last(key))
    for listener in listeners:
        await listener.close()

    assert (429, "too_many_streams", "2") == (status, body["name"], headers["Retry-After"])
    assert [["scheduled"]] * 3 == words


async def test_a_stream_of_a_revoked_key_ends(gateway: Gateway) -> None:
    """At the next sign of life."""
    key, key_id = await gateway.make_key("default")
    async with await gateway.listen(key=key) as listener:
        status, _, _ = await gateway.call("DELETE", f"/api-keys/{key_id}")

        assert 200 == status
        assert await listener.ended()


async def test_streams_end_when_the_gateway_stops(tmp_path: Path) -> None:
    """The process need not wait for those who listen, and they go on elsewhere."""
    async with running(tmp_path) as gateway:
        listener = await gateway.listen()
        loop = asyncio.get_running_loop()
        started = loop.time()
        await gateway.server.close()
        took = loop.time() - started
        ended = await listener.ended()
        await listener.close()

    assert ended
    assert took < PATIENCE / 2


async def test_a_gateway_serves_so_many_streams(tmp_path: Path) -> None:
    """Whoever is one too many is asked to come again."""
    async with running(tmp_path, event_streams_limit=1) as gateway, await gateway.listen():
        status, headers, body = await gateway.call("GET", "/events")

    assert (503, "overloaded", "10") == (status, body["name"], headers["Retry-After"])


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?types=email.nonsense", "/types"),
        ("?types=email.sent&types=bounced", "/types"),
        ("?last_event_id=yesterday", "/last_event_id"),
        ("?last_event_id=1-1&last_event_id=1-2", "/last_event_id"),
    ],
)
async def test_what_cannot_be_asked_for_is_named(gateway: Gateway, query: str, pointer: str) -> None:
    """Rather than a stream begun that is not the one that was meant."""
    status, _, body = await gateway.call("GET", "/events" + query)

    assert (422, [pointer]) == (status, [error["pointer"] for error in body["errors"]])


async def test_a_key_for_sending_listens_to_nothing(gateway: Gateway) -> None:
    """Nor does a caller without a key."""
    sending, _ = await gateway.make_key("default", Permission.SENDING)
    answers = [await gateway.call("GET", "/events", key) for key in (sending, "")]

    assert [401, 401] == [status for status, _, _ in answers]


async def test_every_word_of_the_contract_is_a_type() -> None:
    """And those of the gateway itself."""
    expected = {"email.sent", "email.delivered", "email.scheduled", "email.replayed", "email.dropped"}

    assert expected < set(TYPES)
    assert len(TYPES) == len(set(TYPES))
