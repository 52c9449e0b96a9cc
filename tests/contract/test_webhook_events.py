"""The account of webhooks: who is told what, when again, until when, and what is seen of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import migrate
from services.gateway.ledger.errors import EntryRefusedError
from services.gateway.ledger.paging import Page
from services.gateway.ledger.reporting_tables import webhook_attempts, webhook_events, webhooks
from services.gateway.ledger.schedule import Schedule
from services.gateway.ledger.schema import messages, moment_in
from services.gateway.ledger.webhook_events import Due
from services.gateway.ledger.webhook_fan_out import Happened, fan_out
from services.gateway.webhooks.payload import EVENT_TYPES, TYPES
from services.gateway.webhooks.schedule import DELAYS, GIVEN_UP_AFTER, LONGEST_WAIT, ROTATION
from tests.contract.ledgers import entry, gateway
from tests.contract.webhooks import AT, TENANT, URL, World, attempt, world_of

A_MOMENT = 30.0
HOUR = 3600.0


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """An empty one."""
    async with gateway(database_url) as box:
        await migrate(box.engine)
        yield world_of(box)


async def _recorded_and_refused(world: World, happened: Happened) -> None:
    """Record an event in a transaction that fails in the end."""
    async with world.box.sessions.writing() as connection:
        await fan_out(connection, [happened])
        raise EntryRefusedError


def payloads(due: Sequence[Due]) -> list[dict[str, Any]]:
    """What is posted."""
    return [json.loads(each.payload) for each in due]


# Who is told


async def test_an_endpoint_is_told_of_what_it_wants(world: World) -> None:
    """And of nothing else, and none of another tenant."""
    await world.subscribe("email.delivered", "email.opened", url="https://a.example/")
    await world.subscribe("email.bounced", "email.delivered", url="https://b.example/")
    await world.subscribe(tenant="other", url="https://c.example/")
    message_id = await world.message()
    await world.happen(
        *(Happened(message_id, TENANT, word, AT) for word in ("delivered", "bounced", "clicked", "processed"))
    )

    assert {
        ("https://a.example/", "email.delivered"),
        ("https://b.example/", "email.delivered"),
        ("https://b.example/", "email.bounced"),
    } == {(each.url, json.loads(each.payload)["type"]) for each in await world.take()}


async def test_an_end_that_the_gateway_puts_to_a_message_is_told(world: World) -> None:
    """No mailer reports that a message expired before there was one to take it."""
    await world.subscribe("email.failed")
    late = replace(entry(), tenant=TENANT, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await world.box.append(late)
    async with world.box.sessions.writing() as connection:
        await connection.execute(sa.update(messages).values(due_at=moment_in(-1)))
    ended = await Schedule(world.box.sessions).expire(limit=10)
    (told,) = payloads(await world.take())

    assert [late.id] == ended
    assert ("email.failed", str(late.id)) == (told["type"], told["data"]["email_id"])


async def test_a_disabled_endpoint_is_told_nothing(world: World) -> None:
    """What happens meanwhile it is not told later either."""
    webhook_id = await world.subscribe()
    await world.webhooks.change(TENANT, webhook_id, status="disabled")
    await world.happens()
    await world.webhooks.change(TENANT, webhook_id, status="enabled")

    assert not await world.take()


async def test_nothing_is_told_of_what_was_not_recorded(world: World) -> None:
    """It is a part of the transaction that records, and ends with it."""
    await world.subscribe()
    message_id = await world.message()
    with pytest.raises(EntryRefusedError):
        await _recorded_and_refused(world, Happened(message_id, TENANT, "delivered", AT))

    assert not await world.take()


async def test_a_message_that_nobody_knows_is_not_told_of(world: World) -> None:
    """There is nothing to say of it."""
    await world.subscribe()
    await world.happen(Happened(new_message_id(), TENANT, "delivered", AT))

    assert not await world.take()


async def test_tenants_without_webhooks_pay_one_query(world: World) -> None:
    """However many events there are."""
    await world.subscribe(tenant="other")
    asked: list[str] = []
    sa.event.listen(world.box.engine.sync_engine, "before_cursor_execute", lambda *it: asked.append(it[2]))
    async with world.box.sessions.writing() as connection:
        asked.clear()
        await fan_out(connection, [Happened(new_message_id(), TENANT, "sent", AT)] * 500)
        await fan_out(connection, [Happened(new_message_id(), TENANT, "sending", AT)] * 500)

    assert 1 == len(asked)


async def test_an_event_is_told_in_resends_words(world: World) -> None:
    """With the message as it was accepted, without its bodies."""
    await world.subscribe()
    reason = "550 5.1.1 No such user"
    message_id = await world.happens("bounced", recipient="ann@example.org", reason=reason)
    (told,) = payloads(await world.take())
    accepted = told["data"].pop("created_at")

    assert abs(datetime.fromisoformat(accepted) - datetime.now(UTC)) < timedelta(minutes=1)
    assert {
        "type": "email.bounced",
        "created_at": "2026-01-02T03:04:05.678Z",
        "data": {
            "email_id": str(message_id),
            "message_id": f"<{message_id}@example.com>",
            "from": "Shop <shop@example.com>",
            "to": ["ann@example.org"],
            "subject": "Your receipt",
            "tags": {"kind": "receipt"},
            "bounce": {"type": "Permanent", "subType": "General", "message": reason},
        },
    } == told


async def test_every_word_has_its_payload(world: World) -> None:
    """If nobody says whom it is about, it is about all in to; if no reason is given, it says so."""
    await world.subscribe()
    message_id = await world.message()
    await world.happen(*(Happened(message_id, TENANT, word, AT) for word in TYPES))
    told = {each["type"]: each["data"] for each in payloads(await world.take())}
    unknown = "No reason was given."

    assert set(EVENT_TYPES) == set(told)
    assert ["Ann <ann@example.org>", "bob@example.org"] == told["email.sent"]["to"]
    assert {"reason": unknown} == told["email.failed"]["failed"]
    assert unknown == told["email.suppressed"]["suppressed"]["message"]
    assert {"timestamp": "2026-01-02T03:04:05.678Z"} == told["email.clicked"]["click"]


async def test_a_welcome_email_is_told_of_without_what_only_the_mailer_knows(world: World) -> None:
    """Its sender and subject are the mailer's own; a message of version 0.1 has no summary either."""
    await world.subscribe()
    welcome = entry(tenant=TENANT)
    await world.box.append(welcome)
    await world.happen(Happened(welcome.id, TENANT, "sent", AT))
    (told,) = payloads(await world.take())

    assert (["joão@example.org"], None, None) == tuple(
        told["data"][name] for name in ("to", "from", "subject")
    )


