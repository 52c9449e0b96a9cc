"""What the ledger makes of what providers tell: once, in any order, and with what follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import pairwise, permutations
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.acceptance.entries import Draft
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import migrate
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.errors import EntryRefusedError
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.recording import Recording
from services.gateway.ledger.renewal import Obstacle
from services.gateway.ledger.reporting_tables import statistics, stray_events, webhook_events, webhooks
from services.gateway.ledger.schema import metadata, moment_in, suppressions
from services.gateway.ledger.strays import Strays
from services.gateway.states import REPLAYED, progress, progress_told, status
from shared.signatures import Address, Event, Feedback, Lane, RecordEvent, SendEmail, Tag
from tests.contract.conftest import DATABASES
from tests.contract.ledgers import BEGINNING, Gateway, event, gateway
from tests.servers.postgresql import PostgreSQL

ANN, BOB = "Ann@example.org", "bob@example.org"


@pytest.fixture(scope="module", params=DATABASES)
def ledger_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated ledger; one for all, since a migration takes longer than a test."""
    url = f"sqlite:///{tmp_path_factory.mktemp('recording')}/database.sqlite3"
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        url = server.create_database()

    async def make() -> None:
        async with gateway(url) as box:
            await migrate(box.engine)

    asyncio.run(make())
    return url


@pytest.fixture
async def box(ledger_url: str) -> AsyncIterator[Gateway]:
    """A gateway's ledger, empty."""
    async with gateway(ledger_url) as box:
        async with box.engine.begin() as connection:
            for table in metadata.sorted_tables:
                await connection.execute(sa.delete(table))
        yield box


async def message(box: Gateway, *to: str, tenant: str = "default", lane: Lane = Lane.BULK) -> Entry:
    """An accepted message."""
    email = SendEmail(
        message_id=new_message_id(),
        tenant=tenant,
        lane=lane,
        sender=Address(email="letters@example.com"),
        to=tuple(Address(email=address) for address in to or (ANN,)),
        subject="Hi",
        tags=(Tag(name="kind", value="news"),),
    )
    entry = Draft(email).entry(frozenset())
    await box.append(entry)
    return entry


def told(word: str, message_id: UUID | None = None, number: int = 1, **fields: Any) -> LedgerEvent:
    """What a provider tells; its *number* is the provider's id for the event."""
    defaults = {"provider": "sendgrid", "provider_message_id": "theirs", "at": BEGINNING}
    fields = defaults | fields
    return LedgerEvent.of(
        RecordEvent(message_id=message_id, event=word, provider_event_id=f"{word}-{number}", **fields)
    )


def sent(entry: Entry, theirs: str = "theirs", attempt: int = 1, provider: str = "sendgrid") -> LedgerEvent:
    """The mailer's word that a provider took it, and what the provider calls it."""
    return event(entry.id, "sent", attempt, provider=provider, provider_message_id=theirs)


async def rows(box: Gateway, *columns: sa.Column[Any]) -> list[tuple[Any, ...]]:
    """What stands in some columns, in order."""
    async with box.engine.connect() as connection:
        return sorted(tuple(row) for row in await connection.execute(sa.select(*columns)))


async def words(box: Gateway, entry: Entry) -> list[str]:
    """The events of a message, in the order of their names."""
    return sorted(row.event for row in await box.ledger.timeline(entry.id))


async def set_aside(box: Gateway) -> int:
    """How many events wait for their messages."""
    return len(await rows(box, stray_events.c.sequence))


def strays(box: Gateway) -> Strays:
    """Who looks after them."""
    return Strays(box.sessions, Recording(box.sessions, silent_after=60))


# Once


async def test_an_event_told_twice_is_recorded_once(box: Gateway) -> None:
    """In one batch or in two; and nothing follows twice from it."""
    entry = await message(box)
    delivered = told("delivered", entry.id)
    await box.ledger.record([delivered, delivered])
    await box.ledger.record([delivered])
    counts = await rows(box, statistics.c.tag, statistics.c.event, statistics.c.count)

    assert ["delivered"] == await words(box, entry)
    assert [("", "delivered", 1), ("kind:news", "delivered", 1)] == counts


