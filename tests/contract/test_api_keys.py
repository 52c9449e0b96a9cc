"""API keys in the ledger, be it SQLite or PostgreSQL, and what a gateway remembers of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.api_keys import ApiKeys, StoredKey
from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import api_keys
from services.gateway.ledger.sessions import Sessions
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission
from services.gateway.tenants.key_use import KeyUse
from services.gateway.tenants.keyring import Keyring

A_MOMENT = timedelta(seconds=5)


class Table(ApiKeys):
    """The ledger's keys, with what the tests want to know and to do."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self.sessions = sessions
        self.asked: list[set[UUID]] = []
        self.answered = asyncio.Event()
        self.touched = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()
        self.away = False
        self.broken = False

    async def find(self, ids: Collection[UUID]) -> Mapping[UUID, StoredKey]:
        """Note the question, have it answered, and give the answer as soon as nobody holds it back."""
        self.asked.append(set(ids))
        found = await super().find(ids)
        self.answered.set()
        await self.hold.wait()
        if self.away:
            raise LedgerUnavailableError(unknown=True)
        if self.broken:
            raise ZeroDivisionError
        return found

    async def touch(self, ids: Collection[UUID]) -> None:
        """Note, and tell that it is done."""
        await super().touch(ids)
        self.touched.set()

    async def make(self, tenant: str = "default", **fields: Any) -> keys.NewKey:
        """Store a new key."""
        key = keys.generate(new_message_id())
        owner = replace(Caller(tenant, key.id, Permission.FULL), **fields)
        await self.create(owner, "a key", key.digest)
        return key

    async def row(self, key: keys.NewKey) -> Any:
        """The row of a key, revoked or not."""
        async with self.sessions.reading() as connection:
            return (await connection.execute(sa.select(api_keys).where(api_keys.c.id == key.id))).one()


@pytest.fixture
async def table(database_url: str) -> AsyncIterator[Table]:
    """The keys of an empty ledger."""
    address = LedgerAddress.parse(database_url)
    engine = open_engine(address, 5)
    writing = asyncio.Lock() if address.is_sqlite else None
    await migrate(engine)
    yield Table(Sessions(engine, writing=writing, timeout=5))
    await engine.dispose()


# The table


async def test_a_key_comes_back_as_it_was_made(table: Table) -> None:
    """Its owner's tenant, permission, domains and rate, and the hash of the key."""
    domains = frozenset({"b.example", "a.example"})
    key = await table.make("acme", permission=Permission.SENDING, domains=domains, rate=2.5)
    expected = StoredKey(Caller("acme", key.id, Permission.SENDING, domains, 2.5), key.digest)

    assert {key.id: expected} == await table.find([key.id, uuid4()])


async def test_a_key_without_limits_has_none(table: Table) -> None:
    """No domains is any domain; no rate is the gateway's."""
    key = await table.make()
    caller = (await table.find([key.id]))[key.id].caller

    assert (None, None) == (caller.domains, caller.rate)


async def test_the_ledger_does_not_hold_the_key(table: Table) -> None:
    """Whoever reads the table can use nothing of it."""
    key = await table.make()
    row = await table.row(key)

    assert key.text[26:] not in repr(row)
    assert keys.digest(key.text) == row.digest
    assert abs(row.created_at - datetime.now(UTC)) < A_MOMENT


async def test_a_page_shows_a_tenant_s_living_keys(table: Table) -> None:
    """The newest first; neither revoked ones nor those of others."""
    made = sorted([await table.make("acme") for _ in range(4)], key=lambda key: key.id)
    await table.make("other")
    await table.revoke("acme", made[1].id)
    first, more = await table.page("acme", Page(limit=2))
    second, no_more = await table.page("acme", Page(limit=2, after=made[2].id))

    assert ([made[3].id, made[2].id], True) == ([row.id for row in first], more)
    assert ([made[0].id], False) == ([row.id for row in second], no_more)


async def test_the_operator_sees_all_keys(table: Table) -> None:
    """Of one tenant or of all; revoked ones are gone from there, too."""
    made = [await table.make(tenant) for tenant in ("b", "a", "b")]
    await table.revoke("b", made[2].id)

    assert [made[1].id, made[0].id] == [row.id for row in await table.overview()]
    assert [made[0].id] == [row.id for row in await table.overview("b")]


