"""What the mailer may rely on in its claims, be they kept in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from services.mailer.claims.claims import (
    Busy,
    Claim,
    Claims,
    ClaimsStore,
    ClaimsUnavailableError,
    Granted,
    NotDue,
    Settled,
    Settlement,
    State,
)
from services.mailer.claims.postgresql import PostgresqlClaims
from services.mailer.claims.sqlite import SqliteClaims
from tests.servers.postgresql import PostgreSQL
from tests.servers.server import free_port

LEASE = 30.0
SHORT = 0.3
FINAL = (State.SENT, State.FAILED, State.SUPPRESSED, State.EXPIRED, State.HELD)

Open = Callable[[float], ClaimsStore]


class CountingStore:
    """Passes everything on to a real store, and remembers the sizes of the batches."""

    def __init__(self, store: ClaimsStore) -> None:
        self._store = store
        self.takes: list[int] = []
        self.settles: list[int] = []

    async def take(self, ids: Sequence[UUID]) -> list[Claim]:
        self.takes.append(len(ids))
        return await self._store.take(ids)

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        self.settles.append(len(settlements))
        return await self._store.settle(settlements)


class Stores:
    """Opens any number of stores on one database, as several mailers do."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._stores: list[SqliteClaims | PostgresqlClaims] = []

    def open(self, lease: float = LEASE) -> ClaimsStore:
        """Connect as the mailer's composition root does."""
        store: SqliteClaims | PostgresqlClaims = (
            PostgresqlClaims(self.url, lease=lease)
            if self.url.startswith("postgresql")
            else SqliteClaims(self.url.removeprefix("sqlite:///"), lease=lease)
        )
        self._stores.append(store)
        return store

    async def mailers(self, count: int) -> list[Claims]:
        """Several mailers that are at work already."""
        mailers = [Claims(self.open()) for _ in range(count)]
        for claims in mailers:
            await granted(claims, uuid4())
        return mailers

    async def close(self) -> None:
        """Let go of what a mailer keeps until its process ends."""
        while self._stores:
            store = self._stores.pop()
            if isinstance(store, PostgresqlClaims):
                if store._connection is not None:
                    store._connection.terminate()
            else:
                if store._connection is not None:
                    await asyncio.wrap_future(store._thread.submit(store._connection.close))
                store._thread.shutdown()


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[Stores]:
    """A database for claims; its table is made at first use."""
    stores = Stores(database_url)
    yield stores
    await stores.close()


@pytest.fixture
def claims(stores: Stores) -> Claims:
    """One mailer's claims."""
    return Claims(stores.open())


@pytest.fixture
def brief(stores: Stores) -> Claims:
    """A mailer's claims whose leases end soon."""
    return Claims(stores.open(SHORT))


async def granted(claims: Claims, message_id: UUID) -> Granted:
    """Take a claim that must be granted."""
    claim = await claims.take(message_id)
    assert isinstance(claim, Granted), claim
    return claim


async def busy(claims: Claims, message_id: UUID) -> Busy:
    """Take a claim that must not be granted yet."""
    claim = await claims.take(message_id)
    assert isinstance(claim, Busy), claim
    return claim


async def pass_time(seconds: float = SHORT) -> None:
    """Wait a little longer than so many seconds of the database's time."""
    await asyncio.sleep(seconds + 0.05)


async def test_the_first_claim_is_granted(claims: Claims) -> None:
    """Nobody has tried the message before."""
    message_id = uuid4()

    claim = await granted(claims, message_id)

    assert Granted(message_id, token=1, attempt=1, crashed=False, age=claim.age) == claim
    assert 0 <= claim.age < 1


async def test_each_message_has_its_own_claim(claims: Claims) -> None:
    """One message's claim keeps nobody from another one."""
    for _ in range(3):
        assert (await granted(claims, uuid4())).attempt == 1


async def test_a_claimed_message_is_busy(stores: Stores, claims: Claims) -> None:
    """For this mailer and for any other, no longer than the lease; it does not merely rest."""
    message_id = uuid4()
    await granted(claims, message_id)

    answers = [await busy(taker, message_id) for taker in (claims, Claims(stores.open()))]

    assert {Busy} == set(map(type, answers))
    assert all(LEASE - 5 < answer.wait <= LEASE for answer in answers)


