"""Lists of messages as a caller meets them: from a real gateway, also through Resend's own SDK."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import resend

from services.gateway.ledger.database import LedgerAddress, open_engine
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.sessions import Sessions
from services.gateway.tenants.callers import Permission
from tests.contract.ledgers import event
from tests.flow.system import EMAIL, System, until
from tests.gateway.tenants import client_of

ANN, BOB, EVA = "ann@example.org", "bob@example.org", "eva@example.org"
NOWHERE = "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker, that hardly keeps a body."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {
        "PILLARBOX_BODY_RETENTION_DAYS": str(0.3 / 86_400),
        "PILLARBOX_RETENTION_INTERVAL_SECONDS": "0.1",
    }
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start(mailers=0)


@pytest.fixture
def client(gateway: System) -> Iterator[httpx.Client]:
    """A caller of a tenant that has no messages yet."""
    with client_of(gateway) as client:
        yield client


def send(client: httpx.Client, **fields: Any) -> str:
    """POST an e-mail, and return its id."""
    body = {name: value for name, value in (EMAIL | fields).items() if value is not None}
    answer = client.post("/emails", json=body)
    assert answer.status_code == 202, answer.text
    time.sleep(0.002)  # ids of one millisecond have no order
    return str(answer.json()["id"])


def report(gateway: System, ids: Iterable[str], word: str, **fields: Any) -> None:
    """Have the ledger hear of messages what a mailer would report."""

    async def record() -> None:
        engine = open_engine(LedgerAddress.parse(gateway.ledger_url), 5)
        ledger = Ledger(Sessions(engine, writing=None), silent_after=60)
        await ledger.record([event(UUID(one), word, **fields) for one in ids])
        await engine.dispose()

    asyncio.run(record())


def listed(client: httpx.Client, **query: Any) -> dict[str, Any]:
    """GET a page."""
    answer = client.get("/emails", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ids(page: dict[str, Any]) -> list[str]:
    """What a page shows."""
    return [item["id"] for item in page["data"]]


def test_a_message_is_shown_without_its_bodies(client: httpx.Client) -> None:
    """With Resend's fields, and ours beside them."""
    message_id = send(
        client,
        to=["Ann <ann@example.org>", BOB],
        cc=[EVA],
        bcc="secret@example.org",
        reply_to="help@example.com",
        html="<p>It works.</p>",
        headers={"X-A": "1"},
        tags=[{"name": "kind", "value": "receipt"}],
        metadata={"order": "1234"},
        priority="bulk",
        attachments=[{"filename": "a.txt", "content": "aGVsbG8="}],
    )
    shown = client.get(f"/emails/{message_id}").json()
    (item,) = listed(client)["data"]
    expected = {
        "id": message_id,
        "message_id": f"<{message_id}@example.com>",
        "from": "Shop <shop@example.com>",
        "to": ["Ann <ann@example.org>", BOB],
        "cc": [EVA],
        "bcc": ["secret@example.org"],
        "reply_to": ["help@example.com"],
        "subject": "Hello",
        "created_at": shown["created_at"],
        "scheduled_at": None,
        "last_event": "queued",
        "tags": [{"name": "kind", "value": "receipt"}],
        "metadata": {"order": "1234"},
        "priority": "bulk",
    }

    assert expected | {"status": item["status"]} == item
    assert item["status"] in {"accepted", "queued"}


def test_a_welcome_message_shows_what_the_gateway_knows(client: httpx.Client) -> None:
    """Only the mailer knows its sender and subject."""
    client.post("/welcome-emails", json={"email": ANN})
    (item,) = listed(client)["data"]

    assert ([ANN], None, None, []) == (item["to"], item["from"], item["subject"], item["tags"])


def test_pages_follow_each_other(client: httpx.Client) -> None:
    """Newest first, forward by ``after`` and backward by ``before``."""
    sent = [send(client) for _ in range(5)][::-1]
    first = listed(client, limit=2)
    second = listed(client, limit=2, after=ids(first)[-1])
    third = listed(client, limit=2, after=ids(second)[-1])
    back = listed(client, limit=2, before=ids(second)[0])

    assert ("list", True) == (first["object"], first["has_more"])
    assert sent == ids(first) + ids(second) + ids(third)
    assert [True, False, False] == [second["has_more"], third["has_more"], back["has_more"]]
    assert ids(first) == ids(back)
    assert {"object": "list", "has_more": False, "data": []} == listed(client, after=sent[-1])


def test_twenty_are_shown_unless_more_are_asked_for(client: httpx.Client) -> None:
    """As Resend does, and at most a hundred."""
    for _ in range(21):
        send(client)

    assert [20, 21] == [len(ids(listed(client, **query))) for query in ({}, {"limit": 100})]


