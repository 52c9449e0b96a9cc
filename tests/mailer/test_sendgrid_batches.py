"""SendGrid takes many messages in one request, by personalizations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.mailer.outcome import Accepted, Deferred, Trouble, Unauthorised, Uncertain
from services.mailer.providers.base import Response
from shared.signatures import Address, Tag
from tests.mailer.answers.sendgrid import says
from tests.mailer.bulk import alike, batchable, letters, read, sent
from tests.mailer.carried import meant
from tests.mailer.samples import FULL


async def test_each_message_arrives_whole() -> None:
    """Recipient, subject, headers with its Message-ID, and metadata are its own; the rest is shared."""
    messages = letters(
        3,
        attachments=FULL.attachments,
        tags=FULL.tags,
        reply_to=FULL.reply_to,
        headers={"X-Campaign": "Frühling"},
    )
    outcomes, arrived, fake = await sent("sendgrid", messages)

    assert [meant(message) for message in messages] == arrived
    assert 1 == len(fake.requests)
    assert [Accepted(entry.provider_message_id) for entry in fake.record] == outcomes


async def test_a_batch_may_be_as_large_as_a_request() -> None:
    """A thousand recipients are as many as SendGrid takes."""
    outcomes, arrived, _ = await sent("sendgrid", letters(1000))

    assert 1000 == len(outcomes) == len(arrived) == batchable("sendgrid").traits.batch_size
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)


@pytest.mark.parametrize(
    "fields",
    [
        {"cc": (Address(email="carl@example.net"),)},
        {"bcc": (Address(email="carl@example.net"),)},
        {"to": (Address(email="ada@example.net"), Address(email="carl@example.net"))},
    ],
)
def test_a_message_to_several_goes_alone(fields: dict[str, Any]) -> None:
    """A thousand of them would be more recipients than a request may have."""
    assert batchable("sendgrid").shared(letters(1, **fields)[0]) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"html": "<p>other</p>"},
        {"text": "other"},
        {"sender": Address(email="other@example.org")},
        {"reply_to": (Address(email="other@example.org"),)},
        {"tags": (Tag(name="other", value=""),)},
        {"attachments": FULL.attachments},
    ],
)
def test_what_recipients_read_has_to_be_the_same(fields: dict[str, Any]) -> None:
    """Messages that differ in it do not share a request."""
    assert alike("sendgrid", *letters(2))
    assert not alike("sendgrid", letters(1)[0], letters(1, **fields)[0])


def test_messages_may_differ_in_headers_and_metadata() -> None:
    """A personalization has headers and custom arguments of its own."""
    assert alike("sendgrid", letters(1)[0], letters(1, headers={"X-A": "1"}, metadata={"b": "2"})[0])


def test_equal_batches_give_equal_bytes() -> None:
    """As equal messages do."""
    assert batchable("sendgrid").build_batch(letters(3)) == batchable("sendgrid").build_batch(letters(3))


@pytest.mark.parametrize("answer", [says(400, "Bad Request"), says(413, "Payload too large")])
def test_a_refused_batch_refuses_none_of_its_members(answer: Response) -> None:
    """Nobody knows whom it was about, so each is tried again by itself."""
    outcomes = read("sendgrid", answer)

    assert [Trouble.MESSAGE] * 2 == [out.trouble for out in outcomes if isinstance(out, Deferred)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Response(202, b"", {"x-message-id": "abc"}), Accepted),
        (says(401, "revoked"), Unauthorised),
        (says(429, "too many requests"), Deferred),
        (Response(500), Uncertain),
        (Response(202, b"<html>login</html>"), Uncertain),
    ],
)
def test_other_answers_count_for_all(answer: Response, expected: type) -> None:
    """SendGrid takes all or none."""
    assert [expected] * 3 == [type(outcome) for outcome in read("sendgrid", answer, 3)]


def test_what_is_shared_is_said_once() -> None:
    """That is what a batch is for."""
    document = json.loads(batchable("sendgrid").build_batch(letters(9)).body)

    assert 1 == json.dumps(document, ensure_ascii=False).count("<p>Grüße</p>")
    assert 9 == len(document["personalizations"])
