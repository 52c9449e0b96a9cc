"""What is counted of a gateway, made as it is made to serve."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.api.in_flight import InFlight, limit_in_flight
from services.gateway.app import METRICS, create_app
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Deposit, Entry
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.metrics import Metrics
from services.gateway.parts import Parts, parts_of
from services.gateway.settings import Settings
from services.gateway.sweeper import Sweeper
from shared.signatures import Lane

KEY = "a-key-for-these-tests"


def told(metrics: Metrics, name: str, **labels: str) -> float:
    """One figure."""
    value = metrics.registry.get_sample_value(f"pillarbox_{name}", labels)
    assert value is not None, name
    return value


def settings(folder: Path, **more: Any) -> Settings:
    """Those of the embedded mode."""
    plain = {
        "broker_url": f"filesystem://{folder}/broker",
        "ledger_url": f"sqlite:///{folder}/ledger.sqlite3",
        "development_key": KEY,
    }
    return Settings.model_validate({**plain, **more})


def deposit(lanes: Sequence[str], **fields: Any) -> Deposit:
    """A request with a message for each of the lanes."""
    entries = tuple(
        Entry(new_message_id(), "default", lane, "mailer.send_welcome_email", b"{}", **fields)
        for lane in lanes
    )
    return Deposit("default", entries, lambda _: b"")


async def soon(look: Callable[[], object]) -> None:
    """Wait until something is true; it must become so."""
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - figures ring no bell
            await asyncio.sleep(0.02)


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    """A gateway's parts with a ledger; none of them is started."""
    parts = parts_of(settings(tmp_path, publish_lease_seconds=0.05, sweep_interval_seconds=0.05))
    await migrate(parts.engine)
    yield parts
    await parts.writer.close()
    await parts.engine.dispose()


async def test_a_group_is_counted_by_its_messages(parts: Parts) -> None:
    """Scheduled and suppressed ones are accepted too."""
    await parts.writer.deposit(deposit(["transactional", "bulk", "bulk"]))
    await parts.writer.deposit(deposit(["bulk"], status="suppressed"))

    assert 1 == told(parts.metrics, "messages_accepted_total", lane="transactional")
    assert 3 == told(parts.metrics, "messages_accepted_total", lane="bulk")
    assert 4 == told(parts.metrics, "commit_messages_sum")
    assert 2 == told(parts.metrics, "commit_messages_count") == told(parts.metrics, "commit_seconds_count")


async def test_what_the_sweeper_found_is_counted(parts: Parts) -> None:
    """Messages that were committed while nobody relayed; then they are confirmed, and none is held."""
    await parts.writer.deposit(deposit(["bulk", "bulk"]))
    running = parts.run(web.Application())
    await anext(running)
    await soon(lambda: 2 == told(parts.metrics, "relay_confirmed_total"))
    connected = told(parts.metrics, "broker_connected", line="relay")
    await anext(running, None)

    assert 2 == told(parts.metrics, "sweeper_found_total", kind="unpublished")
    assert 0 == told(parts.metrics, "sweeper_found_total", kind="silent")
    assert 1 <= told(parts.metrics, "relay_lag_seconds_count") <= 2
    assert 0 == told(parts.metrics, "relay_held_messages")
    assert 1 == connected


