"""What the gateway may rely on in its lists of messages, be they in SQLite or in PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from services.gateway.identifiers import new_message_id
from services.gateway.ledger import listing as module
from services.gateway.ledger import streams
from services.gateway.ledger.database import migrate
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.listing import Listed, Listing
from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import messages
from tests.contract.ledgers import Gateway, entry, gateway
from tests.contract.stock import START, Item, id_at, stock, watched
from tests.servers.server import free_port

ANN, BOB, EVA = "ann@example.org", "bob@example.org", "eva@example.org"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def box(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway's migrated ledger."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield box


@pytest.fixture
def listing(box: Gateway) -> Listing:
    """The lists of its messages."""
    return Listing(box.sessions)


def ids(page: tuple[list[Listed], bool]) -> list[UUID]:
    """What a page shows."""
    return [row.id for row in page[0]]


def fits(item: Item, filters: Filters) -> bool:
    """Whether a message is among those that are asked for."""
    return (
        filters.status in (None, item.status)
        and (filters.recipient is None or filters.recipient in item.recipients)
        and (filters.tag is None or filters.tag in item.tags)
        and (filters.since is None or filters.since <= item.accepted_at)
        and (filters.until is None or filters.until > item.accepted_at)
        and (filters.reason is None or (item.more.get("reason") or "").startswith(filters.reason))
        and filters.provider in (None, item.more.get("provider"))
    )


def expected_page(items: list[Item], tenant: str, filters: Filters, page: Page) -> tuple[list[UUID], bool]:
    """What a page ought to show, worked out the slow way."""
    found = sorted((i.id for i in items if i.tenant == tenant and fits(i, filters)), reverse=True)
    if page.after is not None:
        found = [one for one in found if one < page.after]
    if page.before is not None:
        found = [one for one in found if one > page.before]
        return found[-page.limit :], len(found) > page.limit
    return found[: page.limit], len(found) > page.limit


async def test_a_list_shows_what_was_accepted(box: Gateway, listing: Listing) -> None:
    """The signature without bodies, and the state of the message."""
    accepted = entry(tenant="acme", summary=b'{"email":"ann@example.org"}')
    await box.append(accepted)
    row = await box.row(accepted)

    (shown,), more = await listing.page("acme", Filters(), Page())

    assert (accepted.id, accepted.task, accepted.summary) == (shown.id, shown.task, shown.summary)
    assert ("accepted", row.accepted_at, None) == (shown.status, shown.accepted_at, shown.scheduled_at)
    assert not more


async def test_pages_follow_each_other(box: Gateway, listing: Listing) -> None:
    """The newest come first, forward and backward, without a gap, and no other tenant's among them."""
    items = [Item(id_at(START + n * MINUTE)) for n in range(5)]
    others = [Item(id_at(START + n * MINUTE), tenant="other") for n in range(5)]
    await stock(box.engine, *items, *others)
    newest = [item.id for item in reversed(items)]

    first = await listing.page("acme", Filters(), Page(2))
    second = await listing.page("acme", Filters(), Page(2, after=newest[1]))
    third = await listing.page("acme", Filters(), Page(2, after=newest[3]))
    back = await listing.page("acme", Filters(), Page(2, before=newest[2]))
    top = await listing.page("acme", Filters(), Page(2, before=newest[0]))

    assert [newest[:2], newest[2:4], newest[4:]] == [ids(first), ids(second), ids(third)]
    assert [True, True, False] == [first[1], second[1], third[1]]
    assert (newest[:2], False) == (ids(back), back[1])
    assert ([], False) == top


async def test_a_cursor_need_not_be_a_message_of_the_tenant(box: Gateway, listing: Listing) -> None:
    """It is a place in time, no more; so it does not tell what other tenants have."""
    old, new = Item(id_at(START)), Item(id_at(START + HOUR))
    foreign = Item(id_at(START + MINUTE), tenant="other")
    await stock(box.engine, old, new, foreign)
    nobodys = id_at(START + 2 * MINUTE)

    pages = [await listing.page("acme", Filters(), Page(after=cursor)) for cursor in (foreign.id, nobodys)]

    assert [[old.id], [old.id]] == [ids(page) for page in pages]


