"""Links to unsubscribe (RFC 8058): what offers them, what stands in them, and what using one does."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet
from structlog.testing import capture_logs

from services.gateway.api.middlewares import answer_problems, observe
from services.gateway.api.unsubscribe import UnsubscribeHandlers
from services.gateway.app import create_app
from services.gateway.identifiers import new_message_id
from services.gateway.relay.dispatch import Dispatch
from services.gateway.relay.publisher import Link, Publishable, Published
from services.gateway.settings import Settings
from services.gateway.unsubscribing import MECHANISM, Subscriber, Tokens, Unsubscribing
from shared.signatures import RecordEvent
from tests.flow.system import DEVELOPMENT_KEY, EMAIL

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY, ANOTHER = Fernet.generate_key().decode(), Fernet.generate_key().decode()
TOKENS = Tokens([KEY])
ANN = Subscriber("acme", "Ann.O'Neil+news@example.org", new_message_id())
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
PUBLIC_URL = "https://mail.example.com"


class Broker:
    """Confirms everything, unless it is away."""

    def __init__(self) -> None:
        self.is_away = False
        self.got: list[Publishable] = []

    def connect(self) -> None:
        """Be there."""

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """Take the batch, or fail."""
        if self.is_away:
            return Published(error=ConnectionError())
        self.got += batch
        return Published([one.id for one in batch])

    def keep_alive(self) -> Link:
        """Be there still."""
        return Link.UP

    def depth(self, _: str) -> int | None:
        """Hold nothing."""
        return 0

    def close(self) -> None:
        """Be gone."""

    def events(self) -> list[RecordEvent]:
        """What was published."""
        return [RecordEvent.parse(one.arguments) for one in self.got]


@dataclass
class Pages:
    """The pages behind the links, served over a broker that does as it is told."""

    client: TestClient[web.Request, web.Application]
    broker: Broker

    def link(self, token: str | None = None) -> str:
        """Where a link leads."""
        return f"/unsubscribe/{TOKENS.make(ANN) if token is None else token}"


@asynccontextmanager
async def serving(tokens: Tokens | None = TOKENS) -> AsyncIterator[Pages]:
    """Serve the pages."""
    broker = Broker()
    dispatch = Dispatch(broker)
    app = web.Application(middlewares=[observe, answer_problems()])
    app.add_routes(UnsubscribeHandlers(tokens, dispatch).routes())
    dispatch.start()
    async with asyncio.timeout(5), TestClient(TestServer(app)) as client:
        while not dispatch.connected:  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0)
        yield Pages(client, broker)
        await dispatch.close()


@pytest_asyncio.fixture(loop_scope="module")
async def pages() -> AsyncIterator[Pages]:
    """The pages, with one key."""
    async with serving() as pages:
        yield pages


# The page and its click


async def test_looking_at_the_page_changes_nothing(pages: Pages) -> None:
    """Programs that look for viruses follow every link; what counts is the button."""
    answer = await pages.client.get(pages.link())
    text = await answer.text()

    assert (200, "text/html") == (answer.status, answer.content_type)
    assert '<form method="post">' in text
    assert "Ann.O&#x27;Neil+news@example.org" in text
    assert [] == pages.broker.got


async def test_the_page_is_safe_and_not_found_by_search_engines(pages: Pages) -> None:
    """Its address is a secret of the recipient's; nothing is loaded, run, framed or kept."""
    answer = await pages.client.get(pages.link())
    policy = answer.headers["Content-Security-Policy"]
    text = await answer.text()

    assert {"default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} < set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert ("noindex, nofollow", "no-store", "no-referrer", "nosniff") == tuple(
        answer.headers[name]
        for name in ("X-Robots-Tag", "Cache-Control", "Referrer-Policy", "X-Content-Type-Options")
    )
    assert "<script" not in text
    assert '<meta name="robots" content="noindex, nofollow">' in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text


