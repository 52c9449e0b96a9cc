"""Webhooks as a caller meets them: a real gateway, and no mailer, so that nothing happens by itself."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.gateway.ledger.database import LedgerAddress, open_engine
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.webhook_events import WebhookEvents
from services.gateway.ledger.webhook_fan_out import Happened, fan_out
from services.gateway.tenants.callers import Permission
from shared.signatures import RecordWebhookAttempt
from tests.flow.system import EMAIL, System
from tests.gateway.tenants import client_of

URL = "https://example.com/webhooks"
ASKED = {"endpoint": URL, "events": ["email.bounced", "email.delivered"]}
NOWHERE = "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Do = Callable[[Sessions], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway that looks for what is due once, when it starts."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {"PILLARBOX_SWEEP_INTERVAL_SECONDS": "3600"}
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start(mailers=0)


@pytest.fixture
def tenant() -> str:
    """A tenant that has no webhooks yet."""
    return f"tenant-{uuid4()}"


@pytest.fixture
def client(gateway: System, tenant: str) -> Iterator[httpx.Client]:
    """A caller of that tenant."""
    with client_of(gateway, tenant) as client:
        yield client


def create(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    """Make a webhook."""
    answer = client.post("/webhooks", json={**ASKED, **asked})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def shown(client: httpx.Client, path: str) -> dict[str, Any]:
    """GET what is there."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def error(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Status, name and pointers of an error."""
    body = answer.json()
    assert body["statusCode"] == answer.status_code
    return answer.status_code, body["name"], [item["pointer"] for item in body["errors"]]


def in_ledger(gateway: System, do: Do) -> None:
    """Do what recorder and dispatcher do."""

    async def run() -> None:
        engine = open_engine(LedgerAddress.parse(gateway.ledger_url), 5)
        await do(Sessions(engine, writing=None))
        await engine.dispose()

    asyncio.run(run())


def happen(gateway: System, client: httpx.Client, tenant: str, *words: str) -> str:
    """Send a message, and have something happen to it; return its id."""
    answer = client.post("/emails", json=EMAIL)
    message_id = str(answer.json()["id"])

    async def do(sessions: Sessions) -> None:
        async with sessions.writing() as connection:
            for word in words:
                await fan_out(connection, [Happened(UUID(message_id), tenant, word, AT)])

    in_ledger(gateway, do)
    return message_id


def attempt(gateway: System, status: int, **fields: Any) -> None:
    """Make an attempt at what is due, and tell what came of it."""

    async def do(sessions: Sessions) -> None:
        events = WebhookEvents(sessions)
        due = await events.take(limit=100, lease=60)
        await events.record(
            [
                RecordWebhookAttempt(
                    delivery_id=each.id, attempt=each.attempt, at=AT, status_code=status, **fields
                )
                for each in due
            ]
        )

    in_ledger(gateway, do)


# The webhook itself


def test_a_webhook_is_made_and_shown(client: httpx.Client) -> None:
    """With a secret of its own, which no cache keeps."""
    answer = client.post("/webhooks", json=ASKED)
    made = answer.json()
    got = shown(client, f"/webhooks/{made['id']}")

    assert (201, "no-store", "webhook") == (
        *(answer.status_code, answer.headers["Cache-Control"]),
        made["object"],
    )
    assert 32 == len(b64decode(made["signing_secret"].removeprefix("whsec_"), validate=True))
    assert {**made, **ASKED, "status": "enabled", "disabled_reason": None} == {
        name: value for name, value in got.items() if name != "created_at"
    }
    assert made["signing_secret"] != create(client)["signing_secret"]


def test_a_list_shows_no_secrets(client: httpx.Client) -> None:
    """The newest first, in pages."""
    ids = [create(client)["id"] for _ in range(3)]
    page = shown(client, "/webhooks?limit=2")
    rest = shown(client, f"/webhooks?limit=2&after={ids[1]}")

    assert (ids[:0:-1], True) == ([item["id"] for item in page["data"]], page["has_more"])
    assert ([ids[0]], False) == ([item["id"] for item in rest["data"]], rest["has_more"])
    assert "whsec" not in str(page)


def test_a_webhook_is_changed(client: httpx.Client) -> None:
    """As much of it as is asked for; what Resend's SDK sends along is no matter."""
    webhook_id = create(client)["id"]
    path = f"/webhooks/{webhook_id}"
    change = {"webhook_id": webhook_id, "endpoint": "https://example.org/", "status": "disabled"}
    answers = [
        client.patch(path, json=each) for each in (change, {}, {"events": ["email.sent"] * 2, "status": None})
    ]
    got = shown(client, path)

    assert [{"object": "webhook", "id": webhook_id}] * 3 == [answer.json() for answer in answers]
    assert ("https://example.org/", "disabled", ["email.sent"]) == (
        *(got["endpoint"], got["status"]),
        got["events"],
    )
    assert got["disabled_reason"] is None


