"""Providers' calls over HTTP, as strangers and providers make them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from services.gateway.api import middlewares
from services.gateway.api.provider_events import ProviderEvents
from services.gateway.api.requests import BodyReader
from services.gateway.app import create_app
from services.gateway.provider_events.account_settings import PostmarkEvents
from services.gateway.provider_events.fetching import Fetcher
from services.gateway.provider_events.intake import Intake
from services.gateway.provider_events.reader import Call, UnreachableError
from services.gateway.relay.dispatch import Dispatch
from services.gateway.relay.publisher import Link, Publishable, Published
from services.gateway.settings import Settings
from shared.signatures import RecordEvent
from tests.gateway.provider_events import amazon
from tests.gateway.provider_events.providers import KEYS, NOW, PROVIDERS, Provider

Client = TestClient[web.Request, web.Application]
EACH = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


class Broker:
    """Takes everything, unless it is told not to."""

    def __init__(self) -> None:
        self.got: list[Publishable] = []
        self.fails = False

    def connect(self) -> None:
        """Be there."""

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """Take the batch, or the first of it alone."""
        taken = batch[:1] if self.fails else batch
        self.got += taken
        return Published([each.id for each in taken])

    def keep_alive(self) -> Link:
        """Be there still."""
        return Link.UP

    def depth(self, _: str) -> int | None:
        """Hold nothing."""
        return 0

    def close(self) -> None:
        """Be gone."""


class World:
    """The call of the gateway's, between a client and a broker."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.fetched: list[str] = []
        self.amazon_is_away = False
        self.client: Client

    async def get(self, url: str) -> bytes:
        """Stand for Amazon."""
        if self.amazon_is_away:
            raise UnreachableError
        self.fetched.append(url)
        return amazon.certificate()

    async def post(self, name: str, call: Call, **headers: str) -> tuple[int, Any]:
        """Make a call, and read the answer."""
        given = {"content-type": "text/plain", **call.headers, **headers}
        path = f"/provider-events/{name}"
        async with self.client.post(path, data=call.body, headers=given) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Every provider's account, and a broker that is there."""
    world = World()
    dispatch = Dispatch(world.broker)
    dispatch.start()
    while not dispatch.connected:  # noqa: ASYNC110 - nobody would set an event
        await asyncio.sleep(0.001)
    readers = {name: provider.reader() for name, provider in PROVIDERS.items()}
    intake = Intake(readers, dispatch.publish, Fetcher(world.get), lambda: NOW)
    app = web.Application(
        middlewares=[middlewares.observe, middlewares.answer_problems()], client_max_size=100_000
    )
    app.add_routes(ProviderEvents(intake, BodyReader(100_000, 5)).routes())
    async with TestClient(TestServer(app)) as client:
        world.client = client
        yield world
    await dispatch.close()


@EACH
async def test_events_are_published_before_the_answer(world: World, provider: Provider) -> None:
    """A 200 says that the broker has them."""
    answer = await world.post(provider.name, provider.genuine())
    (published,) = world.broker.got
    event = RecordEvent.parse(published.arguments)

    assert (200, {"status": "ok"}) == answer
    assert (provider.samples[0].means[0][0], provider.name) == (event.event, event.provider)


@EACH
async def test_a_replayed_call_is_answered_as_before(world: World, provider: Provider) -> None:
    """With the same ids, by which the recorder knows it again."""
    answers = [await world.post(provider.name, provider.genuine()) for _ in range(2)]
    first, second = (RecordEvent.parse(published.arguments) for published in world.broker.got)

    assert [200, 200] == [status for status, _ in answers]
    assert first == second


@EACH
async def test_a_forged_call_is_answered_401(world: World, provider: Provider) -> None:
    """Without a word on what is wrong with it, and nothing is published."""
    status, body = await world.post(provider.name, provider.genuine(key="wrong"))

    assert (401, "invalid_signature") == (status, body["name"])
    assert [] == world.broker.got


async def test_of_a_call_with_events_that_mean_nothing_nothing_is_published(world: World) -> None:
    """It is taken all the same: to repeat it would not help."""
    provider = PROVIDERS["sendgrid"]
    call = provider.call([provider.samples[-1].event, None, {"event": "open"}], NOW, "right")

    assert (200, {"status": "ok"}) == await world.post("sendgrid", call)
    assert [] == world.broker.got


