"""What one attempt does, and in which order, whatever the provider makes of it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.mailer.backoff import Backoff
from services.mailer.claims.claims import (
    Claim,
    Claims,
    ClaimsUnavailableError,
    Granted,
    Settled,
    Settlement,
    State,
)
from services.mailer.claims.sqlite import SqliteClaims
from services.mailer.delivery import (
    Delivery,
    NoAnswerError,
    NotSentError,
    Patience,
    UnreportedError,
)
from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Redundant,
    Rejected,
    Suppressed,
    Unauthorised,
    Uncertain,
)
from services.mailer.providers.base import Request, Response, UnsupportedError
from shared.signatures import Address, OnUncertain, RecordEvent, SendEmail

LEASE = 30.0
SHORT = 0.2
CAP = 60.0
HORIZON = 3600.0
PAUSE = 77.0

Answer = Callable[[], Response]


@dataclass
class Provider:
    """Says what it is told to say."""

    outcome: Outcome = field(default_factory=lambda: Accepted("theirs"))
    refuses: Exception | None = None
    name: str = "postbox"

    def build(self, message: SendEmail) -> Request:
        """Build a request without a place to go."""
        if self.refuses is not None:
            raise self.refuses
        return Request("https://postbox.example/send", message.subject.encode())

    def read(self, response: Response) -> Outcome:
        """Say what the answer means."""
        assert response.status == 202
        return self.outcome


@dataclass
class World:
    """Everything around a delivery, and a diary of what happened in it."""

    path: Path
    provider: Provider = field(default_factory=Provider)
    diary: list[str] = field(default_factory=list)
    events: list[RecordEvent] = field(default_factory=list)
    mentioned: list[RecordEvent] = field(default_factory=list)
    during: Callable[[], Any] | None = None
    unreported: bool = False

    async def take(self, ids: Sequence[UUID]) -> list[Claim]:
        """Be the claims' store, and note it down."""
        self.diary.append("claim")
        return await self._store.take(ids)

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Be the claims' store, and note it down."""
        self.diary.append("settle")
        return await self._store.settle(settlements)

    async def perform(self, _: Request) -> Response:
        """Be the transport."""
        self.diary.append("request")
        if self.during is not None:
            happened = self.during()
            if asyncio.iscoroutine(happened):
                await happened
        return Response(202)

    async def report(self, event: RecordEvent) -> None:
        """Be the reporter that is waited for."""
        self.diary.append(f"report {event.event}")
        if self.unreported:
            raise UnreportedError
        self.events.append(event)

    def mention(self, event: RecordEvent) -> None:
        """Be the reporter that nobody waits for."""
        self.diary.append(f"mention {event.event}")
        self.mentioned.append(event)

    def delivery(self, lease: float = LEASE, horizon: float = HORIZON, resend_limit: int = 5) -> Delivery:
        """A mailer in this world."""
        self._store = SqliteClaims(str(self.path), lease=lease)
        self._stores.append(self._store)
        patience = Patience(Backoff(5.0, CAP), horizon, PAUSE, lease, resend_limit)
        return Delivery(
            provider=self.provider, claims=Claims(self), transport=self, reporter=self, patience=patience
        )

    async def crash(self, message: SendEmail) -> None:
        """Begin an attempt, die, and let the lease end."""
        assert isinstance((await SqliteClaims.take(self._quick(), [message.message_id]))[0], Granted)
        await asyncio.sleep(SHORT + 0.05)

    def hurry(self) -> None:
        """Let the time of every next attempt come now."""
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("UPDATE claims SET free_at = 0 WHERE free_at > 0")
            database.commit()

    async def claim(self, message: SendEmail) -> Claim:
        """What the claims say of a message now."""
        (claim,) = await self._quick().take([message.message_id])
        return claim

    def _quick(self) -> SqliteClaims:
        store = SqliteClaims(str(self.path), lease=SHORT)
        self._stores.append(store)
        return store

    async def close(self) -> None:
        """Let go of all connections."""
        for store in self._stores:
            if store._connection is not None:
                await asyncio.wrap_future(store._thread.submit(store._connection.close))
            store._thread.shutdown()

    _stores: list[SqliteClaims] = field(default_factory=list)
    _store: SqliteClaims = field(init=False)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world with claims of its own."""
    world = World(tmp_path / "claims.sqlite3")
    yield world
    await world.close()


def email(**fields: Any) -> SendEmail:
    """A message."""
    return SendEmail(
        message_id=uuid4(),
        sender=Address(email="letters@example.com"),
        to=(Address(email="ann@example.org"),),
        subject="Hi",
        text="Hello",
        **fields,
    )


def words(world: World) -> list[tuple[str, int]]:
    """What was reported: event and attempt."""
    return [(event.event, event.attempt) for event in world.events]


def raising(error: Exception) -> Callable[[], None]:
    """Something that goes wrong."""

    def go_wrong() -> None:
        raise error

    return go_wrong


# Ends


async def test_nothing_leaves_without_a_claim_and_nothing_is_told_before_it_is_kept(world: World) -> None:
    """Claim, begin, ask, write down, report: in this order."""
    expected = ["claim", "mention sending", "request", "settle", "report sent"]

    await world.delivery().attempt(email())

    assert expected == world.diary


@pytest.mark.parametrize(
    ("outcome", "state", "event"),
    [
        (Accepted("theirs"), State.SENT, "sent"),
        (Accepted(None), State.SENT, "sent"),
        (Rejected("HTTP 400"), State.FAILED, "failed"),
        (Suppressed("on the list"), State.SUPPRESSED, "suppressed"),
    ],
)
async def test_an_end_is_kept_reported_and_returned(
    world: World, outcome: Outcome, state: State, event: str
) -> None:
    """Once, with the provider's name and its id or its reason."""
    theirs = outcome.provider_message_id if isinstance(outcome, Accepted) else None
    reason = None if isinstance(outcome, Accepted) else getattr(outcome, "reason", None)
    world.provider.outcome = outcome
    message = email()

    returned = await world.delivery().attempt(message)
    (reported,) = world.events

    assert outcome == returned
    assert Settled(state, 1, "postbox", theirs, reason) == await world.claim(message)
    assert (event, 1, "postbox", theirs, reason, None) == (
        reported.event,
        reported.attempt,
        reported.provider,
        reported.provider_message_id,
        reported.reason,
        reported.retry_at,
    )


