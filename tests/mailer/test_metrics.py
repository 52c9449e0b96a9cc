"""What is counted of deliveries, claims, accounts and webhooks."""

from __future__ import annotations

import asyncio
import math
import socket
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from services.mailer.accounts.circuit import Fuse
from services.mailer.claims.claims import Claims, Wish
from services.mailer.delivery.ports import NoAnswerError, NotSentError
from services.mailer.exposition import complain, expose
from services.mailer.metrics import Metrics
from services.mailer.outcome import Accepted, Deferred, Outcome, Rejected, Suppressed, Unauthorised, Uncertain
from services.mailer.providers.base import Absent, Finding, Found, UnsupportedError
from services.mailer.slots import busy
from shared.signatures import Event, Lane, OnUncertain, RecordEvent, RecordWebhookAttempt
from tests.mailer.world import SETTLED, Batched, Keyed, Postbox, Searched, World, email

LOST = Uncertain("HTTP 502")


@pytest.fixture
def metrics(world: World) -> Metrics:
    """Those of a mailer with these accounts, in this world."""
    world.watch = metrics = Metrics(["postbox", "keyed", "searched", "batched", "other"])
    return metrics


def told(metrics: Metrics, name: str, **labels: str) -> float:
    """One figure."""
    value = metrics.registry.get_sample_value(f"pillarbox_{name}", labels)
    assert value is not None
    return value


def counted(metrics: Metrics, name: str) -> dict[str, float]:
    """What is not zero, by the last of its labels."""
    (family,) = (one for one in metrics.registry.collect() if one.name == f"pillarbox_{name}")
    return {list(one.labels.values())[-1]: one.value for one in family.samples if one.value}


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Accepted("theirs"), "accepted"),
        (Deferred("HTTP 503"), "deferred"),
        (NotSentError("ConnectError"), "deferred"),
        (Rejected("HTTP 422"), "rejected"),
        (Suppressed("listed"), "suppressed"),
        (Unauthorised("HTTP 401"), "unauthorised"),
        (LOST, "uncertain"),
        (NoAnswerError("ReadTimeout"), "uncertain"),
    ],
    ids=repr,
)
async def test_an_attempt_is_counted_once_by_its_outcome(
    world: World, metrics: Metrics, outcome: Outcome | Exception, word: str
) -> None:
    """And the provider's time is taken, whether it answered or not."""
    postbox = Postbox("postbox")
    postbox.says(outcome)

    await world.delivery(postbox).attempt(email())

    assert {word: 1} == counted(metrics, "attempts")
    assert 1 == told(metrics, "attempts_total", account="postbox", outcome=word)
    assert 1 == told(metrics, "attempt_seconds_count", account="postbox")


async def test_each_account_is_counted_by_itself(world: World, metrics: Metrics) -> None:
    """The first that could not, and the next that took it."""
    postbox, other = Postbox("postbox"), Postbox("other")
    postbox.says(Deferred("HTTP 503"))

    await world.delivery(postbox, other).attempt(email())

    assert 1 == told(metrics, "attempts_total", account="postbox", outcome="deferred")
    assert 1 == told(metrics, "attempts_total", account="other", outcome="accepted")


async def test_what_no_provider_was_asked_takes_no_time(world: World, metrics: Metrics) -> None:
    """An attachment that it cannot carry is an end, and no request."""
    postbox = Postbox("postbox", refuses=UnsupportedError("inline images"))

    await world.delivery(postbox).attempt(email())

    assert {"rejected": 1} == counted(metrics, "attempts")
    assert 0 == told(metrics, "attempt_seconds_count", account="postbox")


async def test_messages_of_one_request_are_attempts_each(world: World, metrics: Metrics) -> None:
    """And the provider's time is that of a request."""
    batched = Batched("batched")
    delivery = world.delivery(batched)

    await asyncio.gather(*(delivery.attempt(email(lane=Lane.BULK)) for _ in range(3)))

    assert {"accepted": 3} == counted(metrics, "attempts")
    assert len(world.requests) == told(metrics, "attempt_seconds_count", account="batched")


async def test_a_held_message_is_counted(world: World, metrics: Metrics) -> None:
    """Once, however often it comes again."""
    postbox = Postbox("postbox")
    postbox.says(LOST)
    message, delivery = email(on_uncertain=OnUncertain.HOLD), world.delivery(postbox)
    for _ in range(2):
        await delivery.attempt(message)

    assert 1 == told(metrics, "messages_held_total")


@pytest.mark.parametrize(
    ("provider", "finding", "on_uncertain", "way"),
    [
        (Postbox, None, OnUncertain.RESEND, "resent"),
        (Postbox, None, OnUncertain.HOLD, "held"),
        (Keyed, None, OnUncertain.HOLD, "asked_again"),
        (Searched, Found("theirs"), OnUncertain.HOLD, "found"),
        (Searched, Absent(), OnUncertain.HOLD, "absent"),
    ],
)
async def test_a_doubt_is_counted_by_the_way_out_of_it(
    world: World,
    metrics: Metrics,
    *,
    provider: type[Postbox],
    finding: Finding | None,
    on_uncertain: OnUncertain,
    way: str,
) -> None:
    """Whichever it was."""
    asked = provider(provider.kind)
    if isinstance(asked, Searched) and finding is not None:
        asked.findings[0] = finding
    message, delivery = email(on_uncertain=on_uncertain), world.delivery(asked)
    await world.crash(message, provider.kind)
    world.pass_time(SETTLED)

    await delivery.attempt(message)

    assert {way: 1} == counted(metrics, "uncertain_resolved")
    assert (way == "held") == told(metrics, "messages_held_total")