def test_a_secret_is_rotated(client: httpx.Client) -> None:
    """The answer tells the new one, once more without a cache."""
    made = create(client)
    answer = client.post(f"/webhooks/{made['id']}/signing-secret/rotate")
    rotated = answer.json()

    assert (200, "no-store", made["id"]) == (
        *(answer.status_code, answer.headers["Cache-Control"]),
        rotated["id"],
    )
    assert made["signing_secret"] != rotated["signing_secret"]
    assert rotated["signing_secret"] == shown(client, f"/webhooks/{made['id']}")["signing_secret"]


def test_a_webhook_is_removed(client: httpx.Client) -> None:
    """Once."""
    path = f"/webhooks/{create(client)['id']}"
    removed, again = client.delete(path), client.delete(path)

    assert (200, True) == (removed.status_code, removed.json()["deleted"])
    assert (404, "not_found", []) == error(again)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/endpoint", "/events"]),
        ({**ASKED, "endpoint": "http://example.com"}, ["/endpoint"]),
        ({**ASKED, "endpoint": "https://127.0.0.1/"}, ["/endpoint"]),
        ({**ASKED, "endpoint": 7}, ["/endpoint"]),
        ({**ASKED, "events": []}, ["/events"]),
        ({**ASKED, "events": "email.sent"}, ["/events"]),
        ({**ASKED, "events": ["email.sent"] * 65}, ["/events"]),
        ({**ASKED, "events": ["email.sent", "contact.created"]}, ["/events/1"]),
        ({**ASKED, "secret": "whsec_mine"}, ["/secret"]),
    ],
)
def test_what_cannot_be_told_is_refused(
    client: httpx.Client, body: dict[str, Any], pointers: list[str]
) -> None:
    """With the field that is to blame, when it is made as well as later."""
    status, _, failing = error(client.post("/webhooks", json=body))

    assert (422, pointers) == (status, failing)

    if body:
        changed = client.patch(f"/webhooks/{create(client)['id']}", json=body)

        assert (422, pointers) == (changed.status_code, error(changed)[2])


def test_a_tenant_has_room_for_a_hundred(client: httpx.Client) -> None:
    """Each of them makes every event dearer."""
    ids = [create(client)["id"] for _ in range(100)]

    assert (409, "too_many_webhooks", []) == error(client.post("/webhooks", json=ASKED))

    client.delete(f"/webhooks/{ids[0]}")

    assert create(client)


# What it was told


def test_what_was_told_is_shown(gateway: System, client: httpx.Client, tenant: str) -> None:
    """With every attempt, and when the next one is due."""
    path = f"/webhooks/{create(client)['id']}/events"
    message_id = happen(gateway, client, tenant, "bounced")
    (before,) = shown(client, path)["data"]
    one = f"{path}/{before['id']}"
    due_at_once = shown(client, one)["next_attempt_at"]
    attempt(gateway, 503, response="Down", duration_ms=84)
    after = shown(client, one)
    (made,) = shown(client, f"{one}/attempts")["data"]

    assert ("email.bounced", "pending", message_id, 0) == tuple(
        before[name] for name in ("type", "status", "email_id", "attempts")
    )
    assert due_at_once is not None
    assert ("webhook_event", "pending", 1) == (after["object"], after["status"], after["attempts"])
    assert after["created_at"] < after["next_attempt_at"]
    assert ("email.bounced", message_id) == (after["payload"]["type"], after["payload"]["data"]["email_id"])
    assert (1, 503, "Down", None, 84, "2026-01-02T03:04:05Z") == tuple(
        made[name] for name in ("attempt", "http_status_code", "response", "reason", "duration_ms", "sent_at")
    )


def test_what_was_told_is_told_once_more(gateway: System, client: httpx.Client, tenant: str) -> None:
    """And shown in pages, the latest first."""
    path = f"/webhooks/{create(client)['id']}/events"
    happen(gateway, client, tenant, "bounced", "delivered")
    attempt(gateway, 200)
    page = shown(client, f"{path}?limit=1")
    event_id = page["data"][0]["id"]
    rest = shown(client, f"{path}?limit=1&after={event_id}")
    replayed = client.post(f"{path}/{event_id}/replay")
    waiting = shown(client, f"{path}/{event_id}")
    attempt(gateway, 204)
    attempts = shown(client, f"{path}/{event_id}/attempts")["data"]
    older = shown(client, f"{path}/{event_id}/attempts?after={attempts[0]['id']}")["data"]

    assert (True, False) == (page["has_more"], rest["has_more"])
    assert (200, {"object": "webhook_event", "id": event_id}) == (replayed.status_code, replayed.json())
    assert "pending" == waiting["status"]
    assert [204, 200] == [made["http_status_code"] for made in attempts]
    assert [200] == [made["http_status_code"] for made in older]