async def test_a_key_is_renamed_by_its_tenant_alone(table: Table) -> None:
    """To everybody else it does not exist."""
    key = await table.make("acme")
    done = [await table.rename(tenant, key.id, f"by {tenant}") for tenant in ("acme", "other")]

    assert [True, False] == done
    assert "by acme" == (await table.row(key)).name


async def test_a_key_is_revoked_once_by_its_tenant_alone(table: Table) -> None:
    """Then it is found no more, and cannot be renamed; the row stays, for the record."""
    key = await table.make("acme")
    foreign = await table.revoke("other", key.id)
    found = await table.find([key.id])
    done = [await table.revoke("acme", key.id) for _ in range(2)]

    assert (False, {key.id}) == (foreign, set(found))
    assert [True, False] == done
    assert {} == await table.find([key.id])
    assert not await table.rename("acme", key.id, "x")
    assert abs((await table.row(key)).revoked_at - datetime.now(UTC)) < A_MOMENT


async def test_a_permission_of_a_newer_gateway_is_no_permission(table: Table) -> None:
    """What this version cannot judge it refuses."""
    key = await table.make()
    async with table.sessions.writing() as connection:
        await connection.execute(sa.update(api_keys).values(permission="billing_access"))

    assert {} == await table.find([key.id])


async def test_use_is_noted_for_many_at_once(table: Table) -> None:
    """By the ledger's clock, and only for those that were used."""
    used, other = [await table.make() for _ in range(3)], await table.make()
    await table.touch([key.id for key in used])
    moments = [(await table.row(key)).last_used_at for key in used]

    assert all(abs(moment - datetime.now(UTC)) < A_MOMENT for moment in moments)
    assert (await table.row(other)).last_used_at is None


async def test_notes_of_two_gateways_do_not_deadlock(table: Table) -> None:
    """Whichever order they come in."""
    ids = [(await table.make()).id for _ in range(50)]

    await asyncio.gather(*(table.touch(ids[::direction]) for direction in (1, -1) * 10))


# The keyring


async def test_a_key_is_looked_up_once(table: Table) -> None:
    """However often it is used in the time that it may be believed."""
    key = await table.make("acme")
    keyring = Keyring(table, max_age=60)
    callers = {await keyring.identify(key.text) for _ in range(20)}

    assert ["acme"] == [caller.tenant for caller in callers if caller]
    assert [{key.id}] == table.asked


async def test_concurrent_look_ups_share_a_query(table: Table) -> None:
    """Of the same key, and all others that are asked for meanwhile share the next one."""
    made = [await table.make() for _ in range(5)]
    keyring = Keyring(table, max_age=60)
    table.hold.clear()
    first = [asyncio.create_task(keyring.identify(made[0].text)) for _ in range(10)]
    await asyncio.sleep(0.1)
    rest = [asyncio.create_task(keyring.identify(key.text)) for key in made * 10]
    await asyncio.sleep(0.1)
    table.hold.set()
    found = {caller.key_id for caller in await asyncio.gather(*first, *rest) if caller}

    assert {key.id for key in made} == found
    assert [{made[0].id}, {key.id for key in made[1:]}] == table.asked


async def test_a_caller_who_goes_away_does_not_take_the_others_along(table: Table) -> None:
    """Who wait for the same answer."""
    key = await table.make()
    keyring = Keyring(table, max_age=60)
    table.hold.clear()
    gone, waiting = (asyncio.create_task(keyring.identify(key.text)) for _ in range(2))
    await asyncio.sleep(0.05)
    gone.cancel()
    table.hold.set()

    assert await waiting is not None


async def test_what_is_known_grows_old(table: Table) -> None:
    """Then it is asked for anew; so a key revoked elsewhere is refused."""
    key = await table.make()
    keyring = Keyring(table, max_age=60.0)
    before = await keyring.identify(key.text)
    await table.revoke("default", key.id)
    believed = await keyring.identify(key.text)
    keyring._known = {digest: (until - 60.0, known) for digest, (until, known) in keyring._known.items()}

    assert before == believed is not None
    assert await keyring.identify(key.text) is None


async def test_an_age_of_nothing_is_allowed(table: Table) -> None:
    """Then every request that does not wait with another one is a query."""
    key = await table.make()
    keyring = Keyring(table, max_age=0)
    callers = [await keyring.identify(key.text) for _ in range(3)]

    assert all(callers)
    assert 3 == len(table.asked)