async def test_what_the_provider_cannot_carry_has_failed(world: World) -> None:
    """Nothing is sent, and nothing is dropped silently."""
    world.provider.refuses = UnsupportedError("inline images")
    message = email()

    outcome = await world.delivery().attempt(message)

    assert isinstance(outcome, Rejected)
    assert "inline images" in outcome.reason
    assert "request" not in world.diary
    assert Settled(State.FAILED, 1, "postbox", None, outcome.reason) == await world.claim(message)


# Another attempt follows


@pytest.mark.parametrize("hint", [3.0, 120.0, 900.0])
async def test_the_providers_hint_is_followed(world: World, hint: float) -> None:
    """Exactly, also beyond our own cap: it knows best when it wants to hear of us."""
    world.provider.outcome = Deferred("HTTP 429", hint)
    message = email()
    outcome = await world.delivery().attempt(message)
    (reported,) = world.events

    assert Deferred("HTTP 429", hint) == outcome
    assert ("deferred", 1, "HTTP 429") == (reported.event, reported.attempt, reported.reason)
    assert reported.at + timedelta(seconds=hint) == reported.retry_at
    assert hint - 5 < getattr(await world.claim(message), "wait", 0) <= hint


async def test_a_hint_of_nothing_is_a_second(world: World) -> None:
    """At once would be impolite."""
    world.provider.outcome = Deferred("HTTP 429", 0.0)

    assert Deferred("HTTP 429", 1.0) == await world.delivery().attempt(email())


async def test_without_a_hint_the_backoff_decides(world: World) -> None:
    """Longer with each attempt, up to the cap."""
    world.provider.outcome = Deferred("HTTP 503")

    outcome = await world.delivery().attempt(email())

    assert isinstance(outcome, Deferred)
    assert 1.0 <= (outcome.retry_after or 0.0) <= 5.0


async def test_a_broken_account_pauses_its_messages(world: World) -> None:
    """Somebody has to repair the key; the message is not to blame."""
    world.provider.outcome = Unauthorised("HTTP 401")
    expected = [("deferred", 1)]

    assert Deferred("HTTP 401", PAUSE) == await world.delivery().attempt(email())
    assert expected == words(world)


async def test_what_certainly_did_not_leave_is_deferred(world: World) -> None:
    """A refused connection cannot have sent anything, whatever the message says about doubts."""
    world.during = raising(NotSentError("ClientConnectorError"))
    message = email(on_uncertain=OnUncertain.HOLD)
    expected = [("deferred", 1)]

    outcome = await world.delivery().attempt(message)

    assert isinstance(outcome, Deferred)
    assert "ClientConnectorError" in outcome.reason
    assert expected == words(world)


