"""Resend's own ways."""

from __future__ import annotations

import json

import pytest

from services.mailer.outcome import (
    Accepted,
    Deferred,
    Trouble,
    Unauthorised,
    Uncertain,
)
from services.mailer.providers.base import Batchable, Response, Searchable, UnsupportedError
from services.mailer.providers.hints import Allowance, allowance
from services.mailer.providers.resend import Resend
from shared.signatures import Address, Attachment, SendEmail, Tag
from tests.fakes import FakeResend, faults
from tests.fakes.bucket import Bucket
from tests.mailer.answers.resend import says
from tests.mailer.batches import batch
from tests.mailer.limits.values import people
from tests.mailer.made import KEY
from tests.mailer.places import post
from tests.mailer.samples import EVERY_BYTE, MESSAGE_ID, PLAIN, message

RESEND = Resend(KEY, "https://provider.test")


def at(fake: FakeResend) -> Resend:
    return Resend(KEY, fake.base_url)


def test_it_honours_keys_for_a_day_and_cannot_be_searched() -> None:
    """What delivery may do with it is told by its type and traits."""
    assert not isinstance(RESEND, Searchable)
    assert isinstance(RESEND, Batchable)
    assert (86_400, 100, 1.0) == (
        RESEND.traits.key_window,
        RESEND.traits.batch_size,
        RESEND.traits.limit_window,
    )


def test_the_idempotency_key_is_our_message_id() -> None:
    """Every attempt of a message has the same, and every replay of it."""
    replayed = message(series=2)

    assert str(MESSAGE_ID) == RESEND.build(PLAIN).headers["Idempotency-Key"]
    assert RESEND.build(PLAIN) == RESEND.build(replayed)


async def test_a_repeated_request_is_answered_as_the_first() -> None:
    """The first answer was lost, and the second tells the same id; one message is on its way."""
    async with FakeResend(api_key=KEY) as fake:
        fake.script(faults.refuse(500, accept=True))
        outcomes = [at(fake).read(await post(at(fake).build(PLAIN))) for _ in range(2)]

    assert Uncertain("HTTP 500: application_error: An unexpected error occurred.") == outcomes[0]
    assert Accepted(fake.record[0].provider_message_id) == outcomes[1]
    assert 1 == len(fake.record)


async def test_the_same_key_with_other_bytes_leaves_us_in_doubt() -> None:
    """An earlier request of this message is known there, and this answer does not say what came of it."""
    async with FakeResend(api_key=KEY) as fake:
        await post(at(fake).build(PLAIN))
        outcome = at(fake).read(await post(at(fake).build(message(subject="Another"))))

    assert isinstance(outcome, Uncertain)
    assert "invalid_idempotent_request" in outcome.reason


def test_a_request_under_way_is_waited_for() -> None:
    """Nobody else has to wait for it, and it is soon over."""
    outcome = RESEND.read(says(409, "concurrent_idempotent_requests", ratelimit_reset="1"))

    assert isinstance(outcome, Deferred)
    assert (5.0, Trouble.MESSAGE) == (outcome.retry_after, outcome.trouble)


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (says(429, "daily_quota_exceeded"), 900.0),
        (says(429, "daily_quota_exceeded", ratelimit_reset="1"), 900.0),
        (says(429, "monthly_quota_exceeded", retry_after="1"), 60.0),
        (says(429, "monthly_quota_exceeded", retry_after="1800"), 1800.0),
    ],
)
def test_a_quota_stops_the_account_for_a_while(response: Response, seconds: float) -> None:
    """Asking again every second would not bring the next day about."""
    outcome = RESEND.read(response)

    assert isinstance(outcome, Unauthorised)
    assert seconds == outcome.retry_after


def test_a_rate_limit_is_a_matter_of_pace() -> None:
    """The account waits as long as it is told, and slows down."""
    outcome = RESEND.read(says(429, "rate_limit_exceeded", retry_after="2"))

    assert Deferred("HTTP 429: rate_limit_exceeded: No.", 2.0, Trouble.PACE) == outcome


