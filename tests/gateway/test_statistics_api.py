"""``GET /statistics`` as a caller meets it, from a real gateway whose recorder is played by the test."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.gateway.ledger.database import LedgerAddress, open_engine
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.statistics import Counted, count
from services.gateway.tenants.callers import Permission
from tests.contract.stock import Item, id_at, stock
from tests.flow.system import EMAIL, System, until
from tests.gateway.tenants import client_of

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
TAGS = {"tags": [{"name": "kind", "value": "receipt"}]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {"PILLARBOX_ROLL_UP_INTERVAL_SECONDS": "0.1"}
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start(mailers=0)


@pytest.fixture(scope="module")
def anybody(gateway: System) -> Iterator[httpx.Client]:
    """A caller who asks what has no answer."""
    with client_of(gateway) as client:
        yield client


@pytest.fixture
def tenant() -> str:
    """A tenant of whose messages nothing is known yet."""
    return f"tenant-{uuid4()}"


@pytest.fixture
def client(gateway: System, tenant: str) -> Iterator[httpx.Client]:
    """A caller of the tenant."""
    with client_of(gateway, tenant) as client:
        yield client


def happened(event: str, tenant: str, *, after: timedelta = SECOND, **fields: Any) -> Counted:
    """What a recorder is told of a message that was accepted at noon."""
    made: dict[str, Any] = {"tags": (), "provider": "ses", "at": NOON + after, "accepted_at": NOON}
    return Counted(tenant=tenant, event=event, **made | fields)


def record(gateway: System, *events: Counted) -> None:
    """Count events as the recorder does."""

    async def run() -> None:
        engine = open_engine(LedgerAddress.parse(gateway.ledger_url), 5)
        async with Sessions(engine, writing=None, timeout=5).writing() as connection:
            await count(connection, events)
        await engine.dispose()

    asyncio.run(run())


async def put(gateway: System, *items: Item) -> None:
    """Put messages into the ledger, past the gateway."""
    engine = open_engine(LedgerAddress.parse(gateway.ledger_url), 5)
    await stock(engine, *items)
    await engine.dispose()


def rolled_up(gateway: System, tenant: str) -> int:
    """How many hours of accepted messages the gateway has counted."""
    rows = "SELECT count(*) FROM statistics WHERE tenant = ? AND event = 'accepted'"
    with closing(sqlite3.connect(gateway.ledger_url.removeprefix("sqlite:///"))) as ledger:
        (number,) = ledger.execute(rows, (tenant,)).fetchone()
    return int(number)


def ask(client: httpx.Client, **query: Any) -> dict[str, Any]:
    """GET the statistics."""
    answer = client.get("/statistics", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def on_the_day(**query: Any) -> dict[str, Any]:
    """A query about the day that the recorder is told of."""
    return {"from": "2026-01-02T00:00:00Z", "to": "2026-01-03T00:00:00Z", **query}


def groups(body: dict[str, Any], field: str) -> dict[str | None, Any]:
    """One number of each group."""
    return {one["group"]: one[field] for one in body["data"]}


def test_without_a_question_it_is_about_the_last_24_hours(client: httpx.Client) -> None:
    """The hour that is now, which counts as a whole, and those before it."""
    before = datetime.now(UTC)
    body = ask(client)

    begin, end = (datetime.fromisoformat(body[name]) for name in ("from", "to"))
    assert end - begin == DAY
    assert before < end <= datetime.now(UTC) + HOUR
    assert (0, 0, 0) == (end.minute, end.second, end.microsecond)


def test_where_nothing_happened_there_are_zeros(client: httpx.Client) -> None:
    """And no latency, rather than one of zero."""
    counts = ("accepted", "sent", "delivered", "bounced", "complained", "failed", "suppressed", "expired")
    expected = dict.fromkeys((*counts, "opened", "clicked", "unsubscribed"), 0)
    latencies = {"group": None, "seconds_to_sent": None, "seconds_to_delivered": None}

    assert [expected | latencies] == ask(client)["data"]
    assert [] == ask(client, group_by="hour")["data"]


def test_a_message_is_counted_as_soon_as_it_is_accepted(client: httpx.Client) -> None:
    """Before any mailer has heard of it."""
    client.post("/emails", json=EMAIL).raise_for_status()
    client.post("/emails", json=EMAIL | TAGS).raise_for_status()

    assert {None: 2} == groups(ask(client), "accepted")
    assert {None: 1} == groups(ask(client, tag="kind:receipt"), "accepted")
    assert {None: 2} == groups(ask(client, group_by="provider"), "accepted")
    assert 2 == sum(groups(ask(client, group_by="hour"), "accepted").values())


def test_old_messages_are_counted_by_themselves(gateway: System, client: httpx.Client, tenant: str) -> None:
    """As those of a version that had no statistics are; nobody who asks sees a difference."""
    asyncio.run(put(gateway, Item(tenant=tenant, id=id_at(NOON)), Item(tenant=tenant, id=id_at(NOON + HOUR))))
    before = groups(ask(client, **on_the_day(group_by="hour")), "accepted")
    until(lambda: rolled_up(gateway, tenant) == 2, 10, "the roll-up")
    after = groups(ask(client, **on_the_day(group_by="hour")), "accepted")

    assert {"2026-01-02T12:00:00Z": 1, "2026-01-02T13:00:00Z": 1} == before == after


def test_sums_are_of_what_was_recorded(gateway: System, client: httpx.Client, tenant: str) -> None:
    """With latencies from the moment that the message was accepted."""
    sent = [happened("sent", tenant, after=after * SECOND) for after in (0.1, 0.1, 0.1, 30)]
    others = [happened(event, tenant) for event in ("bounced", "opened", "opened", "failed")]
    record(gateway, *sent, *others, happened("delivered", tenant, after=2 * SECOND))
    body = ask(client, **on_the_day())

    (one,) = body["data"]
    counts = {name: number for name, number in one.items() if isinstance(number, int) and number}
    assert {"sent": 4, "delivered": 1, "bounced": 1, "opened": 2, "failed": 1} == counts
    assert [0.1, 30, 30] == [pytest.approx(value, rel=0.09) for value in one["seconds_to_sent"].values()]
    assert 2 == pytest.approx(one["seconds_to_delivered"]["p50"], rel=0.09)
    assert {"from": "2026-01-02T00:00:00Z", "to": "2026-01-03T00:00:00Z"} == {
        name: body[name] for name in ("from", "to")
    }


def test_groups_and_filters(gateway: System, client: httpx.Client, tenant: str) -> None:
    """Each kind of group, in its order; and what is asked for alone."""
    receipt, news = ("kind:receipt", "shop:nord"), ("kind:news", "shop:nord")
    record(
        gateway,
        happened("sent", tenant, tags=receipt),
        happened("sent", tenant, tags=news, provider="sendgrid"),
        happened("sent", tenant, tags=news, at=NOON + HOUR),
        happened("sent", tenant, at=NOON + 12 * HOUR),
        happened("expired", tenant, provider=None),
        happened("sent", "another", tags=receipt),
    )
    asked = {"from": "2026-01-02T00:00:00Z", "to": "2026-01-04T00:00:00Z"}
    sent: dict[str, dict[str | None, int]] = {
        "hour": {"2026-01-02T12:00:00Z": 2, "2026-01-02T13:00:00Z": 1, "2026-01-03T00:00:00Z": 1},
        "day": {"2026-01-02": 3, "2026-01-03": 1},
        "tag": {"shop:nord": 3, "kind:news": 2, "kind:receipt": 1},
        "provider": {None: 0, "sendgrid": 1, "ses": 3},
    }
    for grouping, expected in sent.items():
        body = ask(client, **asked, group_by=grouping)
        assert (grouping, False) == (body["group_by"], body["has_more"])
        assert [*expected.items()] == [*groups(body, "sent").items()]
    accounts = groups(ask(client, **asked, group_by="provider"), "accepted")

    assert {None: 0, "sendgrid": None, "ses": None} == accounts
    assert {None: 2} == groups(ask(client, **asked, tag="kind:news"), "sent")
    (account,) = ask(client, **asked, provider="sendgrid")["data"]
    assert (1, None) == (account["sent"], account["accepted"])
    assert {"2026-01-02": 2} == groups(ask(client, **asked, tag="kind:news", group_by="day"), "sent")
    assert {"kind:news": 1, "shop:nord": 1} == groups(
        ask(client, **asked, provider="sendgrid", group_by="tag"), "sent"
    )


def test_moments_are_rounded_to_whole_hours_around_them(
    gateway: System, client: httpx.Client, tenant: str
) -> None:
    """In UTC, whatever zone they are written in."""
    record(gateway, happened("sent", tenant))
    body = ask(client, **{"from": "2026-01-02T14:59:59+02:00", "to": "2026-01-02T12:00:00.000001Z"})

    assert ("2026-01-02T12:00:00Z", "2026-01-02T13:00:00Z") == (body["from"], body["to"])
    assert {None: 1} == groups(body, "sent")


def test_a_key_that_only_sends_may_not_look(gateway: System, tenant: str) -> None:
    """Reading is enough."""
    with client_of(gateway, tenant, Permission.SENDING) as sender:
        assert "restricted_api_key" == sender.get("/statistics").json()["name"]
    with client_of(gateway, tenant, Permission.READING) as reader:
        assert 200 == reader.get("/statistics").status_code


WRONG: dict[str, tuple[str, str, str]] = {
    "a moment without its zone": ("from=2026-01-02T00:00:00", "/from", "must be a moment with its zone"),
    "no moment": ("to=yesterday", "/to", "must be a moment with its zone"),
    "before there was mail": ("from=1999-12-31T00:00:00Z", "/from", "must lie in the years 2000 to 2999"),
    "the end of time": ("to=9999-12-31T23:59:59Z", "/to", "must lie in the years 2000 to 2999"),
    "no tag": ("tag=receipt", "/tag", "must be a tag's name and value"),
    "no account's name": ("provider=a%20b", "/provider", "must be an account's name"),
    "an empty account's name": ("provider=", "/provider", "must be an account's name"),
    "no group": ("group_by=month", "/group_by", "must be one of hour, day, tag, provider"),
    "a group twice": ("group_by=hour&group_by=day", "/group_by", "must not be given twice"),
    "a parameter of another call": ("limit=10", "", "has a query parameter that this call does not know"),
    "a beginning that is to come": ("from=2999-01-01T00:00:00Z", "/from", "must lie before to"),
    "nothing in between": (
        "from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z",
        "/from",
        "must lie before to",
    ),
    "years": ("from=2024-01-01T00:00:00Z&to=2026-01-02T00:00:00Z", "/from", "must lie at most 366 days"),
    "a hundred days of hours": (
        "from=2026-01-01T00:00:00Z&to=2026-04-11T00:00:00Z&group_by=hour",
        "/from",
        "must lie at most 92 days before to, grouped by hour",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_asked_is_named(anybody: httpx.Client, name: str) -> None:
    """By its parameter, and in words."""
    query, pointer, message = WRONG[name]
    answer = anybody.get(f"/statistics?{query}")

    assert 422 == answer.status_code
    (error,) = answer.json()["errors"]
    assert pointer == error["pointer"]
    assert error["message"].startswith(message)


def test_every_wrong_parameter_is_named_at_once(anybody: httpx.Client) -> None:
    """So that nobody has to try again and again."""
    answer = anybody.get("/statistics?from=1&to=2&tag=3&group_by=4")

    assert ["/from", "/to", "/tag", "/group_by"] == [error["pointer"] for error in answer.json()["errors"]]


def test_the_longest_question_is_answered(anybody: httpx.Client) -> None:
    """A year of days, and a quarter of hours."""
    year = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
    quarter = {"from": "2026-01-01T00:00:00Z", "to": "2026-04-03T00:00:00Z"}

    assert [] == ask(anybody, **year, group_by="day")["data"]
    assert [] == ask(anybody, **quarter, group_by="hour")["data"]