def test_everybody_sees_their_own(gateway: System, client: httpx.Client) -> None:
    """Another tenant's messages are not there, whatever is asked for."""
    message_id = send(client, to=ANN, tags=[{"name": "a", "value": "b"}])
    with client_of(gateway) as other:
        pages = [listed(other, **query) for query in ({}, {"to": ANN}, {"tag": "a:b"}, {"before": NOWHERE})]

        assert [[]] * 4 == [ids(page) for page in pages]
    assert [message_id] == ids(listed(client, to=ANN))


def test_messages_are_found_by_who_got_them(client: httpx.Client) -> None:
    """In to, cc or bcc, however it was spelt."""
    first = send(client, to="Ann <Ann@Example.org>")
    second = send(client, cc=ANN, tags=None)
    third = send(client, bcc=[BOB, ANN])
    send(client, to=EVA)

    assert [third, second, first] == ids(listed(client, to="ANN@example.ORG"))
    assert [third] == ids(listed(client, to=BOB))
    assert [] == ids(listed(client, to="nn@example.org"))


def test_messages_are_found_by_their_tags(client: httpx.Client) -> None:
    """By name and value together."""
    receipt = send(client, tags=[{"name": "kind", "value": "receipt"}, {"name": "shop", "value": "1"}])
    send(client, tags=[{"name": "kind", "value": "reminder"}])

    assert [receipt] == ids(listed(client, tag="kind:receipt"))
    assert [receipt] == ids(listed(client, tag="shop:1"))
    assert [] == ids(listed(client, tag="receipt:kind"))


def test_messages_are_found_by_their_status(client: httpx.Client) -> None:
    """In our words, which tell more than Resend's."""
    scheduled = send(client, scheduled_at="in 1 hour")
    canceled = send(client, scheduled_at="in 1 hour")
    client.post(f"/emails/{canceled}/cancel")
    send(client)

    assert [[scheduled], [canceled], []] == [
        ids(listed(client, status=word)) for word in ("scheduled", "canceled", "bounced")
    ]


def test_messages_are_found_by_their_lane(client: httpx.Client) -> None:
    """Under the name that it has in a submission."""
    bulk, _ = send(client, priority="bulk"), send(client)

    assert [bulk] == ids(listed(client, priority="bulk"))


def test_messages_are_found_by_their_provider(gateway: System, client: httpx.Client) -> None:
    """It is the account of the last attempt; a message without one has none."""
    mine, _ = send(client), send(client)
    report(gateway, [mine], "sent", provider="backup", attempt=1)

    assert [mine] == ids(listed(client, provider="backup"))
    assert [] == ids(listed(client, provider="back"))


def test_messages_are_found_by_when_they_came(client: httpx.Client) -> None:
    """From one moment up to another, in any zone."""
    sent = [send(client) for _ in range(3)]
    times = [datetime.fromisoformat(item["created_at"]) for item in listed(client)["data"]][::-1]
    elsewhere = (times[1] + timedelta(hours=2)).replace(tzinfo=None).isoformat() + "+02:00"

    assert sent[1:][::-1] == ids(listed(client, since=times[1].isoformat()))
    assert sent[:1] == ids(listed(client, until=elsewhere))
    assert sent[1:2] == ids(listed(client, since=elsewhere, until=times[2].isoformat()))


def test_filters_can_be_combined(client: httpx.Client) -> None:
    """A message is shown if it fits them all; so is the rest of a page."""
    tags = [{"name": "kind", "value": "receipt"}]
    for number in range(12):
        send(client, to=(ANN, BOB)[number % 2], tags=tags if number % 3 else None, scheduled_at="in 1 hour")
    query = {"to": ANN, "tag": "kind:receipt", "status": "scheduled", "since": "2020-01-01T00:00Z"}
    whole = listed(client, **query)
    first = listed(client, **query, limit=3)
    rest = listed(client, **query, limit=3, after=ids(first)[-1])

    assert (4, False) == (len(ids(whole)), whole["has_more"])
    assert ids(whole) == ids(first) + ids(rest)
    assert [True, False] == [first["has_more"], rest["has_more"]]


BAD = {
    "limit=0": "/limit",
    "limit=101": "/limit",
    "limit=many": "/limit",
    "limit=": "/limit",
    "limit=%C2%B2": "/limit",
    "after=123": "/after",
    "before=nonsense": "/before",
    f"after={NOWHERE}&before={NOWHERE}": "/before",
    "status=done": "/status",
    "status=": "/status",
    "status=queued&status=sent": "/status",
    "to=nonsense": "/to",
    "to=": "/to",
    "to=a%00@example.com": "/to",
    "to=a@example.com,b@example.com": "/to",
    "tag=kind": "/tag",
    "tag=:receipt": "/tag",
    "tag=kind:": "/tag",
    "tag=kind:%00": "/tag",
    "tag=kind:" + 600 * "x": "/tag",
    "priority=urgent": "/priority",
    "provider=": "/provider",
    "provider=%0A": "/provider",
    "provider=" + 65 * "x": "/provider",
    "since=yesterday": "/since",
    "since=2026-01-02": "/since",
    "since=2026-01-02T03:04:05": "/since",
    "until=2026-13-02T03:04:05Z": "/until",
    "until=2026-01-02T03:04:05+01:00": "/until",  # the + is a blank
    "until=0001-01-01T00:00:00%2B01:00": "/until",
    "since=1767323045": "/since",
    "limit=5&limit=6": "/limit",
    "page=2": "",
    "To=ann@example.org": "",
}