async def test_what_cannot_be_read_is_told_of_all_the_same(world: World) -> None:
    """The message of a newer version stops nobody; what is known of it is told."""
    await world.subscribe()
    newer = entry(tenant=TENANT, summary=b'{"recipients": []}')
    await world.box.append(newer)
    await world.happen(Happened(newer.id, TENANT, "sent", AT))
    (told,) = payloads(await world.take())

    assert str(newer.id) == told["data"]["email_id"]


# What is due


async def test_what_is_due_is_taken_once(world: World) -> None:
    """As the first attempt, with all that it takes."""
    await world.subscribe()
    await world.happens()
    (due,) = await world.take()

    assert (1, URL, ("whsec_one",)) == (due.attempt, due.url, due.secrets)
    assert not await world.take()
    assert ("attempting", 1) == (await world.state(due.id))[:2]


async def test_nothing_secret_is_shown_by_accident(world: World) -> None:
    """Neither secrets nor what is told get into a log by the way of a repr."""
    await world.subscribe(secret="whsec_correct-horse")
    await world.happens()

    assert "horse" not in repr(await world.take())


async def test_gateways_share_the_work(database_url: str) -> None:
    """Each attempt is taken by one of them."""
    async with gateway(database_url) as one, gateway(database_url) as two:
        await migrate(one.engine)
        first, second = world_of(one), world_of(two)
        await first.subscribe()
        await first.happens(count=60)
        taken = await asyncio.gather(*(each.take(10) for each in (first, second) * 4))
        ids = [due.id for some in taken for due in some]

        assert 60 == len(ids) == len(set(ids))
        assert not await second.take()