@pytest.mark.parametrize("reach", [3, 40, 16_384])
async def test_any_combination_of_filters(
    box: Gateway, listing: Listing, reach: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rare and frequent, near and far, with every cursor: exactly what fits, however far it looks."""
    monkeypatch.setattr(streams, "_FIRST", reach)
    monkeypatch.setattr(streams, "_MOST", 2 * reach)
    chance = random.Random(reach)
    items = []
    for number in range(300):
        made = START + number * 10 * MINUTE
        items.append(
            Item(
                id_at(made),
                tenant=chance.choice(("acme", "acme", "acme", "other")),
                # At first this, later that: streams that lie far apart are crossed, too.
                status=chance.choice(("sent", "sent", "delivered") if number < 200 else ("queued", "failed")),
                recipients=tuple(chance.sample((ANN, BOB, EVA), chance.choice((1, 1, 2)))),
                tags=("kind:all", f"part:{number // 100}", *(["kind:rare"] if number % 97 == 0 else [])),
                accepted_at=made + chance.uniform(-0.9, 0.9) * HOUR,
                more={
                    "reason": chance.choice((None, "given_up", "given_up: é%", "poison")),
                    "provider": chance.choice((None, "main", "backup")),
                },
            )
        )
    await stock(box.engine, *items)
    cursors = [None, *(item.id for item in items[::40]), new_message_id()]
    moments = [None, *(item.accepted_at for item in items[::30])]
    asked = 0
    for _ in range(300):
        filters = Filters(
            status=chance.choice((None, None, "sent", "delivered", "failed", "canceled")),
            recipient=chance.choice((None, None, ANN, BOB, "nobody@example.org")),
            tag=chance.choice((None, None, "kind:all", "kind:rare", "part:0", "part:2", "part:9")),
            since=chance.choice((None, chance.choice(moments))),
            until=chance.choice((None, chance.choice(moments))),
            reason=chance.choice((*[None] * 9, "given_up", "given_up: é%", "p")),
            provider=chance.choice((*[None] * 9, "main", "b")),
        )
        cursor = chance.choice(cursors)
        limit = chance.choice((1, 2, 20, 100))
        page = chance.choice((Page(limit, after=cursor), Page(limit, before=cursor)))
        tenant = chance.choice(("acme", "acme", "other", "nobody"))

        rows, more = await listing.page(tenant, filters, page)
        asked += bool(rows)
        every, _ = expected_page(items, tenant, filters, Page(len(items)))

        assert len(every) == await listing.count(tenant, filters), filters
        assert expected_page(items, tenant, filters, page) == ([row.id for row in rows], more), (
            filters,
            page,
        )
    assert asked > 30


async def test_time_is_cut_exactly(box: Gateway, listing: Listing) -> None:
    """From the very moment of an acceptance on, and up to but without it, as the database wrote it."""
    accepted = entry(tenant="acme", summary=b'{"email":"ann@example.org"}')
    await box.append(accepted)
    at = (await box.row(accepted)).accepted_at
    tick = timedelta(microseconds=1)
    asked = [
        Filters(since=at),
        Filters(since=at + tick),
        Filters(until=at),
        Filters(until=at + tick),
        Filters(since=at, until=at + tick),
        Filters(since=(at + tick).astimezone(UTC), until=at),
    ]

    found = [len(ids(await listing.page("acme", filters, Page()))) for filters in asked]

    assert [1, 0, 0, 1, 1, 0] == found


async def test_a_gateways_clock_may_be_wrong(box: Gateway, listing: Listing) -> None:
    """An id made almost an hour early or late does not hide the message: the database's clock counts."""
    early, late = (Item(id_at(START + shift), recipients=(ANN,)) for shift in (-59 * MINUTE, 59 * MINUTE))
    elsewhere = Item(id_at(START), recipients=(ANN,), accepted_at=START + 59 * MINUTE)
    await stock(box.engine, early, late, elsewhere)
    span = Filters(since=START, until=START + MINUTE)

    pages = [
        await listing.page("acme", filters, Page())
        for filters in (span, replace(span, recipient=ANN), replace(span, status="sent"))
    ]

    assert [[late.id, early.id]] * 3 == [ids(page) for page in pages]


async def test_a_clock_that_is_hours_off_hides_messages(
    box: Gateway, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond an hour they are left out, and always: not sometimes, as it suits the search."""
    monkeypatch.setattr(streams, "_FIRST", 2)
    wrong = [Item(id_at(START + shift), recipients=(ANN,)) for shift in (-61 * MINUTE, 62 * MINUTE)]
    await stock(box.engine, *wrong, right := Item(recipients=(ANN,)))
    span = Filters(since=START, until=START + MINUTE)
    asked = [(span, Page()), (replace(span, recipient=ANN), Page()), (span, Page(before=wrong[0].id))]

    assert [[right.id]] * 3 == [ids(await listing.page("acme", *one)) for one in asked]


@pytest.mark.parametrize("direction", ["after", "before"])
async def test_a_page_costs_as_much_as_its_rarest_filter(
    box: Gateway, listing: Listing, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is frequent is not gone through, neither for what is rare nor for what is long ago."""
    monkeypatch.setattr(streams, "_FIRST", 4)
    monkeypatch.setattr(streams, "_MOST", 4)
    made = [START + n * 10 * MINUTE for n in range(400)]
    items = [
        Item(
            id_at(at),
            accepted_at=at,
            recipients=(ANN, *([BOB] if number % 20 == 3 else [])),
            tags=("kind:all",),
        )
        for number, at in enumerate(made)
    ]
    await stock(box.engine, *items)
    end = items[-1] if direction == "after" else items[0]
    day = Filters(since=made[100], until=made[110])
    costs = []
    for filters in (
        Filters(recipient=BOB, tag="kind:all", status="sent"),
        Filters(recipient=BOB, tag="kind:none"),
        Filters(tag="kind:all", status="failed"),
        replace(day, recipient=ANN),
        day,
    ):
        page = Page(after=end.id) if direction == "after" else Page(before=end.id)
        with watched(box.engine) as statements:
            rows, more = await listing.page("acme", filters, page)
        costs.append(len(statements))

        assert expected_page(items, "acme", filters, page) == ([row.id for row in rows], more)
    assert max(costs) < 20, costs


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
async def test_the_ends_of_time(box: Gateway, listing: Listing, moment: datetime) -> None:
    """Moments before ids were invented, and after they will have run out, are only moments."""
    await stock(box.engine, item := Item())
    found = [
        ids(await listing.page("acme", filters, Page()))
        for filters in (Filters(since=moment), Filters(until=moment))
    ]

    assert sorted([[item.id], []]) == sorted(found)


async def test_rows_of_version_0_1_are_listed(box: Gateway, listing: Listing) -> None:
    """They have no summary: what a list shows is made from their arguments."""
    old, new = Item(id_at(START), more={"summary": None}), Item(id_at(START + MINUTE))
    await stock(box.engine, old, new)

    rows, _ = await listing.page("acme", Filters(), Page())

    assert [new.id, old.id] == [row.id for row in rows]
    assert b"ann@example.org" in rows[1].summary
    assert b"Hello" not in rows[1].summary


async def test_bodies_are_not_read(box: Gateway, listing: Listing) -> None:
    """No statement mentions them, whatever is asked for."""
    await stock(box.engine, Item(recipients=(ANN,), tags=("a:b",)))
    every = Filters("sent", ANN, "a:b", START, START + HOUR)
    with watched(box.engine) as statements:
        for filters in (Filters(), replace(every, tag=None), every):
            assert len((await listing.page("acme", filters, Page()))[0]) == 1

    assert statements
    assert not [text for text, _ in statements if "arguments" in text]


async def test_bodies_stand_last(box: Gateway) -> None:
    """SQLite reads a row from its beginning: what stands behind megabytes is read through them."""
    async with box.engine.connect() as connection:
        columns = await connection.run_sync(lambda sync: sa.inspect(sync).get_columns("messages"))
    names = [column["name"] for column in columns]

    assert "arguments" == names[-1] or box.engine.dialect.name == "postgresql"
    assert {column.name for column in messages.c} == set(names)


async def test_lists_leave_connections_to_those_who_send(
    listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While two pages are being read others wait, and not for ever."""
    monkeypatch.setattr(module, "_TURN_SECONDS", 0.05)
    async with listing._turn(1), listing._turn(1):
        with pytest.raises(LedgerUnavailableError) as caught:
            await listing.page("acme", Filters(), Page())

    assert not caught.value.unknown
    assert ([], False) == await listing.page("acme", Filters(), Page())


async def test_a_page_that_was_given_up_on_gives_its_turn_back(box: Gateway, listing: Listing) -> None:
    """Callers who hang up do not use the turns up."""
    await stock(box.engine, Item())
    for _ in range(5):
        reading = asyncio.create_task(listing.page("acme", Filters(), Page()))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])

    assert len((await listing.page("acme", Filters(), Page()))[0]) == 1


async def test_an_unreachable_ledger_is_unavailable() -> None:
    """The caller is told, and may ask again."""
    async with gateway(f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/nowhere") as box:
        with pytest.raises(LedgerUnavailableError):
            await Listing(box.sessions).page("acme", Filters(), Page())


HOSTILE = [
    Filters(recipient="o'neil@example.com"),
    Filters(recipient='a"b\\@example.com'),
    Filters(tag="%:_"),
    Filters(tag="a,b}{:é"),
    Filters(status="sent' OR 1=1 --"),
    Filters(reason="100% _sure' --"),
]


@pytest.mark.parametrize("asked", HOSTILE)
async def test_hostile_texts_are_only_texts(box: Gateway, listing: Listing, asked: Filters) -> None:
    """Quotes, wildcards and array syntax match themselves and nothing else."""
    right = Item(
        status=asked.status or "sent",
        recipients=(asked.recipient or ANN,),
        tags=(asked.tag or "a:b",),
        more={"reason": asked.reason},
    )
    await stock(box.engine, right, Item(recipients=(BOB,), tags=("x:y",), more={"reason": "100% surely"}))

    assert [right.id] == ids(await listing.page("acme", asked, Page()))
