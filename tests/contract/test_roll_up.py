"""Accepted messages are counted, each exactly once, however late it is committed and whoever counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.gateway.ledger.database import migrate
from services.gateway.ledger.question import Group, Grouping, Question
from services.gateway.ledger.report import Report
from services.gateway.ledger.reporting_tables import statistics
from services.gateway.ledger.roll_up import MARGIN, RollUp
from services.gateway.ledger.schema import messages
from services.gateway.ledger.statistics import Counted, count
from services.gateway.ledger.suppressions import Suppressions
from shared.signatures import Lane
from tests.contract.ledgers import Gateway, entry, gateway
from tests.contract.stock import START, Item, id_at, stock
from tests.contract.webhooks import TENANT, world_of

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
FLOOR = START.replace(minute=0, second=0, microsecond=0)


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's ledger, empty."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


def item(at: datetime = START, **fields: Any) -> Item:
    """A message that was accepted at a moment."""
    return Item(id=id_at(at), accepted_at=at, **fields)


async def roll_up(box: Gateway) -> list[int]:
    """Count all that can be, and return the sizes of the slices."""
    steps = RollUp(box.sessions)
    slices = []
    while size := await steps.step():
        slices.append(size)
    return slices


async def rows(box: Gateway) -> dict[tuple[Any, ...], int]:
    """What is counted, by tenant, hour, tag and event."""
    its = statistics.c
    query = sa.select(its.tenant, its.hour, its.tag, its.event, its.count)
    async with box.sessions.reading() as connection:
        return {tuple(key): number for *key, number in await connection.execute(query)}


async def accepted(
    box: Gateway,
    tenant: str = "acme",
    *,
    since: datetime = START - 400 * DAY,
    until: datetime | None = None,
    **asked: Any,
) -> dict[Group, int]:
    """What the statistics say of accepted messages, by group."""
    question = Question(since, until or datetime.now(UTC) + DAY, **asked)
    sums, _ = await Report(box.sessions).ask(tenant, question)
    return {one.group: one.count("accepted") for one in sums}


async def test_old_messages_are_counted_by_tenant_hour_and_tag(box: Gateway) -> None:
    """Whatever has become of them."""
    await stock(
        box.engine,
        item(tags=("kind:receipt", "shop:nord")),
        item(tags=("kind:receipt",), status="failed"),
        item(START + HOUR),
        item(tenant="other"),
    )

    assert [4] == await roll_up(box)
    assert {
        ("acme", FLOOR, "", "accepted"): 2,
        ("acme", FLOOR, "kind:receipt", "accepted"): 2,
        ("acme", FLOOR, "shop:nord", "accepted"): 1,
        ("acme", FLOOR + HOUR, "", "accepted"): 1,
        ("other", FLOOR, "", "accepted"): 1,
    } == await rows(box)


async def test_what_is_counted_is_not_counted_again(box: Gateway) -> None:
    """A second round finds nothing, and messages that came meanwhile are counted alone."""
    await stock(box.engine, item(), item())
    await roll_up(box)

    assert [] == await roll_up(box)
    await stock(box.engine, item(START + HOUR))
    assert [1] == await roll_up(box)
    assert {"": 3} == await accepted(box)


async def test_many_messages_are_counted_in_slices(box: Gateway) -> None:
    """So that no transaction is long."""
    await stock(box.engine, *(item(START + number * MINUTE) for number in range(1_200)))

    assert [500, 500, 200] == await roll_up(box)
    assert {("acme", FLOOR + hour * HOUR, "", "accepted"): 60 for hour in range(1, 20)} == {
        key: number for key, number in (await rows(box)).items() if number == 60
    }
    assert {"": 1_200} == await accepted(box)


async def test_several_gateways_count_each_message_once(database_url: str) -> None:
    """They begin at the same moment, at the same message."""
    async with gateway(database_url) as one, gateway(database_url) as two:
        await migrate(one.engine)
        await stock(one.engine, *(item(START + number * MINUTE) for number in range(1_200)))
        steps = [RollUp(box.sessions) for box in (one, two)]
        # SQLite's processes take turns by its lock; a gateway has a lock of its own for that.
        done = [await asyncio.gather(*(step.step() for step in steps)) for _ in range(3)]
        left = await roll_up(one)

        assert 1_200 == sum(map(sum, done)) + sum(left)
        assert {"": 1_200} == await accepted(one)


async def test_young_messages_are_counted_when_somebody_asks(box: Gateway) -> None:
    """They are not passed by the mark, and there is nothing to wait for."""
    now = datetime.now(UTC)
    await stock(box.engine, item(now - MARGIN - MINUTE), item(now - MARGIN + MINUTE), item(now))

    assert {"": 3} == await accepted(box)
    assert [1] == await roll_up(box)
    assert {"": 3} == await accepted(box)


async def test_a_message_that_is_committed_late_is_counted(box: Gateway) -> None:
    """Its id is older than that of others that have been seen."""
    now = datetime.now(UTC)
    await stock(box.engine, item(now - DAY), item(now - MINUTE))
    await roll_up(box)
    await stock(box.engine, item(now - MARGIN + MINUTE))

    assert [] == await roll_up(box)
    assert {"": 3} == await accepted(box)


async def test_a_message_that_is_suppressed_at_once_counts_as_that(box: Gateway) -> None:
    """No recorder hears of it; one that its provider suppressed is the recorder's to count."""
    at = datetime.now(UTC) - DAY
    ended = entry(
        id_at(at), tenant="acme", status="suppressed", event="suppressed", reason="Nobody in to is left."
    )
    await box.append(ended)
    await stock(box.engine, item(at, status="suppressed"))
    await roll_up(box)

    hour = at.replace(minute=0, second=0, microsecond=0)
    assert {("acme", hour, "", "accepted"): 2, ("acme", hour, "", "suppressed"): 1} == await rows(box)