async def test_recorders_that_are_told_the_same_at_once_record_it_once(box: Gateway) -> None:
    """Whatever the order of their batches is, none waits for the other in a circle."""
    entries = [await message(box) for _ in range(10)]
    batch = [told(word, one.id) for one in entries for word in ("delivered", "bounced", "opened")]
    await asyncio.gather(*(box.ledger.record(some) for some in (batch, batch[::-1], batch[::2], batch[1::2])))
    counts = await rows(box, statistics.c.event, statistics.c.count, statistics.c.tag)

    assert [("bounced", 10), ("delivered", 10), ("opened", 10)] == [(w, n) for w, n, tag in counts if not tag]
    assert [["bounced", "delivered", "opened"]] * 10 == [await words(box, one) for one in entries]


async def test_the_same_event_of_another_account_is_another_one(box: Gateway) -> None:
    """Providers' ids are their own."""
    entry = await message(box)
    await box.ledger.record([told("opened", entry.id), told("opened", entry.id, provider="other")])

    assert ["opened", "opened"] == await words(box, entry)


async def test_what_is_told_is_kept_whole(box: Gateway) -> None:
    """Who it was about, who did it, and whose message it was."""
    entry = await message(box, tenant="acme")
    heard = told("bounced", entry.id, recipient=ANN, reason="550 5.1.1 \0no such user")
    await box.ledger.record([heard])
    (row,) = await box.ledger.timeline(entry.id)
    expected = ("acme", "receiver", ANN, "550 5.1.1 no such user", "sendgrid", "theirs", BEGINNING)

    found = (row.tenant, row.actor, row.recipient, row.reason, row.provider, row.provider_message_id, row.at)
    assert expected == found


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param({"provider_event_id": "x" * 100_000}, id="a long id"),
        pytest.param({"provider_event_id": "\0"}, id="an id of nothing"),
        pytest.param({"provider_message_id": "é" * 100_000}, id="a long id of the message"),
        pytest.param({"recipient": "\0" + "x" * 100_000}, id="a long recipient"),
    ],
)
async def test_strange_things_that_are_told_stop_nothing(box: Gateway, strange: dict[str, Any]) -> None:
    """They are kept, or refused alone; and never look like an outage."""
    entry, even = await message(box), await message(box)
    fields = {"event": "delivered", "at": BEGINNING, "provider": "ses", "provider_event_id": "1", **strange}
    odd = LedgerEvent.of(RecordEvent.model_validate({"message_id": entry.id, **fields}))
    unknown = LedgerEvent.of(RecordEvent.model_validate({"message_id": new_message_id(), **fields}))
    try:
        await box.ledger.record([odd, unknown, sent(even, strange.get("provider_message_id", "x"))])
    except EntryRefusedError:
        await box.ledger.record([sent(even)])

    assert "sent" == (await box.row(even)).status


# How far


STORY = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([*Event, "unheard"]), st.integers(1, 3), st.integers(0, 1)),
        st.tuples(st.sampled_from([*Feedback, "failed", "suppressed", "unread"]), st.just(0), st.just(0)),
    ),
    min_size=1,
    max_size=8,
)


def of_story(message_id: UUID, story: Sequence[tuple[str, int, int]]) -> list[LedgerEvent]:
    """The events of a story; what has no attempt is told by the provider."""
    return [
        event(message_id, word, attempt, series=series, provider=f"account-{attempt}", reason=word)
        if attempt
        else told(word, message_id, reason=word)
        for word, attempt, series in story
    ]


def furthest(events: Sequence[LedgerEvent]) -> tuple[str, int]:
    """The state of a message after these events: that of the furthest."""
    reached = [("accepted", 0)]
    for one in events:
        far = progress_told(one.event) if one.is_told else progress(one.event, one.attempt, one.series)
        reached.append((status(one.event), far or 0))
    return max(reached, key=lambda pair: pair[1])


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(story=STORY, data=st.data())
async def test_any_order_doubling_and_batching_ends_in_the_furthest_state(
    box: Gateway, story: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    """Both messages end in the same state, and it is that of the furthest event."""
    order = data.draw(st.permutations(story + story[:3]))
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=3))), len(order)]
    straight, shuffled = await message(box), await message(box)
    events = of_story(straight.id, story)
    await box.ledger.record(events)
    for begin, end in pairwise(cuts):
        await box.ledger.record(of_story(shuffled.id, order[begin:end]))
    once, again = await box.row(straight), await box.row(shuffled)

    assert furthest(events) == (once.status, once.progress)
    for name in ("status", "progress", "attempts", "reason", "provider_message_id"):
        assert getattr(once, name) == getattr(again, name), name
    assert (once.due_at is None) == (again.due_at is None)
    assert await words(box, straight) == await words(box, shuffled)


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=lambda order: "".join(map(str, order)))
async def test_account_and_id_are_those_of_the_last_attempt_that_sent(
    box: Gateway, order: tuple[int, ...]
) -> None:
    """Whatever is heard first, and although a provider tells in between that it has arrived."""
    entry = await message(box)
    story = [sent(entry, "a", 1, "ses"), told("delivered", entry.id), sent(entry, "b", 2, "postmark")]
    for place in order:
        await box.ledger.record([story[place]])
    row = await box.row(entry)

    assert ("delivered", 2, "postmark", "b") == (
        *(row.status, row.attempts, row.provider, row.provider_message_id),
    )