# Nobody knows


@pytest.mark.parametrize("cause", ["no answer", "an answer that says nothing", "a bug"])
async def test_a_doubtful_message_is_sent_again(world: World, cause: str) -> None:
    """At least once: that is the default."""
    if cause == "no answer":
        world.during = raising(NoAnswerError("ServerDisconnectedError"))
    elif cause == "a bug":
        world.during = raising(KeyError("surprise"))
    else:
        world.provider.outcome = Uncertain("HTTP 502")
    message = email()
    expected = [("uncertain", 1)]

    outcome = await world.delivery().attempt(message)
    (reported,) = world.events

    assert isinstance(outcome, Deferred)
    assert 1.0 <= (outcome.retry_after or 0.0) <= 5.0
    assert expected == words(world)
    assert reported.retry_at is not None


@pytest.mark.parametrize("cause", ["no answer", "an answer that says nothing", "a bug"])
async def test_a_doubtful_message_may_be_held(world: World, cause: str) -> None:
    """At most once: a human decides, and until then nobody sends it again."""
    if cause == "no answer":
        world.during = raising(NoAnswerError("ServerDisconnectedError"))
    elif cause == "a bug":
        world.during = raising(KeyError("surprise"))
    else:
        world.provider.outcome = Uncertain("HTTP 502")
    message = email(on_uncertain=OnUncertain.HOLD)
    delivery = world.delivery()

    outcome = await delivery.attempt(message)
    await delivery.attempt(message)
    claim = await world.claim(message)
    expected = [("uncertain", 1), ("uncertain", 1)]

    assert isinstance(outcome, Uncertain)
    assert isinstance(claim, Settled)
    assert State.HELD == claim.state
    assert expected == words(world)
    assert world.events[0].retry_at is None
    assert world.diary.count("request") == 1


async def test_a_crashed_attempt_is_told_and_the_message_sent_again(world: World) -> None:
    """The first attempt is uncertain for ever; the second one counts as the second."""
    message = email()
    delivery = world.delivery()
    await world.crash(message)

    assert Accepted("theirs") == await delivery.attempt(message)
    assert [("uncertain", 1), ("sending", 2)] == [(event.event, event.attempt) for event in world.mentioned]
    assert [("sent", 2)] == words(world)
    assert Settled(State.SENT, 2, "postbox", "theirs", None) == await world.claim(message)


async def test_a_crashed_attempt_of_a_message_to_be_held_is_the_last(world: World) -> None:
    """It may have sent, so nobody sends again."""
    message = email(on_uncertain=OnUncertain.HOLD)
    delivery = world.delivery()
    await world.crash(message)

    outcome = await delivery.attempt(message)
    claim = await world.claim(message)

    assert isinstance(outcome, Uncertain)
    assert isinstance(claim, Settled)
    assert State.HELD == claim.state
    assert "request" not in world.diary
    assert {"uncertain"} == {event.event for event in world.events}


async def test_a_bug_before_anything_left_is_no_crashed_attempt(world: World) -> None:
    """The next attempt need not wait for the lease, and nothing is in doubt."""
    world.provider.refuses = ZeroDivisionError("bug")
    message = email(on_uncertain=OnUncertain.HOLD)
    delivery = world.delivery()
    with pytest.raises(ZeroDivisionError):
        await delivery.attempt(message)

    world.provider.refuses = None
    expected = [("sent", 2)]

    assert Accepted("theirs") == await delivery.attempt(message)
    assert expected == words(world)


# Giving up