async def tagged(box: Gateway) -> None:
    """Messages of two days, with tags and without."""
    await stock(
        box.engine,
        item(tags=("kind:receipt",)),
        item(START + HOUR, tags=("kind:receipt", "shop:nord")),
        item(START + HOUR),
        item(START + DAY, tags=("kind:news",)),
        item(START + HOUR, tenant="other", tags=("kind:receipt",)),
    )
    happened = START + DAY + MINUTE
    async with box.sessions.writing() as connection:
        events = [
            Counted("acme", tags, "ses", "sent", happened, happened - MINUTE)
            for tags in (("kind:receipt",), ("shop:nord",), ("shop:nord", "kind:news"))
        ]
        await count(connection, events)


async def test_ends_that_the_gateway_puts_count_as_they_come(box: Gateway) -> None:
    """A message that expired before a mailer got it, and one that a human gave up."""
    past = datetime.now(UTC) - DAY
    await stock(
        box.engine,
        item(tags=("kind:news",), due=-HOUR, more={"expires_at": past, "queued_at": None}),
        held := item(status="held"),
    )
    await box.schedule.expire(limit=10)
    await box.schedule.expire(limit=10)
    await box.replays.drop("acme", held.id)
    await box.replays.drop("acme", held.id)

    counted = {(tag, event): number for (_, _, tag, event), number in (await rows(box)).items()}
    assert {("", "expired"): 1, ("kind:news", "expired"): 1, ("", "failed"): 1} == counted


@pytest.mark.parametrize(("age", "told"), [(timedelta(hours=1), 1), (timedelta(days=2), 0)])
async def test_webhooks_are_told_of_what_was_suppressed_at_once(
    box: Gateway, age: timedelta, told: int
) -> None:
    """A while later, and once; but not of old ones, as they are found after an upgrade."""
    world = world_of(box)
    await world.subscribe("email.suppressed")
    at = datetime.now(UTC) - age
    message = entry(
        id_at(at), tenant=TENANT, status="suppressed", event="suppressed", reason="Nobody is left."
    )
    await box.append(message)
    async with box.engine.begin() as connection:
        await connection.execute(sa.update(messages).values(accepted_at=at))
    sizes = [await roll_up(box), await roll_up(box)]
    taken = await world.take()

    assert [[1], []] == sizes
    assert told == len(taken)
    assert ["email.suppressed"] * told == [json.loads(one.payload)["type"] for one in taken]