@pytest.mark.parametrize("query", BAD)
def test_a_parameter_that_cannot_be_used_is_named(client: httpx.Client, query: str) -> None:
    """In a 422, with a reason, and without repeating the value."""
    answer = client.get(f"/emails?{query}")
    body = answer.json()

    assert (422, 422, "validation_error") == (answer.status_code, body["statusCode"], body["name"])
    assert [BAD[query]] == [error["pointer"] for error in body["errors"]]
    assert "nonsense" not in body["message"]


def test_every_bad_parameter_is_named(client: httpx.Client) -> None:
    """All of them at once, so that a caller need not guess again and again."""
    answer = client.get("/emails?limit=0&status=x&to=x&tag=x&since=x&until=x&after=x")
    pointers = {error["pointer"] for error in answer.json()["errors"]}

    assert {"/limit", "/status", "/to", "/tag", "/since", "/until", "/after"} == pointers


def test_lists_need_the_permission_to_read(gateway: System) -> None:
    """A key that may only send sees nothing; one that may only read, and one that may all, do."""
    statuses = []
    for permission in (Permission.SENDING, Permission.READING, Permission.FULL):
        with client_of(gateway, permission=permission) as client:
            statuses.append(client.get("/emails").status_code)
    statuses.append(httpx.get(gateway.client.base_url.join("/emails")).status_code)

    assert [401, 200, 200, 401] == statuses


def test_resends_sdk_reads_it(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends a body with a GET, and writes its parameters into the query."""
    monkeypatch.setattr(resend, "api_key", client.headers["Authorization"].removeprefix("Bearer "))
    monkeypatch.setattr(resend, "api_url", str(client.base_url).removesuffix("/"))
    sent = [send(client, subject=f"Number {number}") for number in range(3)]
    page = resend.Emails.list({"limit": 2})
    rest = resend.Emails.list({"limit": 2, "after": page["data"][-1]["id"]})

    assert sent[::-1] == [item["id"] for item in page["data"] + rest["data"]]
    assert (True, False) == (page["has_more"], rest["has_more"])
    assert "Number 2" == page["data"][0]["subject"]


# What is left of old messages


def test_a_purged_message_can_still_be_seen(gateway: System, client: httpx.Client) -> None:
    """Without its bodies and headers; its timeline, and its place in lists, stay."""
    canceled = send(client, to=ANN, scheduled_at="in 1 hour", headers={"X-A": "1"}, on_uncertain="hold")
    waiting = send(client, to=ANN, scheduled_at="in 1 hour")
    client.post(f"/emails/{canceled}/cancel")

    def purged() -> dict[str, Any] | None:
        email: dict[str, Any] = client.get(f"/emails/{canceled}").json()
        return email if email["purged_at"] else None

    email = until(purged, 10, "the message to be purged")
    timeline = client.get(f"/emails/{canceled}/events").json()["data"]
    kept = client.get(f"/emails/{waiting}").json()

    assert (None, None, {}) == (email["html"], email["text"], email["headers"])
    assert ([ANN], "Hello", "canceled", "hold") == (
        *(email["to"], email["subject"]),
        *(email["status"], email["on_uncertain"]),
    )
    assert ["accepted", "scheduled", "canceled"] == [event["event"] for event in timeline]
    assert [waiting, canceled] == ids(listed(client, to=ANN))
    assert (None, "It works.") == (kept["purged_at"], kept["text"])
    assert '"retention.purged"' in gateway.gateway.log()


def test_an_old_idempotency_key_is_kept_as_long_as_promised(client: httpx.Client) -> None:
    """A day, however short bodies are kept: a repetition is answered as before."""
    headers = {"Idempotency-Key": str(uuid4())}
    first = client.post("/emails", json=EMAIL, headers=headers)
    time.sleep(0.5)
    second = client.post("/emails", json=EMAIL, headers=headers)

    assert first.json() == second.json()


def test_nothing_of_this_ended_in_a_crash(gateway: System) -> None:
    """After all of the above there is no sign of a bug in the log."""
    log = gateway.gateway.log()

    assert not [word for word in ("request.crashed", "retention.failed", "sweep.failed") if word in log]