async def test_an_expired_message_is_not_sent(world: World) -> None:
    """Nobody wants the code of yesterday."""
    message = email(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    expected = [("expired", 1)]

    assert Rejected("expired") == await world.delivery().attempt(message)
    assert expected == words(world)
    assert "request" not in world.diary
    assert Settled(State.EXPIRED, 1, None, None, "expired") == await world.claim(message)


async def test_a_message_that_expires_later_is_sent(world: World) -> None:
    """Until then it is a message like any other."""
    message = email(expires_at=datetime.now(UTC) + timedelta(minutes=1))

    assert Accepted("theirs") == await world.delivery().attempt(message)


@pytest.mark.parametrize("outcome", [Deferred("HTTP 503"), Uncertain("HTTP 502"), Unauthorised("HTTP 401")])
async def test_a_message_is_given_up_after_the_horizon(world: World, outcome: Outcome) -> None:
    """When its next attempt would come too late; the last reason is told."""
    world.provider.outcome = outcome
    message = email()

    returned = await world.delivery(horizon=0.5).attempt(message)
    expected = [("failed", 1)]

    assert isinstance(returned, Rejected)
    assert "given_up" in returned.reason
    assert "HTTP" in returned.reason
    assert expected == words(world)
    assert Settled(State.FAILED, 1, "postbox", None, returned.reason) == await world.claim(message)


async def test_the_horizon_counts_from_the_first_attempt(world: World) -> None:
    """Not from the newest one."""
    world.provider.outcome = Deferred("HTTP 503", 1.0)
    message = email()
    delivery = world.delivery(horizon=1.5)
    first = await delivery.attempt(message)
    await asyncio.sleep(1.05)
    second = await delivery.attempt(message)
    expected = [("deferred", 1), ("failed", 2)]

    assert [Deferred, Rejected] == [type(first), type(second)]
    assert expected == words(world)


# Others


async def test_a_busy_message_comes_back_later(world: World) -> None:
    """Another attempt is under way: not a word is said, nothing is sent."""
    message = email()
    delivery = world.delivery()
    world.during = lambda: asyncio.sleep(0.1)
    first = asyncio.create_task(delivery.attempt(message))
    await asyncio.sleep(0.05)
    second = await delivery.attempt(message)

    assert isinstance(second, Deferred)
    assert LEASE - 5 < (second.retry_after or 0) <= LEASE
    assert Accepted("theirs") == await first
    assert len(world.events) == 1
    assert world.diary.count("request") == 1


@pytest.mark.parametrize(("copies_breed", "expected"), [(True, Redundant), (False, Deferred)])
async def test_a_copy_of_a_resting_message_is_let_go_only_where_copies_breed(
    world: World, *, copies_breed: bool, expected: type
) -> None:
    """On Redis each would breed others; elsewhere it may be the only one, left by a mailer that died."""
    world.provider.outcome = Deferred("HTTP 429", 30.0)
    message = email()
    delivery = replace(world.delivery(), copies_breed=copies_breed)
    await delivery.attempt(message)
    early = await delivery.attempt(message)

    assert expected is type(early)
    assert len(world.events) == 1
    assert world.diary.count("request") == 1


async def test_a_retry_that_comes_a_little_early_waits(world: World) -> None:
    """Clocks differ and delays are whole seconds; letting it go would lose the message."""
    world.provider.outcome = Deferred("HTTP 429", 3.0)
    message = email()
    delivery = world.delivery()
    await delivery.attempt(message)
    early = await delivery.attempt(message)

    assert isinstance(early, Deferred)
    assert 1 <= (early.retry_after or 0) <= 3
    assert world.diary.count("request") == 1


async def test_a_message_in_doubt_too_often_is_held(world: World) -> None:
    """Even one that asked to be sent again: somewhere a recipient may have all the copies."""
    message = email()
    delivery = world.delivery(resend_limit=2)
    outcomes = []
    for cause in (NoAnswerError("one"), NotSentError("two"), NoAnswerError("three")):
        world.during = raising(cause)
        outcomes.append(type(await delivery.attempt(message)))
        world.hurry()
    expected = [Deferred, Deferred, Uncertain]

    assert expected == outcomes
    assert getattr(await world.claim(message), "state", None) is State.HELD


async def test_a_message_that_crashed_too_often_is_held(world: World) -> None:
    """It may be what kills the mailers, or they die after sending it."""
    message = email()
    delivery = world.delivery(resend_limit=2)
    for _ in range(2):
        await world.crash(message)

    assert isinstance(await delivery.attempt(message), Uncertain)
    assert "request" not in world.diary


@pytest.mark.parametrize(
    ("outcome", "event"),
    [(Accepted("theirs"), "sent"), (Rejected("HTTP 400"), "failed"), (Suppressed("listed"), "suppressed")],
)
async def test_a_settled_message_is_told_again(world: World, outcome: Outcome, event: str) -> None:
    """Its report may have been lost; it is the same report, and nothing is sent."""
    world.provider.outcome = outcome
    message = email()
    delivery = world.delivery()
    await delivery.attempt(message)
    again = await delivery.attempt(message)
    first, second = world.events
    expected = (
        Accepted("theirs") if isinstance(outcome, Accepted) else Rejected(getattr(outcome, "reason", ""))
    )

    assert expected == again
    assert (event, first.model_copy(update={"at": second.at})) == (second.event, second)
    assert world.diary.count("request") == 1


async def test_an_expired_message_is_told_again(world: World) -> None:
    """As expired, not as anything else."""
    message = email(expires_at=datetime.now(UTC))
    delivery = world.delivery()
    for _ in range(2):
        assert Rejected("expired") == await delivery.attempt(message)
    expected = [("expired", 1), ("expired", 1)]

    assert expected == words(world)


async def test_an_overtaken_attempt_says_nothing(world: World) -> None:
    """It was frozen for longer than its lease; the newer attempt's word counts."""
    message = email()
    delivery = world.delivery(lease=SHORT)

    async def be_overtaken() -> None:
        await asyncio.sleep(SHORT + 0.05)
        assert isinstance(await world.claim(message), Granted)

    world.during = be_overtaken
    outcome = await delivery.attempt(message)

    assert isinstance(outcome, Deferred)
    assert (outcome.retry_after or 0) >= SHORT
    assert not world.events


async def test_an_overtaken_attempt_does_not_report_expiry(world: World) -> None:
    """The newer attempt will."""
    message = email(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    delivery = world.delivery(lease=SHORT)

    async def settle_late(settlements: Sequence[Settlement]) -> list[bool]:
        await asyncio.sleep(SHORT + 0.05)
        await world.claim(message)
        return await world.settle(settlements)

    object.__setattr__(delivery, "claims", Claims(_Store(world.take, settle_late)))
    await delivery.attempt(message)

    assert not world.events


async def test_a_mailer_that_was_frozen_before_it_began_sends_nothing(world: World) -> None:
    """Somebody else may hold the claim by now; so it waits for its next turn."""
    delivery = world.delivery(lease=1.0)

    def build_slowly(_: SendEmail) -> Request:
        time.sleep(0.6)
        return Request("https://postbox.example/send", b"")

    object.__setattr__(delivery, "provider", _Slow(build_slowly, world.provider.read))
    outcome = await delivery.attempt(email())

    assert isinstance(outcome, Deferred)
    assert "request" not in world.diary


# Outages of our own


async def test_without_claims_nothing_is_sent(world: World) -> None:
    """Not even begun."""
    world.path.mkdir()  # a folder is no database

    with pytest.raises(ClaimsUnavailableError):
        await world.delivery().attempt(email())

    expected = ["claim"]

    assert expected == world.diary


async def test_an_outcome_that_cannot_be_kept_is_not_told(world: World) -> None:
    """It is tried for as long as the lease lasts; after that the attempt counts as crashed."""
    delivery = world.delivery(lease=0.5)

    async def fail(_: Sequence[Settlement]) -> list[bool]:
        raise ClaimsUnavailableError

    object.__setattr__(delivery, "claims", Claims(_Store(world.take, fail)))

    with pytest.raises(ClaimsUnavailableError):
        await delivery.attempt(email())

    assert not world.events


async def test_an_outcome_is_kept_once_the_claims_are_back(world: World) -> None:
    """A database that is away for a moment does not make an accepted message doubtful."""
    message = email()
    delivery = world.delivery()
    outages = [ClaimsUnavailableError()]

    async def fail_once(settlements: Sequence[Settlement]) -> list[bool]:
        if outages:
            raise outages.pop()
        return await world.settle(settlements)

    object.__setattr__(delivery, "claims", Claims(_Store(world.take, fail_once)))
    expected = [("sent", 1)]

    assert Accepted("theirs") == await delivery.attempt(message)
    assert expected == words(world)


async def test_an_end_that_cannot_be_told_is_told_when_asked_again(world: World) -> None:
    """It is kept, so the slot is free, the message is not sent again, and the sweeper gets its answer."""
    message = email()
    delivery = world.delivery()
    world.unreported = True
    first = await delivery.attempt(message)
    world.unreported = False

    assert Accepted("theirs") == first
    expected = [("sent", 1)]

    assert Accepted("theirs") == await delivery.attempt(message)
    assert expected == words(world)
    assert world.diary.count("request") == 1


async def test_a_deferral_that_cannot_be_told_comes_again(world: World) -> None:
    """The message is not at its end, so nothing may be acknowledged."""
    world.provider.outcome = Deferred("HTTP 503", 1.0)
    world.unreported = True

    with pytest.raises(UnreportedError):
        await world.delivery().attempt(email())


@dataclass
class _Store:
    """A claims store made of two functions."""

    take: Callable[[Sequence[UUID]], Any]
    settle: Callable[[Sequence[Settlement]], Any]


@dataclass
class _Slow:
    """A provider made of two functions."""

    build: Callable[[SendEmail], Request]
    read: Callable[[Response], Outcome]
    name: str = "slow"