class Forgetful:
    """A ledger that misses messages, and a relay that takes them."""

    room = 10

    async def believed_in_broker(self, _: Lane) -> tuple[int, int]:
        return 3, 3

    async def take_silent(self, lane: Lane, *, limit: int) -> Sequence[Entry]:
        return deposit([lane] * limit).entries

    async def record(self, _: Sequence[LedgerEvent]) -> None:
        pass

    def offer(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        return entries


async def test_what_the_broker_lost_is_counted_by_itself() -> None:
    """Once it was missed at two looks."""
    metrics, there = Metrics(), Forgetful()
    spans = {"interval": 1.0, "lease": 1.0, "silent_after": 1.0}
    sweeper = Sweeper(there, there, there, **spans, on_found=metrics.found)  # type: ignore[arg-type]
    for _ in range(2):
        await sweeper._sweep_silent(Lane.BULK, 1)

    assert 2 == told(metrics, "sweeper_found_total", kind="silent")
    assert 0 == told(metrics, "sweeper_found_total", kind="unpublished")


async def test_what_the_relay_holds_is_told_with_its_age(parts: Parts) -> None:
    """As long as it is there."""
    parts.relay._line.connected = True
    parts.relay._publishing = asyncio.get_running_loop().create_task(asyncio.sleep(0))
    parts.relay.offer(deposit(["bulk", "bulk"]).entries)
    await asyncio.sleep(0.01)

    assert 2 == told(parts.metrics, "relay_held_messages")
    assert 0.01 <= told(parts.metrics, "relay_oldest_seconds") < 20
    parts.relay._line.connected = False


async def test_an_absent_ledger_is_counted(tmp_path: Path) -> None:
    """For whoever accepts, and for everybody else."""
    parts = parts_of(settings(tmp_path, ledger_url="postgresql://a:b@127.0.0.1:1/c", development_key=None))
    with pytest.raises(LedgerUnavailableError):
        await parts.writer.deposit(deposit(["bulk"]))
    with pytest.raises(LedgerUnavailableError):
        await parts.ledger.ping()
    await parts.writer.close()
    await parts.engine.dispose()

    assert 1 == told(parts.metrics, "ledger_unavailable_total", during="accept")
    assert 1 == told(parts.metrics, "ledger_unavailable_total", during="other")
    assert 0 == told(parts.metrics, "messages_accepted_total", lane="bulk")


def test_events_are_counted_by_their_words() -> None:
    """What a newer version tells has none yet."""
    metrics, now = Metrics(), datetime.now(UTC)
    batch = [LedgerEvent(uuid4(), word, word, "mailer", now) for word in ("sent", "sent", "forwarded")]
    metrics.recorded(batch, 0.01)

    assert 2 == told(metrics, "events_recorded_total", event="sent")
    assert 1 == told(metrics, "events_recorded_total", event="other")
    assert 1 == told(metrics, "recording_seconds_count")


@pytest.mark.parametrize(
    ("reason", "word"), [("rejected", "rejected"), ("surprise", "other"), (None, "other")]
)
def test_dead_letters_are_counted_by_reason(reason: str | None, word: str) -> None:
    """One of RabbitMQ's, whatever a header may say."""
    metrics = Metrics()
    metrics.dead_letter(reason)

    assert 1 == told(metrics, "dead_letters_seen_total", reason=word)


def test_unroutable_messages_are_not_confirmed() -> None:
    """Nor is there a lag where nothing was confirmed."""
    metrics = Metrics()
    metrics.published(0, 3, 0.5)

    assert 3 == told(metrics, "relay_unroutable_total")
    assert (0, 0) == (told(metrics, "relay_confirmed_total"), told(metrics, "relay_lag_seconds_count"))


async def test_a_refusal_is_counted_by_its_name(tmp_path: Path) -> None:
    """Whether a handler raised it or aiohttp did."""
    app = create_app(settings(tmp_path))
    metrics = app[METRICS]
    authorised = {"Authorization": f"Bearer {KEY}"}
    async with TestClient(TestServer(app)) as client:
        await client.get("/emails")
        await client.get("/nowhere", headers=authorised)
        await client.delete("/emails", headers=authorised)
        await client.post("/emails", headers=authorised, json={})

    for problem in ("missing_api_key", "not_found", "method_not_allowed", "missing_required_field"):
        assert 1 == told(metrics, "requests_refused_total", problem=problem), problem
    assert 0 == told(metrics, "requests_in_flight")


async def test_answers_are_timed_by_route(tmp_path: Path) -> None:
    """Whatever the ids in their paths are; what is no route of ours is one, and a stream is none."""
    app = create_app(settings(tmp_path, event_stream_heartbeat_seconds=0.1))
    metrics = app[METRICS]
    authorised = {"Authorization": f"Bearer {KEY}"}
    async with TestClient(TestServer(app)) as client:
        for path in ("/emails", f"/emails/{uuid4()}", f"/emails/{uuid4()}", f"/{uuid4()}"):
            await client.get(path, headers=authorised)
        async with client.get("/events", headers=authorised) as stream:
            assert 200 == stream.status

    counts = {
        sample.labels["route"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "pillarbox_request_seconds_count" and sample.value
    }
    assert {"GET /emails": 1, "GET /emails/{id}": 2, "other": 1} == counts


async def test_how_long_messages_wait_is_asked_now_and_then(tmp_path: Path) -> None:
    """By a gateway that is asked for figures; where the ledger does not answer nobody knows."""
    parts = parts_of(settings(tmp_path, metrics_port=1, metrics_interval_seconds=0.02))
    assert parts.sampler is not None
    assert None is parts_of(settings(tmp_path)).sampler
    parts.sampler.start()
    unknown = told(parts.metrics, "lane_oldest_seconds", lane="bulk")
    await migrate(parts.engine)
    await parts.writer.deposit(deposit(["bulk"], status="accepted"))
    await soon(lambda: 0 == told(parts.metrics, "lane_oldest_seconds", lane="transactional"))
    await parts.sampler.close()
    await parts.writer.close()
    await parts.engine.dispose()

    assert math.isnan(unknown)


@pytest.mark.parametrize(("word", "counts"), [("failed", 1), ("held", 1), ("expired", 1), ("sent", None)])
def test_what_is_given_up_is_counted_on_every_broker(word: str, counts: float | None) -> None:
    """From what is new in the ledger."""
    metrics, now = Metrics(), datetime.now(UTC)
    message = KnownMessage(uuid4(), "default", now, None, b"{}")
    metrics.added([(message, LedgerEvent(message.id, word, word, "mailer", now))], 0.1)

    assert counts == metrics.registry.get_sample_value("pillarbox_messages_given_up_total", {"event": word})


async def test_requests_under_way_are_told() -> None:
    """While they are."""
    under_way, seen = InFlight(5, 100, largest=10), []

    async def look(_: web.Request) -> web.Response:
        seen.append((under_way.requests, under_way.bytes))
        return web.Response()

    app = web.Application(middlewares=[limit_in_flight(under_way)])
    app.router.add_post("/", look)
    async with TestClient(TestServer(app)) as client:
        await client.post("/", data=b"1234")

    assert [(1, 4)] == seen
    assert (0, 0) == (under_way.requests, under_way.bytes)
