"""Replays, held messages and bulk replays as a caller meets them, on either database."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.gateway.ledger.database import LedgerAddress, open_engine
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.retention import Retention
from services.gateway.ledger.sessions import Sessions
from services.gateway.tenants.callers import Permission
from tests.contract.ledgers import event
from tests.flow.system import EMAIL, System, until, wait_past
from tests.gateway.tenants import client_of
from tests.servers.postgresql import PostgreSQL

ANN, BOB = "ann@example.org", "bob@example.org"
NOWHERE = "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"
ONE = ("replay", "release", "drop")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker and one database after the other."""
    folder = tmp_path_factory.mktemp("gateway")
    broker, ledger = f"filesystem://{folder}/broker", f"sqlite:///{folder}/ledger.sqlite3"
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        ledger = server.create_database()
    with System(folder, broker, broker, ledger, f"sqlite:///{folder}/claims.sqlite3") as system:
        yield system.start(mailers=0)


@pytest.fixture
def client(gateway: System) -> Iterator[httpx.Client]:
    """A caller of a tenant that has no messages yet."""
    with client_of(gateway) as client:
        yield client


def report(gateway: System, ids: Iterable[str], word: str, **fields: Any) -> None:
    """Have the ledger hear of messages what a mailer would report."""

    async def record() -> None:
        engine = open_engine(LedgerAddress.parse(gateway.ledger_url), 5)
        ledger = Ledger(Sessions(engine, writing=None), silent_after=60)
        await ledger.record([event(UUID(one), word, **fields) for one in ids])
        await engine.dispose()

    asyncio.run(record())


def purge(gateway: System) -> None:
    """Remove the bodies of all messages that have ended."""

    async def remove() -> None:
        engine = open_engine(LedgerAddress.parse(gateway.ledger_url), 5)
        retention, last = Retention(Sessions(engine, writing=None)), None
        while (batch := await retention.purge(0.001, after=last)).last is not None:
            last = batch.last
        await engine.dispose()

    asyncio.run(remove())


def send(client: httpx.Client, count: int = 1, **fields: Any) -> list[str]:
    """Have some e-mails accepted, and return their ids, the newest first."""
    answer = client.post("/emails/batch", json=[EMAIL | fields] * count)
    assert answer.status_code == 202, answer.text
    return sorted((item["id"] for item in answer.json()["data"]), reverse=True)


def ended(
    gateway: System, client: httpx.Client, word: str, count: int = 1, reason: str = "why", **fields: Any
) -> list[str]:
    """Some messages that have come to an end, the newest first."""
    ids = send(client, count, **fields)
    report(gateway, ids, word, reason=reason)
    return ids