async def test_a_message_that_is_suppressed_when_its_time_has_come_counts_as_that(box: Gateway) -> None:
    """Its only recipient is, by now."""
    await stock(
        box.engine,
        item(recipients=("ann@example.org",), status="scheduled", due=-HOUR, more={"queued_at": None}),
    )
    await Suppressions(box.sessions).add("acme", ["ann@example.org"])
    assert [] == await box.ledger.take_unpublished(Lane, limit=10, lease=60)
    await roll_up(box)

    counted = {event: number for (_, _, _, event), number in (await rows(box)).items()}
    assert {"accepted": 1, "suppressed": 1} == counted


@pytest.mark.parametrize("rolled", [True, False], ids=["counted", "not counted yet"])
async def test_what_is_counted_and_what_is_not_yet_add_up(box: Gateway, *, rolled: bool) -> None:
    """Nobody who asks can tell them apart, however the question is put."""
    await tagged(box)
    if rolled:
        await roll_up(box)
    midnight = FLOOR.replace(hour=0)
    between: dict[str, Any] = {"since": FLOOR + HOUR, "until": FLOOR + DAY}

    assert {"": 4} == await accepted(box)
    assert {"": 1} == await accepted(box, "other")
    assert {} == await accepted(box, "nobody")
    assert {"": 2} == await accepted(box, tag="kind:receipt")
    assert {} == await accepted(box, tag="kind:receip")
    assert {FLOOR: 1, FLOOR + HOUR: 2, FLOOR + DAY: 1} == await accepted(box, group_by=Grouping.HOUR)
    assert {midnight: 3, midnight + DAY: 1} == await accepted(box, group_by=Grouping.DAY)
    assert {midnight: 2, midnight + DAY: 0} == await accepted(box, group_by=Grouping.DAY, tag="kind:receipt")
    assert {"kind:receipt": 2, "kind:news": 1, "shop:nord": 1} == await accepted(box, group_by=Grouping.TAG)
    assert {"shop:nord": 1} == await accepted(box, group_by=Grouping.TAG, tag="shop:nord")
    assert {"": 4, "ses": 0} == await accepted(box, group_by=Grouping.PROVIDER)
    assert {"": 0} == await accepted(box, provider="ses")
    assert {"": 2} == await accepted(box, **between)
    assert {FLOOR + HOUR: 2} == await accepted(box, **between, group_by=Grouping.HOUR)


async def test_groups_have_an_order(box: Gateway) -> None:
    """Tags by how much happened, then by name; everything else by itself."""
    await tagged(box)
    await stock(box.engine, item(START - DAY))

    assert ["shop:nord", "kind:news", "kind:receipt"] == [*await accepted(box, group_by=Grouping.TAG)]
    for grouping in (Grouping.HOUR, Grouping.DAY, Grouping.PROVIDER):
        groups = [*await accepted(box, group_by=grouping)]
        assert sorted(groups, key=str) == groups
        assert len(groups) > 1


async def test_nobody_sees_a_message_twice_or_not_at_all_while_it_is_counted(database_url: str) -> None:
    """Whoever asks meanwhile sees the ledger as it was at one moment."""
    asked: list[dict[Group, int]] = []
    async with gateway(database_url) as one, gateway(database_url) as two:
        await migrate(one.engine)
        await stock(one.engine, *(item(START + number * MINUTE) for number in range(1_500)))

        async def ask() -> None:
            while len(asked) < 12:
                asked.append(await accepted(two))

        await asyncio.gather(ask(), roll_up(one))

    assert [{"": 1_500}] * len(asked) == asked


async def test_without_anything_there_is_nothing(box: Gateway) -> None:
    """A new ledger has no mark."""
    assert [] == await roll_up(box)
    assert {} == await accepted(box)
    await box.append(entry(tenant="acme"))
    assert {} == await accepted(box, group_by=Grouping.TAG)
