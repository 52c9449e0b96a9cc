"""Amazon SES takes many messages in one request, by a template without variables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.mailer.outcome import Accepted, Deferred, Rejected, Trouble, Unauthorised, Uncertain
from services.mailer.providers.base import Response, UnsupportedError
from shared.signatures import Address, Tag
from tests.fakes import FakeSes, faults
from tests.mailer.answers.ses import says
from tests.mailer.bulk import alike, batchable, letters, read, sent
from tests.mailer.carried import meant
from tests.mailer.made import KEY
from tests.mailer.places import post
from tests.mailer.samples import FULL

SAME: dict[str, Any] = {"subject": "Grüße"}


def results(*statuses: str) -> Response:
    entries = [
        {"Status": status, "MessageId": f"id-{place}"} if status == "SUCCESS" else {"Status": status}
        for place, status in enumerate(statuses)
    ]
    return Response(200, json.dumps({"BulkEmailEntryResults": entries}).encode())


async def test_each_message_arrives_whole() -> None:
    """Recipients, headers, tags and metadata are its own; all but the Message-ID, which is Amazon's."""
    messages = letters(
        3,
        **SAME,
        cc=FULL.cc,
        bcc=FULL.bcc,
        reply_to=FULL.reply_to,
        tags=FULL.tags,
        headers={"X-A": "1"},
    )
    outcomes, arrived, fake = await sent("ses", messages)
    expected = [meant(message) for message in messages]
    for each in expected:
        del each.headers["Message-ID"]

    assert expected == arrived
    assert 1 == len(fake.requests)
    assert [Accepted(entry.provider_message_id) for entry in fake.record] == outcomes
    assert [str(message.message_id) for message in messages] == [entry.message_id for entry in fake.record]


async def test_a_batch_may_be_as_large_as_amazon_takes() -> None:
    """Fifty messages."""
    outcomes, arrived, _ = await sent("ses", letters(50, **SAME))

    assert 50 == len(outcomes) == len(arrived) == batchable("ses").traits.batch_size


async def test_a_partly_refused_batch_fails_its_own_members_alone() -> None:
    """The others are on their way."""
    messages = letters(3, **SAME)
    async with FakeSes(api_key=KEY) as fake:
        fake.script(faults.partial(1))
        provider = batchable("ses", fake.base_url)
        outcomes = provider.read_batch(await post(provider.build_batch(messages)), messages)

    assert [Accepted, Rejected, Accepted] == [type(outcome) for outcome in outcomes]
    assert [str(messages[0].message_id), str(messages[2].message_id)] == [
        entry.message_id for entry in fake.record
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "Hello {{name}}"},
        {"text": "{{"},
        {"html": "<p>{{{raw}}}</p>"},
        {"subject": ""},
        {"text": None, "html": None},
        {"attachments": FULL.attachments},
        {"headers": {"X-A": "größe"}},
        {"headers": {"X-A": ""}},
        {"headers": {"X-A": "a" * 994}},
        {"headers": {"X" * 127: "a"}},
        {"headers": {f"X-{number}": "a" for number in range(16)}},
    ],
)
def test_what_a_template_cannot_hold_goes_alone(fields: dict[str, Any]) -> None:
    """As the letter that it is, it can have all of this."""
    messages = letters(1, **{**SAME, **fields})

    assert batchable("ses").shared(messages[0]) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "Other"},
        {"html": "<p>other</p>"},
        {"text": "other"},
        {"sender": Address(email="other@example.org")},
        {"reply_to": (Address(email="other@example.org"),)},
    ],
)
def test_what_the_template_says_has_to_be_the_same(fields: dict[str, Any]) -> None:
    """Messages that differ in it do not share a request."""
    assert alike("ses", *letters(2, **SAME))
    assert not alike("ses", letters(1, **SAME)[0], letters(1, **{**SAME, **fields})[0])


def test_messages_may_differ_in_headers_and_tags() -> None:
    """Each entry has its own."""
    other = letters(1, **SAME, headers={"X-A": "1"}, tags=(Tag(name="a", value=""),), metadata={"b": "2"})

    assert alike("ses", letters(1, **SAME)[0], other[0])