async def test_after_a_rotation_both_secrets_sign_for_a_day(world: World) -> None:
    """The new one first; then it alone."""
    webhook_id = await world.subscribe(secret="whsec_old")
    assert await world.webhooks.rotate(TENANT, webhook_id, "whsec_new")
    await world.happens()
    (during,) = await world.take()
    until = (await world.endpoint(webhook_id)).previous_secret_until
    await world.set(webhooks, previous_secret_until=moment_in(-1))
    await world.happens()
    (afterwards,) = await world.take()

    assert ("whsec_new", "whsec_old") == during.secrets
    assert ("whsec_new",) == afterwards.secrets
    assert abs((until - datetime.now(UTC)).total_seconds() - ROTATION) < A_MOMENT


@pytest.mark.parametrize("deed", ["disable", "delete"])
async def test_what_waits_for_an_endpoint_that_is_gone_ends(world: World, deed: str) -> None:
    """As failed, when its time comes, without an attempt; others do not wait for it."""
    webhook_id = await world.subscribe(url="https://gone.example/")
    await world.subscribe()
    await world.happens()
    if deed == "disable":
        await world.webhooks.change(TENANT, webhook_id, status="disabled")
    else:
        await world.webhooks.delete(TENANT, webhook_id)
    (due,) = await world.take()
    (ended,), _ = await world.history.page(webhook_id, Page())

    assert URL == due.url
    assert ("failed", 0, None) == await world.state(ended.id)


async def test_what_the_broker_did_not_take_is_taken_again(world: World) -> None:
    """As the same attempt; if the broker had it after all, its outcome counts."""
    await world.subscribe()
    await world.happens()
    (first,) = await world.take()
    await world.events.give_back([first])
    (again,) = await world.take()
    await world.events.give_back([again])
    await world.answer(again)

    assert first == again
    assert ("success", 1, None) == await world.state(first.id)


async def test_a_word_that_came_stands(world: World) -> None:
    """Giving back what was recorded meanwhile changes nothing."""
    await world.subscribe()
    await world.happens()
    (due,) = await world.take()
    await world.answer(due)
    await world.events.give_back([due])

    assert ("success", 1, None) == await world.state(due.id)


async def test_a_silent_attempt_is_the_same_attempt(world: World) -> None:
    """Only after its lease; whichever of the two is heard of first decides, and the other changes nothing."""
    await world.subscribe()
    await world.happens()
    (first,) = await world.take()
    early = await world.take(silent=True)
    await world.wait_for_retry()
    waiting = await world.events.waiting()
    (again,) = await world.take(silent=True)
    await world.answer(first, 200)
    await world.answer(again, 500)

    assert not early
    assert (False, True) == (waiting.due, waiting.silent)
    assert first == again
    assert ("success", 1, None) == await world.state(first.id)


# What becomes of it


@pytest.mark.parametrize("status", [200, 299])
async def test_a_success_is_the_end(world: World, status: int) -> None:
    """Every 2xx is one."""
    await world.subscribe()
    await world.happens()
    (due,) = await world.take()
    await world.answer(due, status, response="Thanks", duration_ms=12)
    (made,), _ = await world.history.attempts(due.id, Page())

    assert ("success", 1, None) == await world.state(due.id)
    assert (1, status, "Thanks", 12, AT) == (
        *(made.attempt, made.status_code, made.response, made.duration_ms),
        made.sent_at,
    )