async def test_every_answer_tells_the_pace() -> None:
    """A good one as well as a refused one, so that one need not be refused to know."""
    async with FakeResend(api_key=KEY) as fake:
        fake.limit = Bucket(5.0, 1.0)
        answers = [await post(at(fake).build(each)) for each in batch(2)]

    told = [allowance(each.headers, RESEND.traits.limit_window) for each in answers]
    assert [200, 429] == [each.status for each in answers]
    assert [Allowance(5.0, 0, 1.0)] * 2 == told


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (None, "ada@example.net"),
        ("Ada", "Ada <ada@example.net>"),
        ("Lovelace, Ada", "=?utf-8?q?Lovelace=2C_Ada?= <ada@example.net>"),
        ("É", "=?utf-8?b?w4k=?= <ada@example.net>"),
        ("=?utf-8?q?Ada?=", "=?utf-8?b?PT91dGYtOD9xP0FkYT89?= <ada@example.net>"),
    ],
)
def test_a_recipient_s_name_has_no_quotes(name: str | None, written: str) -> None:
    """Resend refuses them, so what would need them goes encoded."""
    body = RESEND.build(message(to=(Address(email="ada@example.net", name=name),))).body

    assert [written] == json.loads(body)["to"]


def test_a_sender_s_name_is_bare() -> None:
    """Here Resend refuses what is encoded as well."""
    body = RESEND.build(message(sender=Address(email="no-reply@example.org", name="Büro Dr. Ada"))).body

    assert "Büro Dr. Ada <no-reply@example.org>" == json.loads(body)["from"]


def test_no_text_is_made_of_the_html() -> None:
    """A message without a text stays one: an empty text keeps Resend from writing it."""
    assert "" == json.loads(RESEND.build(message(text=None, html="<p>Hello</p>")).body)["text"]


def test_a_word_said_twice_is_one_tag() -> None:
    """The same name with the same value says nothing new."""
    plan = Tag(name="plan", value="pro")
    body = RESEND.build(message(tags=(plan, plan), metadata={"plan": "pro"})).body

    assert ["message_id", "plan"] == [tag["name"] for tag in json.loads(body)["tags"]]


def attached(filename: str, content_type: str) -> SendEmail:
    file = Attachment(filename=filename, content=EVERY_BYTE, content_type=content_type)
    return message(attachments=(file,))


@pytest.mark.parametrize(("filename", "content_type"), [("data.txt", "text/csv"), ("logo.png", "image/jpeg")])
def test_a_file_whose_name_belies_its_type_is_refused(filename: str, content_type: str) -> None:
    """Resend would accept the message, and drop it without a word."""
    with pytest.raises(UnsupportedError, match="drops a message"):
        RESEND.build(attached(filename, content_type))


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("data.csv", "text/csv"),
        ("data.CSV", "text/csv; charset=utf-8"),
        ("photo.jpg", "image/jpeg"),
        ("photo.jpg", "image/jpg"),
        ("feed.xml", "application/xml"),
        ("feed.xml", "text/xml"),
        ("all.tar.gz", "application/gzip"),
        ("all.tgz", "application/gzip"),
        ("all.zip", "application/x-zip-compressed"),
        ("data.txt", "application/octet-stream"),
        ("logo@example.org", "image/png"),
        ("README", "text/plain"),
    ],
)
def test_a_file_whose_name_and_type_may_go_together_is_sent(filename: str, content_type: str) -> None:
    """Only a clear contradiction counts: what nobody knows for certain is left to Resend."""
    RESEND.build(attached(filename, content_type))


def test_fifty_recipients_in_to_are_as_many_as_it_takes() -> None:
    """Others may be in Cc and Bcc."""
    RESEND.build(message(to=people(50), cc=people(1)))