def test_why_it_was_disabled_is_shown(gateway: System, client: httpx.Client, tenant: str) -> None:
    """And nothing is told once more before somebody enables it."""
    path = f"/webhooks/{create(client)['id']}"
    happen(gateway, client, tenant, "bounced")
    attempt(gateway, 410)
    got = shown(client, path)
    (event,) = shown(client, f"{path}/events")["data"]
    again = client.post(f"{path}/events/{event['id']}/replay")
    client.patch(path, json={"status": "enabled"})

    assert ("disabled", "The endpoint answered 410 Gone.") == (got["status"], got["disabled_reason"])
    assert (409, "webhook_disabled", []) == error(again)
    assert 200 == client.post(f"{path}/events/{event['id']}/replay").status_code


# Who may see and change it


def calls(webhook_id: str, event_id: str) -> list[tuple[str, str]]:
    """Every call about one webhook."""
    path = f"/webhooks/{webhook_id}"
    event = f"{path}/events/{event_id}"
    looks = [("GET", each) for each in (path, f"{path}/events", event, f"{event}/attempts")]
    changes = [("POST", each) for each in (f"{path}/signing-secret/rotate", f"{event}/replay")]
    return [*looks, *changes, ("PATCH", path), ("DELETE", path)]


def test_others_see_nothing(gateway: System, client: httpx.Client, tenant: str) -> None:
    """Neither of another tenant's webhooks, nor of their events by way of an own one."""
    webhook_id = create(client)["id"]
    happen(gateway, client, tenant, "bounced")
    event_id = shown(client, f"/webhooks/{webhook_id}/events")["data"][0]["id"]
    with client_of(gateway) as stranger:
        own = create(stranger)["id"]
        tried = [*calls(webhook_id, event_id), *calls(own, event_id)[2:4], calls(own, event_id)[5]]
        answers = [stranger.request(*call, json={"status": "disabled"}) for call in tried]
        listed = shown(stranger, "/webhooks")["data"]

    assert {(404, "not_found")} == {error(answer)[:2] for answer in answers}
    assert [own] == [item["id"] for item in listed]
    assert "enabled" == shown(client, f"/webhooks/{webhook_id}")["status"]


@pytest.mark.parametrize(("webhook_id", "event_id"), [(NOWHERE, NOWHERE), ("x", "y")])
def test_what_is_not_there_is_not_found(client: httpx.Client, webhook_id: str, event_id: str) -> None:
    """Also where no id could be like that."""
    own = create(client)["id"]
    tried = [*calls(webhook_id, event_id), *calls(own, event_id)[2:4], calls(own, event_id)[5]]

    assert {404} == {client.request(*call, json={}).status_code for call in tried}


def test_who_may_only_look_sees_no_secret(gateway: System, client: httpx.Client, tenant: str) -> None:
    """And changes nothing; who may only send does not even look."""
    webhook_id = create(client)["id"]
    with client_of(gateway, tenant, Permission.READING) as reader:
        got = shown(reader, f"/webhooks/{webhook_id}")
        listed = shown(reader, "/webhooks")["data"]
        changes = [reader.request(*call, json={}) for call in calls(webhook_id, NOWHERE)[4:]]
    with client_of(gateway, tenant, Permission.SENDING) as sender:
        looks = [sender.request(*call) for call in calls(webhook_id, NOWHERE)[:4]]

    assert (URL, None) == (got["endpoint"], got["signing_secret"])
    assert 1 == len(listed)
    assert {(401, "restricted_api_key", ())} == {(*error(answer)[:2], ()) for answer in (*changes, *looks)}


def test_no_secret_gets_into_the_log(gateway: System, client: httpx.Client) -> None:
    """Nor where a webhook is posted to; but who made, changed and removed it."""
    made = create(client, endpoint="https://example.com/correct-horse")
    path = f"/webhooks/{made['id']}"
    client.post(f"{path}/signing-secret/rotate")
    client.patch(path, json={"status": "disabled"})
    client.delete(path)
    log = gateway.gateway.log()

    assert not [canary for canary in ("whsec", "correct-horse") if canary in log]
    assert [f"webhook.{deed}" for deed in ("created", "secret_rotated", "changed", "deleted")] == [
        deed
        for line in log.splitlines()
        if made["id"] in line
        for deed in [json.loads(line)["event"]]
        if deed.startswith("webhook.")
    ]
