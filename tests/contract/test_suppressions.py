"""What the gateway may rely on in its suppressions, be they in SQLite or in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.acceptance.suppressions import PAIRS, SuppressionCheck
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.paging import Page
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.suppressions import Suppressions
from shared.signatures import Lane
from tests.contract.ledgers import TIMEOUT

ANA, BOB, EVA = "ana@example.com", "bob@example.com", "eva@example.com"


class CountingSuppressions(Suppressions):
    """Remembers how much was asked for in each query, and can be held up or made to fail."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self.sizes: list[int] = []
        self.running = 0
        self.at_once = 0
        self.error: Exception | None = None
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def among(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
        self.sizes.append(len(pairs))
        self.running += 1
        self.begun.set()
        self.at_once = max(self.at_once, self.running)
        try:
            if self.error is not None:
                raise self.error
            found = await super().among(pairs)
            await self.gate.wait()
            return found
        finally:
            self.running -= 1


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


@pytest.fixture
def counting(sessions: Sessions) -> CountingSuppressions:
    """The same, with a look at the queries."""
    return CountingSuppressions(sessions)


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


# Asking


async def test_only_what_is_suppressed_is_found(suppressions: Suppressions) -> None:
    """By tenant and address together."""
    await suppressions.add("acme", [ANA, BOB])
    await suppressions.add("other", [EVA])
    asked = [("acme", ANA), ("acme", EVA), ("other", EVA), ("other", ANA), ("third", ANA)]
    expected = {("acme", ANA), ("other", EVA)}

    assert expected == set(await suppressions.among(asked))


@pytest.mark.parametrize(
    "text", ["o'neil@example.com", 'a"b@x', "a\\b@x", "é@x", "%_@example.com", "a,b}{@x"]
)
async def test_hostile_texts_are_only_texts(suppressions: Suppressions, text: str) -> None:
    """Quotes, backslashes, wildcards and array syntax are found as they are, and match nothing else."""
    await suppressions.add("a'c\"m,e", [text])

    found = await suppressions.among([("a'c\"m,e", text), ("a'c\"m,e", ANA)])

    assert {("a'c\"m,e", text): "manual"} == found


async def test_asking_for_many_is_one_statement_on_the_index(
    engine: AsyncEngine, suppressions: Suppressions
) -> None:
    """Also where the table is large and the planner never looked at it."""
    people = [f"person{number}@example.com" for number in range(3000)]
    await suppressions.add("acme", people[:1500])
    statements: list[str] = []
    sa.event.listen(engine.sync_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    found = await suppressions.among([("acme", address) for address in people])

    assert set(people[:1500]) == {address for _, address in found}
    assert not statements  # it went past SQLAlchemy, in a single call of the driver


async def test_concurrent_questions_share_queries(
    suppressions: Suppressions, counting: CountingSuppressions
) -> None:
    """A hundred requests at the same moment cost two queries at most, one at a time, each answered right."""
    await suppressions.add("tenant7", [ANA])
    check = SuppressionCheck(counting)

    answers = await asyncio.gather(
        *(check.among(f"tenant{number}", [ANA, BOB], Lane.BULK) for number in range(100))
    )

    assert [frozenset({ANA}) if number == 7 else frozenset() for number in range(100)] == answers
    assert len(counting.sizes) <= 2
    assert 1 == counting.at_once


async def test_whoever_comes_late_shares_the_next_query(
    suppressions: Suppressions, counting: CountingSuppressions
) -> None:
    """A suppression added before the question is seen, even if a query was under way."""
    check = SuppressionCheck(counting)
    counting.gate.clear()
    early = asyncio.create_task(check.among("acme", [ANA], Lane.BULK))
    await counting.begun.wait()
    await suppressions.add("acme", [BOB])
    questions = [asyncio.create_task(check.among("acme", [BOB], Lane.BULK)) for _ in range(10)]
    await asyncio.sleep(0.05)
    counting.gate.set()
    late = await asyncio.gather(*questions)

    assert frozenset() == await early
    assert [frozenset({BOB})] * 10 == late
    assert [1, 1] == counting.sizes
    assert 1 == counting.at_once


async def test_nobody_asks_for_nobody(counting: CountingSuppressions) -> None:
    """Without recipients there is no query."""

    assert frozenset() == await SuppressionCheck(counting).among("acme", [], Lane.BULK)
    assert not counting.sizes


async def test_a_query_is_bounded(suppressions: Suppressions, counting: CountingSuppressions) -> None:
    """What is too much for one query is asked in several, and everybody gets an answer."""
    check = SuppressionCheck(counting)
    crowds = [[f"person{crowd}-{number}@example.com" for number in range(PAIRS // 3)] for crowd in range(8)]
    await suppressions.add("acme", [crowds[7][0]])

    answers = await asyncio.gather(*(check.among("acme", crowd, Lane.BULK) for crowd in crowds))

    assert [frozenset()] * 7 + [frozenset({crowds[7][0]})] == answers
    assert max(counting.sizes) <= PAIRS


async def test_a_ledger_that_is_away_is_told_to_all(counting: CountingSuppressions) -> None:
    """Those who asked, and those behind them; nothing was changed, and the next one is asked again."""
    check = SuppressionCheck(counting)
    counting.error = LedgerUnavailableError(unknown=True)

    errors = await asyncio.gather(
        *(check.among("acme", [ANA], Lane.BULK) for _ in range(5)), return_exceptions=True
    )
    counting.error = None

    assert [(LedgerUnavailableError, False)] * 5 == [
        (type(error), getattr(error, "unknown", None)) for error in errors
    ]
    assert frozenset() == await check.among("acme", [ANA], Lane.BULK)


async def test_a_bug_leaves_nobody_waiting(counting: CountingSuppressions) -> None:
    """Whatever is raised is raised at everybody who asked."""
    check = SuppressionCheck(counting)
    counting.error = ZeroDivisionError()

    async with asyncio.timeout(TIMEOUT):
        errors = await asyncio.gather(
            *(check.among("acme", [ANA], Lane.BULK) for _ in range(5)), return_exceptions=True
        )

    assert [ZeroDivisionError] * 5 == [type(error) for error in errors]


@pytest.mark.parametrize("during", [False, True], ids=["before the query", "during the query"])
async def test_a_caller_that_goes_away_harms_nobody(counting: CountingSuppressions, *, during: bool) -> None:
    """Its question is dropped, before or after it was asked; the others are answered."""
    check = SuppressionCheck(counting)
    gone = asyncio.create_task(check.among("acme", [ANA], Lane.BULK))
    staying = asyncio.create_task(check.among("acme", [BOB], Lane.BULK))
    await (counting.begun.wait() if during else asyncio.sleep(0))
    gone.cancel()
    async with asyncio.timeout(TIMEOUT):
        answer = await staying

    assert frozenset() == answer
    assert [2 if during else 1] == counting.sizes


async def test_a_broken_database_is_unavailable(engine: AsyncEngine, suppressions: Suppressions) -> None:
    """In the ledger's own words, though the driver was asked directly."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE suppressions")

    with pytest.raises(LedgerUnavailableError):
        await suppressions.among([("acme", ANA)])


async def test_ids_are_in_the_order_of_arrival(suppressions: Suppressions) -> None:
    """Which is what pages rely on."""
    ids: list[UUID] = []
    for number in range(3):
        (row,) = await suppressions.add("acme", [f"person{number}@example.com"])
        ids.append(row.id)
        await asyncio.sleep(0.002)

    assert sorted(ids) == ids


async def test_who_unsubscribed_gets_no_bulk_mail(
    suppressions: Suppressions, counting: CountingSuppressions
) -> None:
    """But still a new password; whoever bounced gets neither."""
    await suppressions.add("acme", [ANA], reason="unsubscribe")
    await suppressions.add("acme", [BOB], reason="bounce")
    check = SuppressionCheck(counting)
    found = [await check.among("acme", [ANA, BOB, EVA], lane) for lane in (Lane.BULK, Lane.TRANSACTIONAL)]

    assert [{ANA, BOB}, {BOB}] == found


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
