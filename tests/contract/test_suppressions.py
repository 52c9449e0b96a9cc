"""What the gateway may rely on in its suppressions, be they in SQLite or in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.acceptance.acceptance import Acceptance
from services.gateway.acceptance.entries import Draft
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from services.gateway.ledger.deposit import Key
from services.gateway.ledger.held_keys import HeldKeys
from services.gateway.ledger.paging import Page
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.suppressions import Suppressions
from services.gateway.problems import Problem
from services.gateway.tenants.callers import Caller, Permission
from shared.signatures import Address, Lane, SendEmail
from tests.contract.ledgers import TIMEOUT, Gateway, answered, gateway

ANA, BOB, EVA = "ana@example.com", "bob@example.com", "eva@example.com"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A migrated ledger."""
    engine = open_engine(LedgerAddress.parse(database_url), TIMEOUT)
    await migrate(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    """A gateway's way to it."""
    writing = asyncio.Lock() if engine.dialect.name == "sqlite" else None
    return Sessions(engine, writing=writing, timeout=TIMEOUT)


@pytest.fixture
def suppressions(sessions: Sessions) -> Suppressions:
    """The suppressions in it."""
    return Suppressions(sessions)


def addresses(rows: Iterable[Any]) -> list[str]:
    """What rows are about, in their order."""
    return [row.address for row in rows]


# Adding and removing


async def test_a_suppression_is_stored_as_it_is(suppressions: Suppressions) -> None:
    """Every field comes back, and the database's clock says since when."""
    message_id = new_message_id()

    (added,) = await suppressions.add("acme", [ANA], reason="bounce", message_id=message_id)
    found = await suppressions.find("acme", ANA)

    assert added == found
    assert ("acme", ANA, "bounce", message_id) == (
        added.tenant,
        added.address,
        added.reason,
        added.message_id,
    )
    assert abs(added.created_at - datetime.now(UTC)) < timedelta(seconds=5)


async def test_it_is_found_by_either_name(suppressions: Suppressions) -> None:
    """By its id as well as by its address, and by nothing else."""
    (added,) = await suppressions.add("acme", [ANA])

    assert added == await suppressions.find("acme", added.id) == await suppressions.find("acme", ANA)
    assert await suppressions.find("acme", BOB) is None
    assert await suppressions.find("acme", new_message_id()) is None


async def test_adding_twice_keeps_the_first(suppressions: Suppressions) -> None:
    """Who bounced first and complained later is still suppressed for the bounce."""
    (first,) = await suppressions.add("acme", [ANA], reason="bounce", message_id=new_message_id())

    again = await suppressions.add("acme", [ANA, BOB, ANA], reason="complaint")

    assert [ANA, BOB] == sorted(addresses(again))
    assert first in again
    assert first == await suppressions.find("acme", ANA)


async def test_nothing_is_added_for_nobody(suppressions: Suppressions) -> None:
    """An empty list asks for nothing."""
    assert not await suppressions.add("acme", [])


async def test_many_are_added_at_once(suppressions: Suppressions) -> None:
    """A thousand, which is more than one statement may hold on some databases, each once."""
    many = [f"person{number}@example.com" for number in range(1000)]

    added = await suppressions.add("acme", many)
    again = await suppressions.add("acme", reversed(many))

    assert sorted(many) == sorted(addresses(added))
    assert sorted(row.id for row in added) == sorted(row.id for row in again)


async def test_crossing_additions_do_not_wait_for_each_other(sessions: Sessions) -> None:
    """Two gateways add the same addresses in opposite orders, again and again, and neither fails."""
    many = [f"person{number}@example.com" for number in range(200)]

    async def add(suppressions: Suppressions, order: Iterable[str]) -> None:
        for _ in range(3):
            await suppressions.add("acme", order)
            await suppressions.remove("acme", list(order))

    await asyncio.gather(
        add(Suppressions(sessions), many),
        add(Suppressions(sessions), many[::-1]),
    )

    assert not (await Suppressions(sessions).page("acme", Page()))[0]


async def test_what_is_removed_is_told(suppressions: Suppressions) -> None:
    """Misses are left out, and what was not named stays."""
    ana, bob, eva = sorted(await suppressions.add("acme", [ANA, BOB, EVA]), key=lambda row: row.address)

    by_address = await suppressions.remove("acme", [ANA, "nobody@example.com"])
    by_id = await suppressions.remove("acme", [bob.id, new_message_id()])

    assert ([ana], [bob]) == (list(by_address), list(by_id))
    assert [eva] == (await suppressions.page("acme", Page()))[0]
    assert not await suppressions.remove("acme", [ANA, bob.id])


async def test_removing_nothing_removes_nothing(suppressions: Suppressions) -> None:
    """An empty list does not stand for everything."""
    await suppressions.add("acme", [ANA])

    assert not await suppressions.remove("acme", [])
    assert await suppressions.find("acme", ANA) is not None


# Tenants and pages


async def test_tenants_do_not_see_each_other(suppressions: Suppressions) -> None:
    """Each has its own entry for the same address; neither finds, lists or removes the other's."""
    (acme,) = await suppressions.add("acme", [ANA])
    (other,) = await suppressions.add("other", [ANA])

    assert acme.id != other.id
    assert await suppressions.find("acme", other.id) is None
    assert [acme] == (await suppressions.page("acme", Page()))[0]
    assert not await suppressions.remove("acme", [other.id])
    assert [acme] == list(await suppressions.remove("acme", [ANA, other.id]))
    assert other == await suppressions.find("other", ANA)


async def test_pages_are_the_newest_first(suppressions: Suppressions) -> None:
    """Forward and backward, without a gap, and with the truth on whether there is more."""
    expected: list[sa.Row[Any]] = []
    for number in range(5):
        expected[:0] = await suppressions.add("acme", [f"person{number}@example.com"])
        await asyncio.sleep(0.002)  # ids have a resolution of a millisecond
    first, more = await suppressions.page("acme", Page(2))
    second, still_more = await suppressions.page("acme", Page(2, after=first[-1].id))
    third, no_more = await suppressions.page("acme", Page(2, after=second[-1].id))
    back, before = await suppressions.page("acme", Page(2, before=second[0].id))

    assert expected == first + second + third
    assert [True, True, False] == [more, still_more, no_more]
    assert (first, False) == (back, before)


async def test_a_page_can_be_about_one_reason(suppressions: Suppressions) -> None:
    """Only bounces, for example."""
    await suppressions.add("acme", [ANA], reason="manual")
    (bounced,) = await suppressions.add("acme", [BOB], reason="bounce")
    await suppressions.add("acme", [EVA], reason="complaint")

    assert ([bounced], False) == await suppressions.page("acme", Page(), reason="bounce")


# Accepting


@pytest.fixture
async def box(database_url: str, engine: AsyncEngine) -> AsyncIterator[Gateway]:  # noqa: ARG001 - migrates it
    """A gateway's way to the same ledger, for messages that are accepted."""
    async with gateway(database_url) as box:
        yield box


def draft(*to: str, tenant: str = "acme", lane: Lane = Lane.TRANSACTIONAL, key: Key | None = None) -> Draft:
    """A message to some recipients."""
    recipients = tuple(Address(email=address) for address in to)
    sender = Address(email="shop@example.com")
    signature = SendEmail(
        message_id=new_message_id(),
        tenant=tenant,
        lane=lane,
        sender=sender,
        to=recipients,
        subject="Hi",
        text="Hi",
    )
    return Draft(signature, key=key)


async def accept(box: Gateway, *drafts: Draft, key: Key | None = None) -> list[str]:
    """Accept messages in one call; return the states of those that are stored, in order."""
    return await states(box, drafts[0].signature.tenant, await taken(box, *drafts, key=key))


async def taken(box: Gateway, *drafts: Draft, key: Key | None = None) -> Sequence[UUID | None]:
    """Accept messages in one call; return the ids of those that are stored."""
    caller = Caller(drafts[0].signature.tenant, new_message_id(), Permission.FULL)
    held = HeldKeys(box.sessions, retention=60)
    return (await Acceptance(box.writer, held).accept(caller, drafts, answer=answered, key=key)).ids


async def states(box: Gateway, tenant: str, ids: Iterable[UUID | None]) -> list[str]:
    """What became of messages."""
    rows = [await box.ledger.find(tenant, one) for one in ids if one]
    return [row.status for row in rows if row]


async def sent_to(box: Gateway, draft: Draft) -> list[str]:
    """Whom an accepted message goes to."""
    assert draft.signature.message_id is not None
    row = await box.ledger.find(draft.signature.tenant, draft.signature.message_id)
    assert row is not None
    return [address.email for address in SendEmail.parse(row.arguments).to]


async def test_only_who_is_suppressed_gets_no_mail(box: Gateway, suppressions: Suppressions) -> None:
    """By tenant and address together."""
    await suppressions.add("acme", [ANA, BOB])
    await suppressions.add("other", [EVA])
    drafts = [draft(who, tenant=tenant) for tenant in ("acme", "other", "third") for who in (ANA, EVA)]
    states = [(await accept(box, one))[0] for one in drafts]

    assert ["suppressed", "accepted", "accepted", "suppressed", "accepted", "accepted"] == states


async def test_the_others_get_it_all_the_same(box: Gateway, suppressions: Suppressions) -> None:
    """Whoever else the message goes to, and whoever else gets a message in the same call."""
    await suppressions.add("acme", [BOB])
    drafts = [draft(ANA, BOB, EVA), draft(BOB), draft(EVA)]

    assert ["accepted", "suppressed", "accepted"] == await accept(box, *drafts)
    assert [ANA, EVA] == await sent_to(box, drafts[0])


@pytest.mark.parametrize(
    "text", ["o'neil@example.com", 'a"b@x', "a\\b@x", "é@x", "%_@example.com", "a,b}{@x"]
)
async def test_hostile_texts_are_only_texts(box: Gateway, suppressions: Suppressions, text: str) -> None:
    """Quotes, backslashes, wildcards and array syntax are found as they are, and match nothing else."""
    await suppressions.add("a'c\"m,e", [text])

    assert ["suppressed", "accepted"] == await accept(
        box, draft(text, tenant="a'c\"m,e"), draft(ANA, tenant="a'c\"m,e")
    )


async def test_many_recipients_are_looked_up_at_once(box: Gateway, suppressions: Suppressions) -> None:
    """A batch to 5,000, half of whom are suppressed, although the planner never looked at the table."""
    people = [f"person{number}@example.com" for number in range(5000)]
    await suppressions.add("acme", people[::2])
    drafts = [draft(*people[start : start + 50]) for start in range(0, 5000, 50)]

    assert ["accepted"] * 100 == await accept(box, *drafts)
    assert people[1::2] == [who for one in drafts for who in await sent_to(box, one)]


async def test_what_is_accepted_at_the_same_moment_shares_the_question(
    box: Gateway, suppressions: Suppressions
) -> None:
    """A hundred callers, of whom one writes to somebody who is suppressed: each gets what is his."""
    await suppressions.add("tenant7", [ANA])
    tenants = [f"tenant{number}" for number in range(100)]
    ids = await asyncio.gather(*(taken(box, draft(ANA, tenant=tenant)) for tenant in tenants))
    # One after another: a hundred connections at the same moment are more than a slow machine makes in time.
    told = [await states(box, tenant, stored) for tenant, stored in zip(tenants, ids, strict=True)]

    assert [["suppressed"] if number == 7 else ["accepted"] for number in range(100)] == told
    assert len(box.insert.batches) <= 3


async def test_a_repetition_is_the_same_though_somebody_is_suppressed(
    box: Gateway, suppressions: Suppressions
) -> None:
    """The keys of the call and of its messages are kept with the messages as they are stored."""
    await suppressions.add("acme", [BOB])
    keys = [Key(name, b"1" * 32) for name in ("call", "first", "second")]
    drafts = [draft(ANA, BOB, key=keys[1]), draft(BOB, key=keys[2])]

    assert ["accepted", "suppressed"] == await accept(box, *drafts, key=keys[0])
    assert ["accepted", "suppressed"] == await accept(box, draft(ANA, key=keys[1]), draft(BOB, key=keys[2]))
    assert [] == await accept(box, draft(EVA), draft(EVA), key=keys[0])  # the stored answer, nothing new
    assert [ANA] == await sent_to(box, drafts[0])


async def test_a_broken_database_is_unavailable(box: Gateway, engine: AsyncEngine) -> None:
    """Nothing is accepted where nobody can tell who is suppressed."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE suppressions")

    with pytest.raises(Problem, match="unavailable"):
        await accept(box, draft(ANA))


async def test_who_unsubscribed_gets_no_bulk_mail(box: Gateway, suppressions: Suppressions) -> None:
    """But still a new password; whoever bounced gets neither."""
    await suppressions.add("acme", [ANA], reason="unsubscribe")
    await suppressions.add("acme", [BOB], reason="bounce")
    bulk, transactional = (draft(ANA, BOB, EVA, lane=lane) for lane in (Lane.BULK, Lane.TRANSACTIONAL))
    await accept(box, bulk, transactional)

    assert [EVA] == await sent_to(box, bulk)
    assert [ANA, EVA] == await sent_to(box, transactional)


# Order and strength


async def test_ids_are_in_the_order_of_arrival(suppressions: Suppressions) -> None:
    """Which is what pages rely on."""
    ids: list[UUID] = []
    for number in range(3):
        (row,) = await suppressions.add("acme", [f"person{number}@example.com"])
        ids.append(row.id)
        await asyncio.sleep(0.002)

    assert sorted(ids) == ids


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("unsubscribe", "manual", "manual"),
        ("unsubscribe", "unsubscribe", "unsubscribe"),
        ("bounce", "unsubscribe", "bounce"),
        ("bounce", "manual", "bounce"),
    ],
)
async def test_an_unsubscription_gives_way_to_any_other_reason(
    suppressions: Suppressions, first: str, second: str, kept: str
) -> None:
    """The record stays the same one, under its id."""
    (before,) = await suppressions.add("acme", [ANA], reason=first)
    (after,) = await suppressions.add("acme", [ANA], reason=second)

    assert (before.id, kept) == (after.id, after.reason)