def shown(client: httpx.Client, message_id: str) -> dict[str, Any]:
    """GET the message."""
    answer = client.get(f"/emails/{message_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def words(client: httpx.Client, message_id: str) -> list[str]:
    """The message's timeline, by the events' names."""
    return [happened["event"] for happened in client.get(f"/emails/{message_id}/events").json()["data"]]


def replay(client: httpx.Client, status: str = "failed", **fields: Any) -> dict[str, Any]:
    """POST a bulk replay, and return the answer."""
    answer = client.post("/emails/replay", json={"status": status, **fields})
    expected = 200 if fields.get("dry_run") else 202
    assert answer.status_code == expected, answer.text
    body: dict[str, Any] = answer.json()
    return body


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and name of an answer that says no."""
    body = answer.json()
    assert body["statusCode"] == answer.status_code
    return answer.status_code, body["name"]


# One message


@pytest.mark.parametrize(
    ("word", "deed"), [(w, "replay") for w in ("failed", "suppressed", "held")] + [("held", "release")]
)
def test_a_message_is_sent_once_more(gateway: System, client: httpx.Client, word: str, deed: str) -> None:
    """It goes to the broker again, in a series of its own, and its timeline says so."""
    (message_id,) = ended(gateway, client, word)
    answer = client.post(f"/emails/{message_id}/{deed}")
    now = until(
        lambda: (email := shown(client, message_id))["status"] == "queued" and email, 10, "the broker"
    )

    assert (202, {"object": "email", "id": message_id}) == (answer.status_code, answer.json())
    assert (1, None) == (now["series"], now["reason"])
    assert {"replay": "replayed", "release": "released"}[deed] == words(client, message_id)[-2]
    assert "queued" == words(client, message_id)[-1]


def test_what_the_mailer_gets_is_the_same_message(gateway: System, client: httpx.Client) -> None:
    """Under the same id, with the number of its series."""
    (message_id,) = ended(gateway, client, "failed", subject="Once more")
    client.post(f"/emails/{message_id}/replay")

    def published() -> list[Any]:
        texts = [path.read_text() for path in (gateway.folder / "broker" / "messages").glob("*.msg")]
        mine = [text for text in texts if message_id in text]
        return [json.loads(text) for text in mine] if len(mine) == 2 else []

    first, second = sorted(
        (_kwargs(message) for message in until(published, 10, "two publishes")),
        key=lambda arguments: arguments.get("series", 0),
    )

    assert {**first, "series": 1} == second
    assert (message_id, "Once more") == (second["message_id"], second["subject"])


def _kwargs(message: dict[str, Any]) -> dict[str, Any]:
    body = message["body"]
    if message["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    arguments: dict[str, Any] = json.loads(body)[1]
    return arguments


def test_a_replay_does_not_wait_for_the_sweeper(gateway: System, client: httpx.Client) -> None:
    """The relay is told at once."""
    (message_id,) = ended(gateway, client, "failed")
    client.post(f"/emails/{message_id}/replay")
    until(lambda: shown(client, message_id)["status"] == "queued", 1.5, "the relay")

    assert "sweep.unpublished" not in gateway.gateway.log()


def test_a_held_message_is_visible(gateway: System, client: httpx.Client) -> None:
    """In itself and in lists; Resend has no word for it."""
    (message_id,) = ended(gateway, client, "held", reason="uncertain: no answer")
    send(client)
    listed = client.get("/emails", params={"status": "held"}).json()["data"]

    assert ("held", "held", "uncertain: no answer") == tuple(
        shown(client, message_id)[name] for name in ("status", "last_event", "reason")
    )
    assert [(message_id, "held", "held")] == [(m["id"], m["status"], m["last_event"]) for m in listed]


def test_a_held_message_is_dropped(gateway: System, client: httpx.Client) -> None:
    """It has failed, and not even its mailer's last word changes that; only that it was sent would."""
    (message_id,) = ended(gateway, client, "held")
    answer = client.post(f"/emails/{message_id}/drop")
    report(gateway, [message_id], "uncertain", attempt=2)
    dropped = shown(client, message_id)
    report(gateway, [message_id], "sent")

    assert (200, {"object": "email", "id": message_id}) == (answer.status_code, answer.json())
    assert ("failed", "failed", "dropped") == tuple(
        dropped[name] for name in ("status", "last_event", "reason")
    )
    assert "dropped" in words(client, message_id)
    assert "sent" == shown(client, message_id)["status"]


@pytest.mark.parametrize(
    ("word", "deed", "expected"),
    [
        ("sent", "replay", (409, "not_replayable")),
        ("deferred", "replay", (409, "not_replayable")),
        ("expired", "replay", (409, "message_expired")),
        ("failed", "release", (409, "not_held")),
        ("sent", "release", (409, "not_held")),
        ("failed", "drop", (409, "not_held")),
        ("uncertain", "drop", (409, "not_held")),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(
    gateway: System, client: httpx.Client, word: str, deed: str, expected: tuple[int, str]
) -> None:
    """Naming the state that stands against it; nothing is changed."""
    (message_id,) = ended(gateway, client, word)
    answer = client.post(f"/emails/{message_id}/{deed}")

    assert expected == refusal(answer)
    assert word in answer.json()["message"] or "expires_at" in answer.json()["message"]
    assert (word, 0) == ((email := shown(client, message_id))["status"], email["series"])


def test_what_has_expired_meanwhile_is_refused(gateway: System, client: httpx.Client) -> None:
    """A message that nobody needs any more is not sent, however it ended."""
    expires_at = datetime.now(UTC) + timedelta(seconds=4)
    failed, held = (
        ended(gateway, client, word, expires_at=expires_at.isoformat())[0] for word in ("failed", "held")
    )
    wait_past(expires_at)

    assert [(409, "message_expired")] * 3 == [
        refusal(client.post(path))
        for path in (f"/emails/{failed}/replay", f"/emails/{held}/replay", f"/emails/{held}/release")
    ]
    assert 200 == client.post(f"/emails/{held}/drop").status_code


def test_what_has_no_body_any_more_is_refused(gateway: System, client: httpx.Client) -> None:
    """It is gone for good; what is held keeps its body for as long as it takes."""
    (failed,), (held,) = (ended(gateway, client, word) for word in ("failed", "held"))
    purge(gateway)

    assert (410, "body_purged") == refusal(client.post(f"/emails/{failed}/replay"))
    assert [{"id": failed, "reason": "body_purged"}] == replay(client)["skipped"]
    assert shown(client, failed)["purged_at"]
    assert 202 == client.post(f"/emails/{held}/release").status_code


def test_a_message_to_nobody_is_refused(gateway: System, client: httpx.Client) -> None:
    """Whoever is suppressed by now gets nothing; if somebody is left, they do."""
    alone = ended(gateway, client, "failed", to=[ANN])[0]
    together = ended(gateway, client, "failed", to=[BOB, ANN])[0]
    client.post("/suppressions", json={"email": ANN})

    assert (409, "recipients_suppressed") == refusal(client.post(f"/emails/{alone}/replay"))
    assert 202 == client.post(f"/emails/{together}/replay").status_code
    assert [BOB] == shown(client, together)["to"]
    assert "recipients_suppressed" in words(client, together)


@pytest.mark.parametrize("deed", ONE)
def test_a_message_of_somebody_else_is_not_there(gateway: System, client: httpx.Client, deed: str) -> None:
    """It looks like one that never was, and like an id that is none."""
    (message_id,) = ended(gateway, client, "held")
    with client_of(gateway) as stranger:
        answers = [stranger.post(f"/emails/{which}/{deed}") for which in (message_id, NOWHERE, "nonsense")]

    assert [(404, "not_found")] * 3 == [refusal(answer) for answer in answers]
    assert "held" == shown(client, message_id)["status"]


@pytest.mark.parametrize("path", [*(f"/emails/{NOWHERE}/{deed}" for deed in ONE), "/emails/replay"])
def test_whoever_may_send_may_replay(gateway: System, path: str) -> None:
    """And whoever may only look may not."""
    with (
        client_of(gateway, permission=Permission.SENDING) as sender,
        client_of(gateway, permission=Permission.READING) as reader,
    ):
        allowed, refused = (client.post(path, json={"status": "held"}) for client in (sender, reader))

    assert allowed.status_code in (202, 404)
    assert (401, "restricted_api_key") == refusal(refused)


@pytest.mark.parametrize("deed", ONE)
def test_of_several_calls_at_once_one_is_done(gateway: System, client: httpx.Client, deed: str) -> None:
    """Exactly one, each time; the others are told that it is not held any more."""
    for message_id in ended(gateway, client, "held", 5):
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda _, path=f"/emails/{message_id}/{deed}": client.post(path), range(8))
            )
        codes = sorted(answer.status_code for answer in answers)

        assert [200 if deed == "drop" else 202, *[409] * 7] == codes
        assert 1 == sum(word in ("replayed", "released", "dropped") for word in words(client, message_id))


def test_a_second_story_is_told_in_its_order(gateway: System, client: httpx.Client) -> None:
    """Queued stands before the mailer's first word in each series, however late it was noted."""
    (message_id,) = send(client)
    until(lambda: shown(client, message_id)["status"] == "queued", 10, "the broker")
    for series in range(3):
        at = datetime.now(UTC)
        for word in ("sending", "failed"):
            report(gateway, [message_id], word, attempt=series + 1, series=series, at=at)
        if series < 2:
            assert 202 == client.post(f"/emails/{message_id}/replay").status_code
            until(lambda: shown(client, message_id)["status"] == "queued", 10, "the broker")

    story = ["queued", "sending", "failed"]

    assert ["accepted", *story, "replayed", *story, "replayed", *story] == words(client, message_id)


# Many messages


def test_a_dry_run_counts_and_touches_nothing(gateway: System, client: httpx.Client) -> None:
    """It names some of those that it would be about."""
    ids = ended(gateway, client, "failed", 12)
    ended(gateway, client, "sent", 2)
    answer = replay(client, dry_run=True)

    assert {"object": "replay", "dry_run": True, "count": 12, "sample": ids[:10]} == answer
    assert {("failed", 0)} == {
        (email["status"], email["series"]) for email in (shown(client, i) for i in ids)
    }


def test_a_client_loops_until_there_are_no_more(gateway: System, client: httpx.Client) -> None:
    """Each part says what was done and where to go on; what cannot be sent is named once."""
    ids = ended(gateway, client, "failed", 23)
    hopeless = ended(gateway, client, "failed", 2, to=[ANN])
    client.post("/suppressions", json={"email": ANN})
    parts = [replay(client, limit=10)]
    while parts[-1]["has_more"]:
        parts.append(replay(client, limit=10, after=parts[-1]["next"]))

    assert [8, 10, 5] == [part["replayed"] for part in parts]
    assert [*({"id": i, "reason": "recipients_suppressed"} for i in hopeless)] == [
        skipped for part in parts for skipped in part["skipped"]
    ]
    assert [None] == [part["next"] for part in parts if not part["has_more"]]
    assert {1} == {shown(client, message_id)["series"] for message_id in ids}
    assert 2 == replay(client, dry_run=True)["count"]


def test_one_call_replays_a_hundred_unless_it_is_told_otherwise(
    gateway: System, client: httpx.Client
) -> None:
    """And a thousand at most."""
    ended(gateway, client, "failed", 150)

    assert (100, True) == ((first := replay(client))["replayed"], first["has_more"])
    assert (50, False) == ((rest := replay(client, limit=1000.0))["replayed"], rest["has_more"])
    assert {"object": "replay", "replayed": 0, "skipped": [], "has_more": False, "next": None} == replay(
        client
    )


def test_filters_say_which(gateway: System, client: httpx.Client) -> None:
    """All that lists have, and how the reason begins."""
    kind = [{"name": "kind", "value": "receipt"}]
    tagged = ended(gateway, client, "failed", tags=kind)
    to_ann = ended(gateway, client, "failed", to=[ANN], reason="given_up: HTTP 503")
    held = ended(gateway, client, "held")
    moment = shown(client, held[0])["created_at"]
    both = ended(gateway, client, "failed", to=[ANN], tags=kind, reason="given%up")
    asked: list[tuple[dict[str, Any], list[str]]] = [
        ({"tag": "kind:receipt"}, both + tagged),
        ({"to": f"Ann <{ANN.upper()}>"}, both + to_ann),
        ({"to": ANN, "tag": "kind:receipt"}, both),
        ({"status": "held"}, held),
        ({"status": "suppressed"}, []),
        ({"since": moment}, both),
        ({"until": moment}, to_ann + tagged),
        ({"reason": "given_up"}, to_ann),
        ({"reason": "given_up: HTTP 5", "to": ANN, "until": moment}, to_ann),
        ({"reason": "Given_up"}, []),
    ]
    found = [replay(client, **{"status": "failed", **filters}, dry_run=True) for filters, _ in asked]

    assert [expected for _, expected in asked] == [answer["sample"] for answer in found]
    assert [len(expected) for _, expected in asked] == [answer["count"] for answer in found]
    assert 1 == replay(client, to=ANN, tag="kind:receipt", reason="given%")["replayed"]
    assert {both[0]: 1, to_ann[0]: 0, tagged[0]: 0} == {
        message_id: shown(client, message_id)["series"] for message_id in (*both, *to_ann, *tagged)
    }


def test_nobody_elses_messages_are_replayed(gateway: System, client: httpx.Client) -> None:
    """Nor counted."""
    ended(gateway, client, "failed", 3)
    with client_of(gateway) as stranger:
        assert 0 == replay(stranger, dry_run=True)["count"]
        assert 0 == replay(stranger)["replayed"]


def test_two_bulk_replays_at_once_share_the_messages(gateway: System, client: httpx.Client) -> None:
    """Each message is sent once more by one of them."""
    ended(gateway, client, "failed", 200)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: replay(client, limit=1000), range(4)))

    assert 200 == sum(answer["replayed"] for answer in answers)
    assert {"not_replayable"} >= {skipped["reason"] for answer in answers for skipped in answer["skipped"]}