async def test_nothing_more_is_awaited_of_what_a_provider_has(box: Gateway) -> None:
    """Even though the mailer's own word of it is still to come."""
    (entry,) = await box.publish()
    await box.ledger.record([told("processed", entry.id)])
    row = await box.row(entry)

    assert ("sent", None) == (row.status, row.due_at)


@pytest.mark.parametrize("word", ["soft_bounced", "delivery_delayed", "opened", "clicked", "unsubscribed"])
async def test_what_is_no_end_moves_nothing(box: Gateway, word: str) -> None:
    """It is in the timeline, and the message is where it was."""
    entry = await message(box)
    await box.ledger.record([sent(entry)])
    before = await box.row(entry)
    await box.ledger.record([told(word, entry.id)])

    assert before == await box.row(entry)
    assert sorted(["sent", word]) == await words(box, entry)


@pytest.mark.parametrize("word", ["failed", "suppressed"])
async def test_what_a_provider_dropped_is_not_replayed(box: Gateway, word: str) -> None:
    """It had accepted the message; what the mailer gave up is another matter."""
    dropped, given_up = await message(box), await message(box)
    await box.ledger.record([sent(dropped), told(word, dropped.id), event(given_up.id, word)])
    again = await box.replays.again("default", [dropped.id, given_up.id], REPLAYED)

    assert [given_up.id] == [one.id for one in again.entries]
    assert [(dropped.id, Obstacle.NOT_REPLAYABLE, word)] == [
        (one.id, one.obstacle, one.status) for one in again.skipped
    ]


# By the provider's id


async def test_a_message_is_found_by_what_its_provider_calls_it(box: Gateway) -> None:
    """Where the account is the same."""
    entry, other = await message(box), await message(box)
    await box.ledger.record([sent(entry, "x"), sent(other, "x", provider="ses")])
    await box.ledger.record([told("delivered", provider_message_id="x")])

    assert ("delivered", "sent") == ((await box.row(entry)).status, (await box.row(other)).status)
    assert 0 == await set_aside(box)


async def test_the_mailers_word_may_be_in_the_same_batch(box: Gateway) -> None:
    """Before or behind."""
    entry = await message(box)
    await box.ledger.record([told("delivered", provider_message_id="x"), sent(entry, "x")])

    assert "delivered" == (await box.row(entry)).status


async def test_what_overtook_its_message_is_recorded_with_the_mailers_word(box: Gateway) -> None:
    """In its transaction, once, and nothing stays behind."""
    entry = await message(box)
    early = told("delivered", provider_message_id="x", recipient=ANN, reason="250 ok")
    await box.ledger.record([early, told("opened", provider_message_id="x"), told("bounced")])
    await box.ledger.record([early])
    before = await set_aside(box)
    await box.ledger.record([sent(entry, "x")])

    assert (4, 1) == (before, await set_aside(box))
    assert ["delivered", "opened", "sent"] == await words(box, entry)
    assert ["delivered"] == [row.event for row in await box.ledger.timeline(entry.id) if row.recipient == ANN]


async def test_two_messages_of_one_name_are_not_guessed_at(box: Gateway) -> None:
    """It could be either of them."""
    one, two = await message(box), await message(box)
    await box.ledger.record([sent(one, "x"), sent(two, "x"), told("bounced", provider_message_id="x")])

    assert ("sent", "sent") == ((await box.row(one)).status, (await box.row(two)).status)
    assert 1 == await set_aside(box)