async def test_a_broker_that_takes_a_part_is_a_503(world: World) -> None:
    """The provider repeats all of it."""
    world.broker.fails = True
    provider = PROVIDERS["sendgrid"]
    call = provider.call([sample.event for sample in provider.samples], NOW, "right")
    async with world.client.post("/provider-events/sendgrid", data=call.body, headers=call.headers) as answer:
        assert (503, "5") == (answer.status, answer.headers["Retry-After"])


async def test_amazon_away_is_a_503(world: World) -> None:
    """Nobody can tell who wrote it, so SNS has to repeat it."""
    world.amazon_is_away = True

    assert 503 == (await world.post("ses", PROVIDERS["ses"].genuine()))[0]
    assert [] == world.broker.got


async def test_a_subscription_is_confirmed(world: World) -> None:
    """By itself, so that to subscribe is all that an operator has to do."""
    fields = {"Type": "SubscriptionConfirmation", "Token": "1", "SubscribeURL": amazon.SUBSCRIBE_URL}
    status, _ = await world.post("ses", Call({}, amazon.envelope("Confirm", NOW, **fields)))

    assert 200 == status
    assert [amazon.CERTIFICATE_URL, amazon.SUBSCRIBE_URL] == world.fetched


async def test_a_genuine_call_that_is_no_json_is_a_400(world: World) -> None:
    """And says where it stops making sense."""
    call = PROVIDERS["postmark"].genuine()
    status, body = await world.post("postmark", Call(call.headers, call.body[:-1]))

    assert (400, "invalid_json") == (status, body["name"])


async def test_bodies_are_limited(world: World) -> None:
    """In size, and in what they unpack to."""
    call = PROVIDERS["postmark"].genuine()

    assert 413 == (await world.post("postmark", Call(call.headers, b" " * 100_001)))[0]
    assert 415 == (await world.post("postmark", call, **{"content-encoding": "gzip"}))[0]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_providers_may_try_an_address(world: World, method: str) -> None:
    """Before they use it."""
    for name, status in {"mandrill": 200, "nobody": 404}.items():
        async with world.client.request(method, f"/provider-events/{name}") as answer:
            assert status == answer.status


@pytest.mark.parametrize("name", ["nobody", "SENDGRID", "%00", "..%2Fhealthz"])
async def test_an_account_that_is_not_there_is_a_404(world: World, name: str) -> None:
    """Whatever is posted."""
    assert 404 == (await world.post(name, PROVIDERS["sendgrid"].genuine()))[0]


async def test_nothing_of_a_call_is_logged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """No address and no key, whether it is taken, refused or no JSON."""
    provider = PROVIDERS["postmark"]
    call = provider.genuine()
    await world.post("postmark", call)
    await world.post("postmark", provider.genuine(key="wrong"))
    await world.post("postmark", Call(call.headers, call.body[:-1]))
    printed = "".join(capsys.readouterr())

    assert printed.count("provider_events.published") == 1
    assert printed.count("provider_events.refused") == 2
    for secret in ("ann", "example.org", KEYS["right"], KEYS["wrong"], call.headers["authorization"][6:]):
        assert secret not in printed


async def test_the_whole_gateway_takes_them(tmp_path: Path) -> None:
    """Without an API key, as the settings say, on the embedded broker."""
    account = PostmarkEvents(kind="postmark", username="postmark", passwords=SecretStr(KEYS["right"]))
    settings = Settings(
        broker_url=SecretStr(f"filesystem://{tmp_path}/broker"),
        ledger_url=SecretStr(f"sqlite:///{tmp_path}/ledger.sqlite3"),
        provider_events={"main": account},
    )
    call = PROVIDERS["postmark"].genuine()
    async with TestClient(TestServer(create_app(settings))) as client:
        statuses = []
        async with asyncio.timeout(10):
            while 200 not in statuses:  # the gateway connects to its broker meanwhile
                async with client.post(
                    "/provider-events/main", data=call.body, headers=call.headers
                ) as answer:
                    statuses.append(answer.status)
                await asyncio.sleep(0.01)
        async with client.post("/provider-events/postmark", data=call.body, headers=call.headers) as answer:
            statuses.append(answer.status)

    assert {200, 404} <= set(statuses) <= {200, 404, 503}