def test_a_batch_is_of_a_megabyte_at_most() -> None:
    """More is refused before it is sent, and each goes alone."""
    messages = letters(
        50, **SAME, headers={f"X-{number}": "a" * 900 for number in range(15)}, text="x" * 400_000
    )

    with pytest.raises(UnsupportedError, match="1 MB"):
        batchable("ses").build_batch(messages)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("SUCCESS", Accepted("id-0")),
        ("MESSAGE_REJECTED", Rejected("MESSAGE_REJECTED")),
        ("MAIL_FROM_DOMAIN_NOT_VERIFIED", Unauthorised("MAIL_FROM_DOMAIN_NOT_VERIFIED")),
        ("CONFIGURATION_SET_NOT_FOUND", Unauthorised("CONFIGURATION_SET_NOT_FOUND")),
        ("ACCOUNT_SUSPENDED", Unauthorised("ACCOUNT_SUSPENDED")),
        ("INVALID_SENDING_POOL_NAME", Unauthorised("INVALID_SENDING_POOL_NAME")),
        ("ACCOUNT_SENDING_PAUSED", Unauthorised("ACCOUNT_SENDING_PAUSED")),
        ("CONFIGURATION_SET_SENDING_PAUSED", Unauthorised("CONFIGURATION_SET_SENDING_PAUSED")),
        ("ACCOUNT_DAILY_QUOTA_EXCEEDED", Unauthorised("ACCOUNT_DAILY_QUOTA_EXCEEDED", 900.0)),
        ("ACCOUNT_THROTTLED", Deferred("ACCOUNT_THROTTLED", 1.0, Trouble.PACE)),
        ("TRANSIENT_FAILURE", Deferred("TRANSIENT_FAILURE")),
        ("TEMPLATE_NOT_FOUND", Deferred("TEMPLATE_NOT_FOUND", 0.0, Trouble.MESSAGE)),
        ("INVALID_PARAMETER", Deferred("INVALID_PARAMETER", 0.0, Trouble.MESSAGE)),
        ("FAILED", Deferred("FAILED", 0.0, Trouble.MESSAGE)),
        ("PONDERED", Uncertain("PONDERED")),
    ],
)
def test_every_status_of_a_message_has_its_outcome(status: str, expected: object) -> None:
    """Each is told by itself; one that Amazon never gave leaves its message in doubt."""
    assert [expected, Accepted("id-1")] == read("ses", results(status, "SUCCESS"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"BulkEmailEntryResults": []}',
        b'{"BulkEmailEntryResults": [{"Status": "SUCCESS", "MessageId": "1"}]}',
        b'{"BulkEmailEntryResults": [null, 7]}',
        b'{"MessageId": "1"}',
        b"<html>login</html>",
        b'{"BulkEmailEntryResults": [{"Status": "SUC',
    ],
)
def test_results_that_cannot_be_told_apart_leave_all_in_doubt(body: bytes) -> None:
    """Something was taken over, perhaps, and nobody knows what."""
    assert [Uncertain, Uncertain] == [type(outcome) for outcome in read("ses", Response(200, body))]


@pytest.mark.parametrize(
    "answer", [says(400, "BadRequestException"), says(400, "MessageRejected"), Response(413)]
)
def test_a_refused_batch_refuses_none_of_its_members(answer: Response) -> None:
    """Nobody knows whom it was about, so each is tried again by itself."""
    outcomes = read("ses", answer)

    assert [Trouble.MESSAGE] * 2 == [out.trouble for out in outcomes if isinstance(out, Deferred)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (says(403, "ExpiredTokenException"), Unauthorised),
        (says(400, "ThrottlingException", "Maximum sending rate exceeded."), Deferred),
        (says(500, "InternalFailure"), Uncertain),
        (Response(503), Deferred),
    ],
)
def test_other_answers_count_for_all(answer: Response, expected: type) -> None:
    """An error is about the request as a whole."""
    assert [expected] * 3 == [type(outcome) for outcome in read("ses", answer, 3)]