async def test_a_look_finds_what_crossed_with_the_mailers_word(box: Gateway) -> None:
    """As when two recorders are at it at once; what is of nobody stays, and is dropped in the end."""
    entry = await message(box)
    early = [told("delivered", provider_message_id="x"), told("bounced", new_message_id())]
    await box.ledger.record(early)
    async with box.engine.begin() as connection:  # hidden from the one who writes the mailer's word
        await connection.execute(sa.update(stray_events).values(provider_message_id=sa.null()))
    await box.ledger.record([sent(entry, "x")])
    async with box.engine.begin() as connection:
        await connection.execute(sa.update(stray_events).values(provider_message_id="x"))
    found = await strays(box).look()
    kept = await strays(box).drop(60)
    dropped = await strays(box).drop(0)

    assert ((1, None), 0, 1) == (found, kept, dropped)
    assert "delivered" == (await box.row(entry)).status
    assert 0 == await set_aside(box)


# What follows


async def suppressed(box: Gateway) -> list[tuple[Any, ...]]:
    """Who is suppressed, and why."""
    return await rows(box, suppressions.c.tenant, suppressions.c.address, suppressions.c.reason)


@pytest.mark.parametrize(
    ("word", "reason"),
    [("bounced", "bounce"), ("complained", "complaint"), ("unsubscribed", "unsubscribe")],
)
async def test_what_is_told_of_the_only_recipient_suppresses_him(
    box: Gateway, word: str, reason: str
) -> None:
    """Also where the provider names nobody, or spells him another way."""
    named, nameless, spelt = [await message(box, tenant=tenant) for tenant in "abc"]
    await box.ledger.record(
        [
            told(word, named.id, recipient=ANN.lower()),
            told(word, nameless.id),
            told(word, spelt.id, recipient="<a@b>"),
        ]
    )

    assert [(tenant, ANN.lower(), reason) for tenant in "abc"] == await suppressed(box)
    about = sorted((entry.id,) for entry in (named, nameless, spelt))  # of one millisecond, in any order
    assert about == await rows(box, suppressions.c.message_id)


async def test_of_several_recipients_the_named_one_is_suppressed(box: Gateway) -> None:
    """And nobody, where it is not said who it was, or where it was a stranger."""
    entry = await message(box, ANN, BOB)
    await box.ledger.record([told("bounced", entry.id), told("bounced", entry.id, 2, recipient="eva@x.org")])
    before = await suppressed(box)
    await box.ledger.record([told("bounced", entry.id, 3, recipient="BOB@example.org")])

    assert [] == before
    assert [("default", BOB, "bounce")] == await suppressed(box)


@pytest.mark.parametrize("word", ["soft_bounced", "failed", "suppressed", "delivered"])
async def test_nothing_else_suppresses(box: Gateway, word: str) -> None:
    """A mailbox that is full is none that is gone; nor is the mailer's word that of a provider."""
    entry = await message(box)
    await box.ledger.record([told(word, entry.id), event(entry.id, "bounced")])

    assert [] == await suppressed(box)


async def test_a_stronger_reason_takes_the_place_of_an_unsubscription(box: Gateway) -> None:
    """In one batch or later; and no weaker one takes its place."""
    entry = await message(box)
    await box.ledger.record([told("unsubscribed", entry.id)])
    first = await suppressed(box)
    await box.ledger.record([told("unsubscribed", entry.id, 2), told("complained", entry.id)])
    await box.ledger.record([told("unsubscribed", entry.id, 3), told("bounced", entry.id)])

    assert [("default", ANN.lower(), "unsubscribe")] == first
    assert [("default", ANN.lower(), "complaint")] == await suppressed(box)


async def test_a_webhook_is_told_of_what_is_new(box: Gateway) -> None:
    """Once, however often the provider tells it."""
    entry = await message(box)
    async with box.engine.begin() as connection:
        await connection.execute(
            sa.insert(webhooks).values(
                id=new_message_id(),
                tenant="default",
                endpoint="https://example.com",
                events='["email.bounced"]',
                secret="whsec_",
                created_at=moment_in(0),
            )
        )
    for _ in range(2):
        await box.ledger.record([told("bounced", entry.id), told("delivered", entry.id)])

    assert [("email.bounced", entry.id)] == await rows(
        box, webhook_events.c.type, webhook_events.c.message_id
    )


async def test_what_happened_to_nobodys_message_is_kept_and_has_no_tenant(box: Gateway) -> None:
    """A message that was published past the gateway."""
    past = new_message_id()
    await box.ledger.record([event(past, "sent", at=BEGINNING + timedelta(seconds=1))])
    (row,) = await box.ledger.timeline(past)

    assert ("sent", None) == (row.event, row.tenant)
    assert [] == await rows(box, statistics.c.event)
