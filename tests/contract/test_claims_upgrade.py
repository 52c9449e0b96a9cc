"""Mailers of version 0.2.0 go on working on the table that this version completes, and both understand it."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from services.mailer.claims.claims import (
    Beginning,
    Busy,
    Claims,
    ClaimsUnavailableError,
    Granted,
    InDoubt,
    NotDue,
    Settled,
    State,
)
from tests.contract.mailer_0_2_0 import OldMailer
from tests.contract.mailers import (
    SHORT,
    Stores,
    granted,
    in_doubt,
    settle,
    settled,
    take,
)
from tests.servers.postgresql import PostgreSQL

KIND = "sendgrid"


@pytest.fixture
async def old(stores: Stores) -> OldMailer:
    """A mailer of version 0.2.0, which was there first."""
    old = OldMailer(stores.url, SHORT)
    await old.start()
    return old


async def left_by(old: OldMailer, stores: Stores, *states: str | None, wait: float | None = 0.0) -> UUID:
    """A message that the old mailer attempted so often; None is an attempt during which it died."""
    message_id = uuid4()
    for state in states:
        claim = await old.take(message_id)
        assert claim is not None
        if state is None:
            await stores.pass_time()
        else:
            assert await old.settle(message_id, claim["token"], state, wait)
    return message_id


async def test_what_the_old_version_left_is_understood(old: OldMailer, stores: Stores) -> None:
    """Its ends, its rests, and its doubts, which it counts later than this version does."""
    sent = await left_by(old, stores, "sent", wait=None)
    resting = await left_by(old, stores, "deferred", wait=2 * SHORT)
    due = await left_by(old, stores, "deferred")
    doubtful = await left_by(old, stores, "uncertain", "uncertain")
    dead = await left_by(old, stores, None)
    doubtful_before = await left_by(old, stores, "uncertain", "deferred")
    claims = Claims(stores.open())

    answers = [await take(claims, i) for i in (sent, resting, due, doubtful, dead, doubtful_before)]

    assert [Settled, NotDue, Granted, InDoubt, InDoubt, InDoubt] == list(map(type, answers))
    assert Settled(State.SENT, 1, KIND, None, None, 0) == answers[0]
    assert [(2, KIND, 2, False), (1, "", 1, True), (2, KIND, 1, False)] == [
        (answer.attempt, answer.provider, answer.doubts, answer.crashed)
        for answer in answers
        if isinstance(answer, InDoubt)
    ]


async def test_times_that_the_old_version_did_not_keep_are_taken_from_those_it_did(
    old: OldMailer, stores: Stores
) -> None:
    """A provider was asked no earlier than the first attempt; it has been quiet since the last word."""
    message_id = uuid4()
    first = await old.take(message_id)
    await stores.pass_time()
    assert first is not None
    await old.settle(message_id, first["token"], "uncertain", 0.0)

    doubt = await in_doubt(Claims(stores.open()), message_id)

    assert doubt.asked >= SHORT > doubt.quiet


async def test_the_old_version_goes_on(old: OldMailer, stores: Stores) -> None:
    """It takes and settles new messages, keeps off ours, and takes over what we deferred."""
    claims = Claims(stores.open())
    ours, due, done = uuid4(), uuid4(), uuid4()
    await granted(claims, ours)
    await settle(claims, await granted(claims, due), State.DEFERRED)
    await settle(claims, await granted(claims, done), State.SENT)

    theirs = await left_by(old, stores, "sent", wait=None)
    claim = await old.take(due)

    assert [None, None] == [await old.take(ours), await old.take(done)]
    assert claim == {"token": 2, "attempt": 2, "crashed": False, "doubts": 0}
    assert await old.settle(due, 2, "failed")
    assert [State.SENT, State.FAILED] == [(await settled(claims, i)).state for i in (theirs, due)]


async def test_the_old_version_keeps_off_a_doubt_that_is_looked_into(old: OldMailer, stores: Stores) -> None:
    """When the one who looked dies, it sees a message whose mailer died: nothing is sent blindly."""
    brief = Claims(stores.open(SHORT))
    message_id = uuid4()
    await settle(brief, await granted(brief, message_id), State.UNCERTAIN, doubts=1)
    await in_doubt(brief, message_id)

    busy = await old.take(message_id)
    await stores.pass_time()
    free = await old.take(message_id)

    assert busy is None
    assert free is not None
    assert free["crashed"]
    assert free["doubts"] > 0


async def test_an_old_mailers_death_is_noticed_after_a_look_of_ours(old: OldMailer, stores: Stores) -> None:
    """That we had begun nothing before says nothing about its attempt."""
    brief = Claims(stores.open(SHORT))
    message_id = uuid4()
    await settle(brief, await granted(brief, message_id), State.UNCERTAIN, doubts=1)
    await in_doubt(brief, message_id)
    await stores.pass_time()
    await old.take(message_id)
    await stores.pass_time()

    claim = await in_doubt(brief, message_id)

    assert (2, True) == (claim.attempt, claim.crashed)
    assert claim.quiet < SHORT
    assert claim.doubts >= 2


async def test_what_an_old_mailer_did_in_between_counts(old: OldMailer, stores: Stores) -> None:
    """The doubt that it left is counted, and the provider is quiet since then, not since our attempt."""
    claims = Claims(stores.open())
    message_id = uuid4()
    await settle(claims, await granted(claims, message_id, KIND), State.DEFERRED)
    await stores.pass_time()
    claim = await old.take(message_id)
    assert claim is not None
    await old.settle(message_id, claim["token"], "uncertain", 0.0)

    doubt = await in_doubt(claims, message_id)

    assert (2, 1, False) == (doubt.attempt, doubt.doubts, doubt.crashed)
    assert doubt.quiet < SHORT <= doubt.asked


async def test_tokens_fence_off_either_version(old: OldMailer, stores: Stores) -> None:
    """A frozen mailer cannot write any more, be it old or new."""
    brief = Claims(stores.open(SHORT))
    theirs, ours = uuid4(), uuid4()
    claim = await old.take(theirs)
    assert claim is not None
    mine = await granted(brief, ours)
    await stores.pass_time()
    await in_doubt(brief, theirs)
    await old.take(ours)

    assert not await old.settle(theirs, claim["token"], "sent")
    assert not await settle(brief, mine, State.SENT)
    assert await brief.begin(Beginning(ours, mine.token, KIND, doubts=0)) is None


async def test_mailers_that_start_at_once_complete_the_table_once(old: OldMailer, stores: Stores) -> None:
    """The others wait for the first, and find nothing to do."""
    message_id = await left_by(old, stores, "deferred")

    answers = await asyncio.gather(*(take(Claims(stores.open()), message_id) for _ in range(4)))

    assert [Granted] == [type(answer) for answer in answers if type(answer) is not Busy]


@pytest.fixture
def modest_url(postgresql: PostgreSQL, postgresql_url: str) -> str:
    """The database for a user that may read and write, but change no table."""
    postgresql.execute(
        """
        DO $$ BEGIN CREATE ROLE modest LOGIN PASSWORD 'modest'; EXCEPTION WHEN duplicate_object THEN END $$;
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        GRANT USAGE ON SCHEMA public TO modest;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO modest
        """,
        postgresql_url,
    )
    _, place = postgresql_url.split("@")
    return f"postgresql://modest:modest@{place}"


async def test_a_user_who_may_change_no_table_needs_a_complete_one(
    modest_url: str, postgresql_url: str
) -> None:
    """Somebody with more rights completes it first; until then claims are unavailable."""
    modest, owner = Stores(modest_url), Stores(postgresql_url)
    await OldMailer(postgresql_url, SHORT).start()
    claims = Claims(modest.open())

    with pytest.raises(ClaimsUnavailableError):
        await take(claims, uuid4())
    await granted(Claims(owner.open()), uuid4())

    assert (await granted(claims, uuid4())).attempt == 1

    await modest.close()
    await owner.close()