@pytest.mark.parametrize(
    ("body", "pointer", "name"),
    [
        ({}, "/status", "missing_required_field"),
        ({"status": "sent"}, "/status", "validation_error"),
        ({"status": None}, "/status", "validation_error"),
        ({"status": "failed", "limit": 0}, "/limit", "validation_error"),
        ({"status": "failed", "limit": 1001}, "/limit", "validation_error"),
        ({"status": "failed", "limit": True}, "/limit", "validation_error"),
        ({"status": "failed", "limit": 1.5}, "/limit", "validation_error"),
        ({"status": "failed", "limit": "10"}, "/limit", "validation_error"),
        ({"status": "failed", "to": "nobody"}, "/to", "validation_error"),
        ({"status": "failed", "tag": "receipt"}, "/tag", "validation_error"),
        ({"status": "failed", "since": "yesterday"}, "/since", "validation_error"),
        ({"status": "failed", "until": "2026-01-02T15:04:05"}, "/until", "validation_error"),
        ({"status": "failed", "reason": ""}, "/reason", "validation_error"),
        ({"status": "failed", "reason": "a\0b"}, "/reason", "validation_error"),
        ({"status": "failed", "reason": "x" * 201}, "/reason", "validation_error"),
        ({"status": "failed", "after": "the last one"}, "/after", "validation_error"),
        ({"status": "failed", "dry_run": "yes"}, "/dry_run", "validation_error"),
        ({"status": "failed", "dryRun": True}, "/dryRun", "validation_error"),
        ([], "", "validation_error"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_done(
    gateway: System, client: httpx.Client, body: Any, pointer: str, name: str
) -> None:
    """A misspelt filter must not mean every message."""
    (message_id,) = ended(gateway, client, "failed")
    answer = client.post("/emails/replay", json=body)

    assert (422, name) == refusal(answer)
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert "failed" == shown(client, message_id)["status"]


def test_null_counts_as_left_out(gateway: System, client: httpx.Client) -> None:
    """As everywhere, since some clients write all their fields."""
    ended(gateway, client, "failed")
    names = ("to", "tag", "since", "until", "reason", "after", "limit", "dry_run")
    answer = client.post("/emails/replay", json={"status": "failed", **dict.fromkeys(names)})

    assert (202, 1) == (answer.status_code, answer.json()["replayed"])


def test_replays_is_no_message(gateway: System) -> None:
    """Its path has one method."""
    answer = gateway.client.get("/emails/replay")

    assert (405, "POST") == (answer.status_code, answer.headers["Allow"])


# What is said of it


def test_the_log_says_who_did_what(gateway: System, client: httpx.Client) -> None:
    """With ids, and no address; the request is none that accepted a message."""
    tag = f"t{uuid4().hex}"
    (failed,), (held,), (doubtful,) = (
        ended(gateway, client, word, to=["canary@example.org"], tags=[{"name": "t", "value": tag}])
        for word in ("failed", "held", "held")
    )
    client.post(f"/emails/{failed}/replay")
    client.post(f"/emails/{held}/release")
    client.post(f"/emails/{doubtful}/drop")
    replay(client, tag=f"t:{tag}")
    log = gateway.gateway.log()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    tenant = next(line["tenant"] for line in lines if line.get("message_id") == failed and "tenant" in line)
    said = [line for line in lines if line.get("tenant") == tenant and "by" in line]
    told = {(line["event"], line["route"]) for line in lines if line.get("route")}

    assert [("message.replayed", failed), ("message.released", held), ("message.dropped", doubtful)] == [
        (line["event"], line["message_id"]) for line in said[:3]
    ]
    assert ("message.replayed", 1, 0) == (said[3]["event"], said[3]["messages"], said[3]["skipped"])
    assert {"request.finished"} == {
        event for event, route in told if route.endswith(("/replay", "/release", "/drop"))
    }
    assert "canary" not in log