@pytest.mark.parametrize("body", [ONE_CLICK, {}, {"something": "else"}], ids=["one click", "nothing", "else"])
async def test_one_click_unsubscribes(pages: Pages, body: dict[str, str]) -> None:
    """An event about the recipient is on its way when the answer is 200, however it was asked for."""
    answer = await pages.client.post(pages.link(), data=body)
    (event,) = pages.broker.events()
    (published,) = pages.broker.got

    assert 200 == answer.status
    assert "You are unsubscribed" in await answer.text()
    assert ("gateway.record_event", "gateway.events") == (published.task, published.queue)
    assert (ANN.message_id, "unsubscribed", ANN.address) == (event.message_id, event.event, event.recipient)
    assert (MECHANISM, 64) == (event.provider, len(event.provider_event_id or ""))


async def test_a_form_of_parts_unsubscribes_too(pages: Pages) -> None:
    """RFC 8058 allows both forms."""
    with aiohttp.MultipartWriter("form-data") as form:
        part = form.append("One-Click")
        part.set_content_disposition("form-data", name="List-Unsubscribe")
    answer = await pages.client.post(pages.link(), data=form)

    assert (200, 1) == (answer.status, len(pages.broker.got))


async def test_a_second_click_is_the_same_event(pages: Pages) -> None:
    """Mail programs repeat; the ledger keeps it once, and an event of another day apart."""
    for _ in range(2):
        await pages.client.post(pages.link(), data=ONE_CLICK)
    now = datetime.now(UTC).replace(hour=12)
    days = [ANN.event(now + timedelta(days)).provider_event_id for days in (0, 0.1, 1)]
    other = Subscriber(ANN.tenant, "else@example.org", ANN.message_id).event(now)

    assert 2 == len({published.id for published in pages.broker.got})
    assert 1 == len({event.provider_event_id for event in pages.broker.events()})
    assert days[0] == days[1] != days[2]
    assert other.provider_event_id not in days


@pytest.mark.parametrize("browser", [False, True], ids=["a program", "a browser"])
async def test_while_the_broker_is_away_it_is_to_be_tried_again(pages: Pages, *, browser: bool) -> None:
    """Nothing is promised: 503 with Retry-After, to a person as a page with the button."""
    pages.broker.is_away = True
    headers = {"Accept": "text/html,*/*;q=0.8"} if browser else {}
    answer = await pages.client.post(pages.link(), data=ONE_CLICK, headers=headers)
    text = await answer.text()

    assert (503, "5") == (answer.status, answer.headers["Retry-After"])
    assert (browser, not browser) == ("<button" in text, '"unavailable"' in text)


def altered(token: str) -> Iterator[str]:
    """A token with one character changed, at every place but the padding's."""
    for place in range(0, len(token) - 1, 7):
        yield token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]