async def test_a_dead_mailers_message_comes_free_by_itself(brief: Claims) -> None:
    """After its lease, with a new token, and with the word that the attempt before did not end."""
    message_id = uuid4()
    first = await granted(brief, message_id)
    await pass_time()

    second = await granted(brief, message_id)

    assert (True, first.token + 1, 2) == (second.crashed, second.token, second.attempt)
    assert SHORT <= second.age < SHORT + 5


async def test_a_new_claim_has_a_whole_lease(brief: Claims) -> None:
    """The second attempt is protected like the first."""
    message_id = uuid4()
    await granted(brief, message_id)
    await pass_time()
    await granted(brief, message_id)

    assert 0 < (await busy(brief, message_id)).wait <= SHORT


@pytest.mark.parametrize("state", [State.DEFERRED, State.UNCERTAIN])
async def test_a_message_rests_until_its_next_attempt(claims: Claims, state: State) -> None:
    """However often it is asked for meanwhile; then it is granted, and nothing has crashed."""
    message_id = uuid4()
    first = await granted(claims, message_id)

    assert await claims.settle(Settlement(message_id, first.token, state, SHORT, reason="HTTP 503"))

    rest = await busy(claims, message_id)
    await pass_time()
    second = await granted(claims, message_id)

    assert isinstance(rest, NotDue)
    assert 0 < rest.wait <= SHORT
    assert (False, 2, 2) == (second.crashed, second.token, second.attempt)


async def test_a_message_may_come_again_at_once(claims: Claims) -> None:
    """A wait of nothing is over when it begins."""
    message_id = uuid4()
    first = await granted(claims, message_id)
    await claims.settle(Settlement(message_id, first.token, State.DEFERRED, 0.0))

    assert not (await granted(claims, message_id)).crashed


@pytest.mark.parametrize("state", FINAL)
async def test_the_end_is_told_as_it_was_written(claims: Claims, state: State) -> None:
    """To whoever asks, however often."""
    message_id = uuid4()
    claim = await granted(claims, message_id)
    await claims.settle(
        Settlement(
            message_id,
            claim.token,
            state,
            provider="sendgrid",
            provider_message_id="14c5d75ce93",
            reason="spät",
        )
    )
    expected = Settled(state, 1, "sendgrid", "14c5d75ce93", "spät")

    for _ in range(2):
        assert expected == await claims.take(message_id)


async def test_details_are_optional(claims: Claims) -> None:
    """What was not said is not told."""
    message_id = uuid4()
    claim = await granted(claims, message_id)
    await claims.settle(Settlement(message_id, claim.token, State.EXPIRED))

    assert Settled(State.EXPIRED, 1, None, None, None) == await claims.take(message_id)


async def test_a_frozen_mailer_cannot_write_any_more(brief: Claims) -> None:
    """Once somebody else has the claim, the old token is worth nothing."""
    message_id = uuid4()
    old = await granted(brief, message_id)
    await pass_time()
    new = await granted(brief, message_id)

    assert not await brief.settle(Settlement(message_id, old.token, State.SENT, provider="old"))
    assert await brief.settle(Settlement(message_id, new.token, State.FAILED, provider="new"))
    assert not await brief.settle(Settlement(message_id, old.token, State.SENT, provider="old"))
    assert Settled(State.FAILED, 2, "new", None, None) == await brief.take(message_id)


async def test_a_frozen_attempt_is_fenced_off_in_the_same_batch_too(brief: Claims) -> None:
    """Both attempts may be in one mailer, and end at the same moment."""
    message_id, other = uuid4(), uuid4()
    old = await granted(brief, message_id)
    await pass_time()
    new = await granted(brief, message_id)
    another = await granted(brief, other)
    settlements = [
        Settlement(other, another.token, State.SENT),
        Settlement(message_id, old.token, State.SENT, provider="old"),
        Settlement(message_id, new.token, State.FAILED, provider="new"),
    ]
    expected = [True, False, True]

    assert expected == await asyncio.gather(*map(brief.settle, settlements))
    assert Settled(State.FAILED, 2, "new", None, None) == await brief.take(message_id)


