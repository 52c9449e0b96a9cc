"""Old claims go."""

from __future__ import annotations

import asyncio
import sqlite3
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.mailer.claims import postgresql, sqlite
from services.mailer.claims.claims import Claims, Granted, Settled, State
from tests.contract.mailers import SHORT, Stores, granted, locked_claims, settle, take

DAY = 86_400.0


async def plan(stores: Stores) -> list[str]:
    """How the database goes about a purge."""
    if stores.is_postgresql:
        connection = await asyncpg.connect(stores.url)
        await connection.execute("SET enable_seqscan = off")
        rows = await connection.fetch(f"EXPLAIN {postgresql._PURGE}", DAY, 100)
        await connection.close()
    else:
        db = sqlite3.connect(stores.path)
        rows = db.execute(f"EXPLAIN QUERY PLAN {sqlite._PURGE}", {"older_than": DAY, "limit": 100}).fetchall()
        db.close()
    return [str(row[-1]) for row in rows]


async def aged(stores: Stores, claims: Claims, state: State | None, days: int) -> UUID:
    """A message that was last touched so many days ago; without a state its mailer died."""
    message_id = uuid4()
    claim = await granted(claims, message_id)
    if state is not None:
        await settle(claims, claim, state, doubts=int(state is State.UNCERTAIN))
    await stores.pass_time(days * DAY, message_id)
    return message_id


@pytest.mark.parametrize("state", [None, *State])
async def test_what_nothing_touched_for_long_is_removed(
    stores: Stores, claims: Claims, state: State | None
) -> None:
    """Whatever its state, and nothing else."""
    old = await aged(stores, claims, state, days=40)
    young = await aged(stores, claims, State.SENT, days=20)

    assert await claims.purge(older_than=30 * DAY, limit=100) == 1
    assert isinstance(await take(claims, old), Granted)
    assert isinstance(await take(claims, young), Settled)
    assert await claims.purge(older_than=30 * DAY, limit=100) == 0


async def test_the_oldest_go_first_and_no_more_than_were_asked_for(stores: Stores, claims: Claims) -> None:
    """So that no purge takes long."""
    ages = {days: await aged(stores, claims, State.SENT, days) for days in (50, 40, 60, 70)}

    assert [2, 2, 0] == [await claims.purge(older_than=DAY, limit=2) for _ in range(3)]

    ages = {days: await aged(stores, claims, State.SENT, days) for days in (50, 40, 60, 70)}
    await claims.purge(older_than=DAY, limit=2)

    assert {40, 50} == {days for days, i in ages.items() if isinstance(await take(claims, i), Settled)}


async def test_a_message_tried_long_ago_but_touched_since_stays(stores: Stores, claims: Claims) -> None:
    """Its first attempt is old, its last is not."""
    message_id = await aged(stores, claims, State.DEFERRED, days=40)
    await settle(claims, await granted(claims, message_id), State.SENT)

    assert await claims.purge(older_than=30 * DAY, limit=100) == 0


async def test_what_is_under_way_or_due_later_stays(stores: Stores, claims: Claims) -> None:
    """However short the time that claims are kept for."""
    brief = Claims(stores.open(SHORT))
    await granted(claims, uuid4())
    await settle(claims, await granted(claims, uuid4()), State.DEFERRED, 2 * SHORT)
    await granted(brief, uuid4())

    assert await claims.purge(older_than=0.0, limit=100) == 0

    await stores.pass_time()

    assert await claims.purge(older_than=0.0, limit=100) == 1


async def test_purges_of_two_mailers_share_the_work(stores: Stores, claims: Claims) -> None:
    """Neither waits for the other, and nothing is counted twice."""
    for _ in range(20):
        await aged(stores, claims, State.SENT, days=40)
    other = Claims(stores.open())

    removed = await asyncio.gather(*(mailer.purge(older_than=DAY, limit=5) for mailer in (claims, other) * 3))

    assert sum(removed) == 20


async def test_a_purge_waits_for_nobody(server_stores: Stores) -> None:
    """A claim that somebody is about to write to stays for the next one."""
    claims = Claims(server_stores.open())
    ids = [await aged(server_stores, claims, State.SENT, days=40) for _ in range(3)]
    async with locked_claims(server_stores.url, ids[0]), asyncio.timeout(10):
        assert await claims.purge(older_than=DAY, limit=100) == 2

    assert await claims.purge(older_than=DAY, limit=100) == 1


async def test_a_purge_reads_no_more_than_it_removes(stores: Stores, claims: Claims) -> None:
    """It finds what is old in an index, however many claims there are."""
    await granted(claims, uuid4())

    found = [line for line in await plan(stores) if "first_at<?" in line or "Index Cond: (first_at <" in line]
    assert len(found) == 1