async def test_claims_are_timed_by_the_transaction(world: World, metrics: Metrics) -> None:
    """One for all that wait at the same moment."""
    world.delivery(Postbox("postbox"))
    claims = Claims(world, on_done=metrics.claimed)
    await asyncio.gather(*(claims.take(Wish(uuid4(), "postbox")) for _ in range(50)))

    assert 1 == told(metrics, "claim_seconds_count", step="take")
    assert 0 == told(metrics, "claim_seconds_count", step="settle")


async def test_an_account_shows_its_circuit(world: World, metrics: Metrics) -> None:
    """Closed, open, half-open."""
    postbox = Postbox("postbox")
    account = world.account(postbox, fuse=Fuse(in_a_row=1, shortest=5.0))
    metrics.watch_account(account)
    positions = [told(metrics, "account_circuit", account="postbox")]
    await account.note(LOST)
    positions.append(told(metrics, "account_circuit", account="postbox"))
    world.clock.move(6.0)
    positions.append(told(metrics, "account_circuit", account="postbox"))

    assert [0, 2, 1] == positions


async def test_turns_of_an_account_are_counted(world: World, metrics: Metrics) -> None:
    """As far as it has a limit: each is a part of it that this mailer took."""
    limited, free = world.account(Postbox("postbox"), limit=1000.0), world.account(Postbox("other"))
    for account in (limited, free):
        metrics.watch_account(account)
        for _ in range(3):
            await account.pace.turn(Lane.BULK)

    assert {"postbox": 3} == counted(metrics, "account_turns")


@pytest.mark.parametrize(
    ("pool", "port", "lines"),
    [("prefork", 9464, 1), ("prefork", 0, 0), ("thread", 9464, 0), ("solo", 9464, 0)],
)
def test_a_pool_of_processes_is_complained_of(pool: str, port: int, lines: int) -> None:
    """What is counted in its children nobody is told."""
    kind = import_module(f"celery.concurrency.{pool}").TaskPool
    with capture_logs() as logged:
        complain(object.__new__(kind), port)

    assert [("metrics.incomplete", pool)] * lines == [(one["event"], one["pool"]) for one in logged]


@pytest.mark.parametrize(("limit", "shown"), [(None, math.inf), (12.5, 12.5)])
async def test_an_account_shows_its_limit(
    world: World, metrics: Metrics, limit: float | None, shown: float
) -> None:
    """Which is infinite where there is none."""
    metrics.watch_account(world.account(Postbox("postbox"), limit=limit))

    assert shown == told(metrics, "account_limit_per_second", account="postbox")
    assert 0 == told(metrics, "account_waiting_messages", account="postbox")


def test_what_is_reported_is_counted_by_its_word(metrics: Metrics) -> None:
    """Attempts at webhooks under one word, and what has no word yet under another."""
    at = "2026-01-02T03:04:05Z"
    events = [
        RecordEvent.model_validate({"message_id": uuid4(), "event": word, "at": at})
        for word in (Event.SENT, Event.SENT, "forwarded")
    ]
    attempt = RecordWebhookAttempt.model_validate({"delivery_id": uuid4(), "attempt": 1, "at": at})
    metrics.reported([*events, attempt])

    assert {"sent": 2, "other": 1, "webhook_attempt": 1} == counted(metrics, "events_reported")


@pytest.mark.parametrize(
    ("status", "word"), [(200, "2xx"), (410, "4xx"), (503, "5xx"), (None, "none"), (999, "other")]
)
def test_webhooks_are_counted_by_class(metrics: Metrics, status: int | None, word: str) -> None:
    """Of the answer's status."""
    metrics.posted(status)

    assert {word: 1} == counted(metrics, "webhooks_posted")


def test_busy_slots_are_those_of_the_lane() -> None:
    """Also of messages that were retried, whose key begins with the bits of the delay."""
    keys = ("mailer.bulk", "0.1.0.mailer.bulk", "mailer.transactional", None)
    underway: list[Any] = [SimpleNamespace(delivery_info={"routing_key": key}) for key in keys]
    underway.append(SimpleNamespace(delivery_info=None))

    assert 2 == busy("mailer.bulk", lambda: underway)
    assert 1 == busy("mailer.transactional", lambda: underway)
    assert 0 == busy("mailer.webhooks", lambda: underway)


def test_slots_are_counted_although_they_change_meanwhile() -> None:
    """Other threads begin and end tasks all the time."""
    looks = 0

    def changing() -> list[Any]:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise RuntimeError("Set changed size during iteration")
        return [SimpleNamespace(delivery_info={"routing_key": "mailer.bulk"})]

    assert 1 == busy("mailer.bulk", changing)


def test_a_port_that_is_taken_ends_no_mailer(metrics: Metrics) -> None:
    """Mail is more important than figures; the log says so."""
    with socket.create_server(("127.0.0.1", 0)) as server, capture_logs() as lines:
        port = server.getsockname()[1]
        expose(metrics.registry, "127.0.0.1", port)

    assert [("metrics.unserved", port)] == [(line["event"], line["port"]) for line in lines]