async def test_failures_are_repeated_over_days(world: World) -> None:
    """At the times of Standard Webhooks, ten attempts in all; whatever is no 2xx is a failure."""
    await world.subscribe()
    await world.happens()
    waits = []
    for status in (500, 404, 302, 199, None, 503, 400, 300, 429):
        (due,) = await world.take()
        await world.answer(due, status)
        state, _, wait = await world.state(due.id)
        assert (state, wait is None) == ("pending", False)
        waits.append(wait or 0)
        assert not await world.take()
        await world.wait_for_retry()
    (last,) = await world.take()
    await world.answer(last, 500)

    assert [0 <= delay - wait < A_MOMENT for delay, wait in zip(DELAYS, waits, strict=True)] == [True] * 9
    assert ("failed", 10, None) == await world.state(last.id)


@pytest.mark.parametrize(
    ("asked", "wait"), [(2.0, DELAYS[0]), (HOUR, HOUR), (1_000_000.0, LONGEST_WAIT)], ids=str
)
async def test_a_receiver_may_ask_for_time(world: World, asked: float, wait: float) -> None:
    """For more than there would have been, and for a day at most."""
    await world.subscribe()
    await world.happens()
    (due,) = await world.take()
    await world.answer(due, 429, retry_after=asked)
    _, _, waits = await world.state(due.id)

    assert waits is not None
    assert wait - A_MOMENT < waits <= wait


async def test_the_same_word_twice_changes_nothing(world: World) -> None:
    """Neither in one batch nor later."""
    await world.subscribe()
    await world.happens()
    (due,) = await world.take()
    failure = attempt(due, 500)
    await world.events.record([failure, failure])
    before = (await world.row(due.id)).due_at
    await world.events.record([failure, attempt(due, 200)])

    assert (before, "pending") == ((row := await world.row(due.id)).due_at, row.status)
    assert 1 == len((await world.history.attempts(due.id, Page()))[0])


@pytest.mark.parametrize(("status", "state"), [(500, "failed"), (200, "success")])
async def test_a_late_word_brings_nothing_back(world: World, status: int, state: str) -> None:
    """What ended while an attempt was silent stays at its end; but what arrived has arrived."""
    webhook_id = await world.subscribe()
    await world.happens()
    (due,) = await world.take()
    await world.webhooks.change(TENANT, webhook_id, status="disabled")
    await world.wait_for_retry()
    await world.take(silent=True)
    await world.answer(due, status)

    assert (state, 1, None) == await world.state(due.id)


async def test_an_attempt_at_nothing_is_let_go(world: World) -> None:
    """It may have been deleted meanwhile; what else is told is recorded."""
    await world.subscribe()
    await world.happens()
    (due,) = await world.take()
    stranger = attempt(due).model_copy(update={"delivery_id": new_message_id()})
    await world.events.record([stranger, attempt(due)])

    assert "success" == (await world.state(due.id))[0]
    assert ([], False) == await world.history.attempts(stranger.delivery_id, Page())


async def test_a_receiver_may_answer_what_it_likes(world: World) -> None:
    """Its answer is kept as text, and not all of it."""
    await world.subscribe()
    await world.happens()
    (due,) = await world.take()
    await world.answer(due, 500, response="\0no\0" + "n" * 5000, duration_ms=2**40)
    (made,), _ = await world.history.attempts(due.id, Page())

    assert "no" + "n" * 998 == made.response


# When an endpoint is given up


async def test_whoever_answers_410_is_left_alone(world: World) -> None:
    """At once, with a word to the operator and to the tenant."""
    webhook_id = await world.subscribe()
    await world.happens()
    (due,) = await world.take()
    with capture_logs() as logs:
        await world.answer(due, 410)
    row = await world.endpoint(webhook_id)

    assert ("disabled", "The endpoint answered 410 Gone.") == (row.status, row.disabled_reason)
    assert ("failed", 1, None) == await world.state(due.id)
    assert [
        {
            "event": "webhook.disabled",
            "log_level": "warning",
            "tenant": TENANT,
            "webhook_id": str(webhook_id),
            "reason": row.disabled_reason,
        }
    ] == logs