async def test_a_late_outcome_counts_while_nobody_else_has_the_claim(brief: Claims) -> None:
    """A lease that has ended is not lost before it is taken."""
    message_id = uuid4()
    claim = await granted(brief, message_id)
    await pass_time()

    assert await brief.settle(Settlement(message_id, claim.token, State.SENT))
    assert isinstance(await brief.take(message_id), Settled)


async def test_a_message_without_a_claim_cannot_be_settled(claims: Claims) -> None:
    """Nothing is written for it, and it is still free."""
    message_id = uuid4()

    assert not await claims.settle(Settlement(message_id, 1, State.SENT))
    assert (await granted(claims, message_id)).attempt == 1


async def test_only_one_of_many_gets_the_message(stores: Stores) -> None:
    """Fifty deliveries of one message to two mailers at the same moment."""
    message_id = uuid4()
    mailers = await stores.mailers(2)

    answers = await asyncio.gather(*(mailer.take(message_id) for mailer in mailers for _ in range(25)))

    assert len([answer for answer in answers if isinstance(answer, Granted)]) == 1
    assert len([answer for answer in answers if isinstance(answer, Busy)]) == 49


async def test_mailers_with_many_messages_do_not_stand_in_each_others_way(stores: Stores) -> None:
    """Two mailers claim the same hundred messages, one backwards: each message is granted once."""
    ids = [uuid4() for _ in range(100)]
    mailers = await stores.mailers(2)
    orders = [ids, ids[::-1]]

    answers = await asyncio.gather(
        *(mailer.take(i) for mailer, order in zip(mailers, orders, strict=True) for i in order)
    )

    assert sorted(ids) == sorted(answer.message_id for answer in answers if isinstance(answer, Granted))


async def test_a_doubled_message_in_a_batch_is_granted_once(claims: Claims) -> None:
    """The second copy finds the first one busy; the others are none the wiser."""
    doubled, other = uuid4(), uuid4()
    expected = [Granted, Busy, Granted, Busy]

    answers = await asyncio.gather(*map(claims.take, [doubled, doubled, other, doubled]))

    assert expected == list(map(type, answers))


async def test_answers_come_in_the_order_of_the_questions(claims: Claims) -> None:
    """Whatever the database makes of it: each caller gets the claim that it asked for."""
    ids = [uuid4() for _ in range(50)]
    for message_id in ids[::2]:
        claim = await granted(claims, message_id)
        await claims.settle(
            Settlement(message_id, claim.token, State.SENT, provider_message_id=message_id.hex)
        )
    expected = [
        Settled(State.SENT, 1, None, message_id.hex, None) if place % 2 == 0 else message_id
        for place, message_id in enumerate(ids)
    ]

    answers = await asyncio.gather(*map(claims.take, ids))

    assert expected == [answer.message_id if isinstance(answer, Granted) else answer for answer in answers]


async def test_concurrent_attempts_share_commits(stores: Stores) -> None:
    """A hundred claims at the same moment cost a handful of transactions, and so do their outcomes."""
    store = CountingStore(stores.open())
    claims = Claims(store)
    taken = await asyncio.gather(*(granted(claims, uuid4()) for _ in range(100)))
    written = await asyncio.gather(
        *(claims.settle(Settlement(claim.message_id, claim.token, State.SENT)) for claim in taken)
    )

    assert all(written)
    assert len(store.takes) < 10
    assert len(store.settles) < 10
    assert [100, 100] == list(map(sum, (store.takes, store.settles)))


async def test_claims_survive_the_mailer(stores: Stores) -> None:
    """A mailer that starts anew knows what the one before it did."""
    message_id = uuid4()
    claim = await granted(before := Claims(stores.open()), message_id)
    await before.settle(Settlement(message_id, claim.token, State.SENT))
    await stores.close()

    assert isinstance(await Claims(stores.open()).take(message_id), Settled)