FORGED = {
    "of another key": Tokens([ANOTHER]).make(ANN),
    "cut off": TOKENS.make(ANN)[:-10],
    "longer": TOKENS.make(ANN) + "AAAA",
    "nonsense": "nonsense",
    "not ASCII": "%C3%A9%C3%A9",
    "not a list": Fernet(KEY).encrypt(b'"x"').decode(),
    "not JSON": Fernet(KEY).encrypt(b"\xff").decode(),
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
async def test_a_forged_token_is_nothing(pages: Pages, token: str) -> None:
    """404, whether it is looked at or posted to."""
    answers = [await call(pages.link(token)) for call in (pages.client.get, pages.client.post)]

    assert [404, 404] == [answer.status for answer in answers]
    assert ["not_found"] * 2 == [(await answer.json())["name"] for answer in answers]
    assert [] == pages.broker.got


async def test_an_altered_token_is_nothing(pages: Pages) -> None:
    """Wherever it was altered."""
    statuses = {(await pages.client.post(pages.link(token))).status for token in altered(TOKENS.make(ANN))}

    assert {404} == statuses
    assert [] == pages.broker.got


async def test_a_person_is_told_in_words_that_a_link_is_broken(pages: Pages) -> None:
    """A browser gets a page, with the same status."""
    answer = await pages.client.get(pages.link("broken"), headers={"Accept": "text/html,*/*;q=0.8"})

    assert (404, "text/html") == (answer.status, answer.content_type)
    assert "This link does not work" in await answer.text()


async def test_without_keys_no_link_works() -> None:
    """Not even one that was made with a key."""
    async with serving(None) as pages:
        assert 404 == (await pages.client.post(pages.link(), data=ONE_CLICK)).status


async def test_neither_token_nor_address_is_logged(pages: Pages) -> None:
    """The log line names the route and the message."""
    pages.broker.is_away = True
    with capture_logs() as lines:
        await pages.client.get(pages.link())
        await pages.client.post(pages.link(), data=ONE_CLICK)
        await pages.client.get(pages.link("broken-token"))
    requests = [line for line in lines if "route" in line]

    assert ["/unsubscribe/{token}"] * 3 == [line["route"] for line in requests]
    assert [str(ANN.message_id)] * 2 + [None] == [line["message_id"] for line in requests]
    assert not re.search(r"example\.org|broken-token|gAAAA", json.dumps(lines, default=str))


# Keys


async def test_keys_are_changed_without_breaking_links() -> None:
    """The first key makes links, and all read them; what a removed one made is nothing any more."""
    old, rotated, new = Tokens([KEY]), Tokens([ANOTHER, KEY]), Tokens([ANOTHER])

    assert ANN == rotated.read(old.make(ANN))
    assert ANN == new.read(rotated.make(ANN))
    assert new.read(old.make(ANN)) is None


async def test_a_token_tells_nothing_and_fits_a_url() -> None:
    """Neither the address nor the tenant can be read out of it, and two never look alike."""
    made = [TOKENS.make(ANN) for _ in range(2)]

    assert made[0] != made[1]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{100,400}", token) for token in made)


async def test_it_takes_an_address_and_a_key() -> None:
    """Without either there are no links."""
    assert Unsubscribing.of(None, TOKENS) is None
    assert Unsubscribing.of(PUBLIC_URL, None) is None


# The field of an e-mail


@dataclass
class Gateway:
    """A running application."""

    client: TestClient[web.Request, web.Application]

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Make a request; its status and JSON."""
        headers = {"Authorization": f"Bearer {DEVELOPMENT_KEY}"}
        answer = await self.client.request(method, path, headers=headers, **more)
        return answer.status, await answer.json()

    async def headers_of(self, message_id: str) -> dict[str, str]:
        """The headers that a message was accepted with."""
        _, body = await self.call("GET", f"/emails/{message_id}")
        headers: dict[str, str] = body["headers"]
        return headers


@asynccontextmanager
async def running(folder: Path, **settings: Any) -> AsyncIterator[Gateway]:
    """The whole application."""
    app = create_app(
        Settings(
            broker_url=f"filesystem://{folder}/broker",
            ledger_url=f"sqlite:///{folder}/ledger.sqlite3",
            development_key=DEVELOPMENT_KEY,
            ledger_timeout_seconds=10,
            **settings,
        )
    )
    async with TestClient(TestServer(app)) as client:
        yield Gateway(client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway that offers links."""
    settings = {"public_url": f"{PUBLIC_URL}/box/", "unsubscribe_keys": KEY}
    async with running(tmp_path_factory.mktemp("links"), **settings) as gateway:
        yield gateway


async def test_a_message_gets_the_headers_of_its_link(gateway: Gateway) -> None:
    """Beside its own; the link is about its recipient, and works."""
    body = {**EMAIL, "unsubscribe": True, "priority": "bulk", "headers": {"X-Campaign": "spring"}}
    status, accepted = await gateway.call("POST", "/emails", json=body)
    headers = await gateway.headers_of(accepted["id"])
    link = re.fullmatch(rf"<{PUBLIC_URL}/box/unsubscribe/([\w-]+)>", headers["List-Unsubscribe"])
    assert link
    subscriber = TOKENS.read(link[1])
    answer = await gateway.client.post(f"/unsubscribe/{link[1]}", data=ONE_CLICK)

    assert (202, 200) == (status, answer.status)
    assert {"X-Campaign", "List-Unsubscribe", "List-Unsubscribe-Post"} == set(headers)
    assert "List-Unsubscribe=One-Click" == headers["List-Unsubscribe-Post"]
    assert subscriber
    assert ("default", "joao@example.com", accepted["id"]) == (
        subscriber.tenant,
        subscriber.address,
        str(subscriber.message_id),
    )


async def test_a_click_ends_on_the_list(gateway: Gateway) -> None:
    """Bulk mail stops, other mail does not, and the timeline says who wanted it."""
    body = {**EMAIL, "to": "ann@example.org", "unsubscribe": True, "priority": "bulk"}
    _, accepted = await gateway.call("POST", "/emails", json=body)
    link = (await gateway.headers_of(accepted["id"]))["List-Unsubscribe"].strip("<>")
    for _ in range(2):
        await gateway.client.post(link.removeprefix(f"{PUBLIC_URL}/box"), data=ONE_CLICK)
    async with asyncio.timeout(20):
        while (  # noqa: ASYNC110 - nothing else tells of it
            found := await gateway.call("GET", "/suppressions/ann@example.org")
        )[0] != 200:
            await asyncio.sleep(0.05)
    _, timeline = await gateway.call("GET", f"/emails/{accepted['id']}/events")
    told = [event for event in timeline["data"] if event["event"] == "unsubscribed"]
    _, bulk = await gateway.call("POST", "/emails", json=body)
    _, receipt = await gateway.call("POST", "/emails", json={**body, "priority": "transactional"})
    bulk_status, receipt_status = [
        (await gateway.call("GET", f"/emails/{message['id']}"))[1]["status"] for message in (bulk, receipt)
    ]

    assert "unsubscribe" == found[1]["origin"]
    assert [("recipient", "ann@example.org")] == [(event["actor"], event["recipient"]) for event in told]
    assert "suppressed" == bulk_status
    assert receipt_status in {"accepted", "queued"}


async def test_each_message_of_a_batch_gets_a_link_of_its_own(gateway: Gateway) -> None:
    """Or none, where it does not ask for one."""
    batch = [{**EMAIL, "unsubscribe": True}, {**EMAIL, "unsubscribe": False}, {**EMAIL, "unsubscribe": True}]
    _, accepted = await gateway.call("POST", "/emails/batch", json=batch)
    links = [
        (await gateway.headers_of(item["id"])).get("List-Unsubscribe", "none") for item in accepted["data"]
    ]

    assert 3 == len(set(links))
    assert "none" == links[1]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two recipients": ({"to": ["a@example.com", "b@example.com"]}, "exactly one recipient"),
    "a copy": ({"cc": "b@example.com"}, "exactly one recipient"),
    "a hidden copy": ({"bcc": "b@example.com"}, "exactly one recipient"),
    "its own header": ({"headers": {"list-unsubscribe": "<https://x.example>"}}, "cannot be combined"),
    "its own click": ({"headers": {"List-Unsubscribe-Post": "x"}}, "cannot be combined"),
    "a word": ({"unsubscribe": "yes"}, "boolean"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_link_that_cannot_be_is_refused(gateway: Gateway, case: str) -> None:
    """422 that names the field."""
    changes, words = REFUSED[case]
    status, body = await gateway.call("POST", "/emails", json={**EMAIL, "unsubscribe": True, **changes})

    assert (422, ["/unsubscribe"]) == (status, [error["pointer"] for error in body["errors"]])
    assert words in body["message"]


@pytest.mark.parametrize("lacking", ["public_url", "unsubscribe_keys"])
async def test_without_the_settings_no_link_is_promised(tmp_path: Path, lacking: str) -> None:
    """The answer says what the operator has to set; a batch names the message."""
    settings = {"public_url": PUBLIC_URL, "unsubscribe_keys": KEY, lacking: ""}
    async with running(tmp_path, **settings) as gateway:
        alone, body = await gateway.call("POST", "/emails", json={**EMAIL, "unsubscribe": True})
        batch, errors = await gateway.call(
            "POST", "/emails/batch", json=[EMAIL, {**EMAIL, "unsubscribe": True}]
        )

    assert (422, 422, "/1/unsubscribe") == (alone, batch, errors["errors"][0]["pointer"])
    assert all(name in body["message"] for name in ("PILLARBOX_PUBLIC_URL", "PILLARBOX_UNSUBSCRIBE_KEYS"))