async def test_a_key_revoked_here_is_refused_at_once(table: Table) -> None:
    """However young what is known of it."""
    key, other = await table.make(), await table.make()
    keyring = Keyring(table, max_age=60)
    before = [await keyring.identify(k.text) for k in (key, other)]
    await table.revoke("default", key.id)
    keyring.forget(key.id)

    assert all(before)
    assert await keyring.identify(key.text) is None
    assert before[1] == await keyring.identify(other.text)
    assert 3 == len(table.asked)


async def test_an_answer_from_before_the_revocation_does_not_count(table: Table) -> None:
    """Though it arrives after it."""
    key = await table.make()
    keyring = Keyring(table, max_age=60)
    table.hold.clear()
    late = asyncio.create_task(keyring.identify(key.text))
    await table.answered.wait()
    await table.revoke("default", key.id)
    keyring.forget(key.id)
    table.hold.set()

    assert await late is None
    assert await keyring.identify(key.text) is None


async def test_a_key_with_the_wrong_secret_is_nobody_s(table: Table) -> None:
    """Though its row is there, and known."""
    key = await table.make()
    keyring = Keyring(table, max_age=60)
    before = await keyring.identify(key.text)
    forged = [await keyring.identify(keys.generate(key.id).text) for _ in range(3)]

    assert before is not None
    assert [None] * 3 == forged
    assert before == await keyring.identify(key.text)


async def test_what_cannot_be_a_key_asks_nobody(table: Table) -> None:
    """A typing error costs no query."""
    key = await table.make()
    keyring = Keyring(table, max_age=60)
    answers = [await keyring.identify(text) for text in ("None", key.text[:-1], key.text.swapcase())]

    assert [None] * 3 == answers
    assert [] == table.asked


async def test_invented_keys_do_not_fill_the_memory(table: Table) -> None:
    """Of real ones the youngest are kept, of others nothing."""
    made = [await table.make() for _ in range(5)]
    keyring = Keyring(table, max_age=60, capacity=3)
    for key in made:
        await keyring.identify(key.text)
        await keyring.identify(keys.generate(new_message_id()).text)
    table.asked.clear()
    for key in made[2:]:
        await keyring.identify(key.text)

    assert [] == table.asked
    assert (3, 0) == (len(keyring._known), len(keyring._wanted))


async def test_without_the_ledger_all_who_wait_are_told(table: Table) -> None:
    """Also those who came later; and afterwards it works again."""
    made = [await table.make() for _ in range(2)]
    keyring = Keyring(table, max_age=60)
    table.hold.clear()
    table.away = True
    waiting = [asyncio.create_task(keyring.identify(made[0].text))]
    await asyncio.sleep(0.05)
    waiting.append(asyncio.create_task(keyring.identify(made[1].text)))
    await asyncio.sleep(0.05)
    table.hold.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    table.away = False

    assert [LedgerUnavailableError] * 2 == [type(answer) for answer in answers]
    assert 1 == len(table.asked)
    assert await keyring.identify(made[1].text) is not None


async def test_a_bug_leaves_nobody_waiting(table: Table) -> None:
    """The callers get an answer, and the next ones are looked up again."""
    key = await table.make()
    keyring = Keyring(table, max_age=60)
    table.broken = True
    with pytest.raises(LedgerUnavailableError):
        await asyncio.wait_for(keyring.identify(key.text), 5)
    table.broken = False

    assert await keyring.identify(key.text) is not None


# Use


async def test_use_is_noted_in_the_background(table: Table) -> None:
    """Once for all uses since the last note, and what is left on closing."""
    first, second = await table.make(), await table.make()
    keyring = Keyring(table, max_age=60)
    use = KeyUse(keyring, table, interval=0.05)
    use.start()
    await keyring.identify(first.text)
    await asyncio.wait_for(table.touched.wait(), 5)
    noted, unused = [(await table.row(key)).last_used_at for key in (first, second)]
    await keyring.identify(second.text)
    await use.close()

    assert noted is not None
    assert unused is None
    assert (await table.row(second)).last_used_at is not None
    assert set() == keyring.used


async def test_a_note_that_fails_is_made_the_next_time(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that is away loses nothing."""
    key = await table.make()
    keyring = Keyring(table, max_age=60)
    await keyring.identify(key.text)
    use = KeyUse(keyring, table, interval=0.05)
    failed = asyncio.Event()

    async def fail(_: object) -> None:
        failed.set()
        raise LedgerUnavailableError(unknown=False)

    with monkeypatch.context() as outage:
        outage.setattr(table, "touch", fail)
        use.start()
        await asyncio.wait_for(failed.wait(), 5)
    await use.close()

    assert (await table.row(key)).last_used_at is not None