@pytest.mark.parametrize(("ago", "status"), [(0.0, "disabled"), (A_MOMENT, "enabled")], ids=["over", "near"])
async def test_three_days_of_nothing_but_failures_disable(world: World, ago: float, status: str) -> None:
    """Not a moment earlier, and once."""
    webhook_id = await world.subscribe()
    await world.happens(count=2)
    first, second = await world.take()
    await world.answer(first, 500)
    begun = (await world.endpoint(webhook_id)).failing_since
    await world.set(webhooks, failing_since=moment_in(ago - GIVEN_UP_AFTER))
    with capture_logs() as logs:
        await world.answer(second, 500)
    row = await world.endpoint(webhook_id)

    assert begun is not None
    assert (status, status == "disabled") == (row.status, row.disabled_reason is not None)
    assert (["webhook.disabled"] if status == "disabled" else []) == [line["event"] for line in logs]


async def test_a_success_in_between_starts_the_days_anew(world: World) -> None:
    """Also where failures are told of in the same breath."""
    webhook_id = await world.subscribe()
    await world.happens(count=3)
    one, two, three = await world.take()
    await world.answer(one, 500)
    await world.set(webhooks, failing_since=moment_in(-2 * GIVEN_UP_AFTER))
    await world.events.record([attempt(two, 500), attempt(three, 200)])
    row = await world.endpoint(webhook_id)

    assert ("enabled", None) == (row.status, row.failing_since)


async def test_an_endpoint_that_is_enabled_starts_afresh(world: World) -> None:
    """It has failed nobody yet, and there is nothing to explain."""
    webhook_id = await world.subscribe()
    await world.set(
        webhooks, status="disabled", disabled_reason="…", failing_since=moment_in(-GIVEN_UP_AFTER)
    )
    assert await world.webhooks.change(TENANT, webhook_id, status="enabled")
    row = await world.endpoint(webhook_id)

    assert ("enabled", None, None) == (row.status, row.disabled_reason, row.failing_since)


# What is seen of it, and what is kept


@pytest.mark.parametrize("status", [200, 500])
async def test_an_event_is_told_once_more(world: World, status: int) -> None:
    """At once, whatever became of it, as the next attempt; the attempts before stay to be seen."""
    webhook_id = await world.subscribe()
    await world.happens()
    (due,) = await world.take()
    await world.answer(due, status)

    assert await world.history.replay(TENANT, webhook_id, due.id)

    (again,) = await world.take()
    await world.answer(again)
    made, _ = await world.history.attempts(due.id, Page())

    assert (due.id, 2) == (again.id, again.attempt)
    assert [(2, 200), (1, status)] == [(each.attempt, each.status_code) for each in made]


async def test_an_attempt_that_is_under_way_is_the_one_that_counts(world: World) -> None:
    """There is nothing to repeat yet."""
    webhook_id = await world.subscribe()
    await world.happens()
    (due,) = await world.take()

    assert await world.history.replay(TENANT, webhook_id, due.id)
    assert not await world.take()
    assert not await world.history.replay("other", webhook_id, due.id)
    assert not await world.history.replay(TENANT, new_message_id(), due.id)


async def test_what_was_told_is_kept_for_a_time(world: World) -> None:
    """With its attempts; what is not at its end stays, however old it is."""
    webhook_id = await world.subscribe()
    await world.happens(count=2)
    told, waiting = await world.take()
    await world.answer(told)
    await world.answer(waiting, 500)
    month = 30 * 24 * HOUR
    young = await world.events.purge(month)
    await world.set(webhook_events, created_at=moment_in(-month))
    old = [await world.events.purge(month) for _ in range(2)]
    left, _ = await world.history.page(webhook_id, Page())
    async with world.box.engine.connect() as connection:
        attempts = (await connection.execute(sa.select(webhook_attempts.c.webhook_event_id))).scalars().all()

    assert (0, [1, 0]) == (young, old)
    assert [waiting.id] == [row.id for row in left] == list(attempts)