async def test_doubts_are_counted(brief: Claims) -> None:
    """Attempts that crashed or ended in doubt, but not those that certainly did not send."""
    message_id = uuid4()
    doubts = []
    for state in (None, State.DEFERRED, State.UNCERTAIN, None, State.DEFERRED, None):
        claim = await granted(brief, message_id)
        doubts.append(claim.doubts)
        if state is None:
            await pass_time()
        else:
            await brief.settle(Settlement(message_id, claim.token, state, 0.0))
    expected = [0, 1, 1, 2, 3, 3]

    assert expected == doubts


# Availability


@pytest.fixture(params=["sqlite", "postgresql"])
def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """Claims that cannot be reached."""
    if request.param == "postgresql":
        yield Stores(f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/nowhere")
    else:
        yield Stores(f"sqlite:///{tmp_path}")  # a folder


async def test_unreachable_claims_are_unavailable(nowhere: Stores) -> None:
    """Everybody who asks is told, and nothing may be sent."""
    claims = Claims(nowhere.open())
    takes = [claims.take(uuid4()) for _ in range(3)]
    settles = [claims.settle(Settlement(uuid4(), 1, State.SENT)) for _ in range(3)]

    answers = await asyncio.gather(*takes, *settles, return_exceptions=True)
    await nowhere.close()

    assert {ClaimsUnavailableError} == set(map(type, answers))


async def test_claims_are_used_again_once_they_are_back(tmp_path: Path) -> None:
    """A folder that appears late is as good as one that was always there."""
    place = tmp_path / "claims"
    place.write_text("in the way")
    stores = Stores(f"sqlite:///{place}/claims.sqlite3")
    claims = Claims(stores.open())
    with pytest.raises(ClaimsUnavailableError):
        await claims.take(uuid4())

    place.unlink()

    assert (await granted(claims, uuid4())).attempt == 1

    await stores.close()


async def test_two_mailers_may_open_new_claims_at_once(tmp_path: Path) -> None:
    """One of them waits until the other has made the table."""
    stores = Stores(f"sqlite:///{tmp_path}/claims.sqlite3")
    other = sqlite3.connect(tmp_path / "claims.sqlite3", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    soon = threading.Timer(0.3, other.rollback)
    soon.start()

    try:
        assert (await granted(Claims(stores.open()), uuid4())).attempt == 1
    finally:
        soon.join()
        other.close()
        await stores.close()


async def test_locked_claims_are_unavailable_until_they_are_free(tmp_path: Path) -> None:
    """Another process writes for too long: then nothing was claimed."""
    message_id = uuid4()
    stores = Stores(f"sqlite:///{tmp_path}/claims.sqlite3")
    claims = Claims(stores.open())
    await granted(claims, uuid4())
    locker = sqlite3.connect(tmp_path / "claims.sqlite3")
    locker.execute("BEGIN EXCLUSIVE")

    with pytest.raises(ClaimsUnavailableError):
        await claims.take(message_id)

    locker.rollback()
    locker.close()

    assert (await granted(claims, message_id)).attempt == 1

    await stores.close()


async def test_a_restarted_postgresql_is_used_again(postgresql: PostgreSQL, postgresql_url: str) -> None:
    """Without it nothing may be sent; with it everything goes on, and nothing is forgotten."""
    message_id = uuid4()
    stores = Stores(postgresql_url)
    claims = Claims(stores.open())
    claim = await granted(claims, message_id)
    await asyncio.to_thread(postgresql.stop)
    with pytest.raises(ClaimsUnavailableError):
        await claims.take(message_id)
    with pytest.raises(ClaimsUnavailableError):
        await claims.settle(Settlement(message_id, claim.token, State.SENT))
    await asyncio.to_thread(postgresql.start)

    assert await claims.settle(Settlement(message_id, claim.token, State.SENT))
    assert isinstance(await claims.take(message_id), Settled)

    await stores.close()


async def test_a_frozen_postgresql_is_unavailable_in_time(
    postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """Sooner than the lease ends."""
    stores = Stores(postgresql_url)
    claims = Claims(stores.open())
    await granted(claims, uuid4())
    postgresql.freeze()
    async with asyncio.timeout(15):
        with pytest.raises(ClaimsUnavailableError):
            await claims.take(uuid4())
    postgresql.thaw()

    assert (await granted(claims, uuid4())).attempt == 1

    await stores.close()
