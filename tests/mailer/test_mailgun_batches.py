"""Mailgun takes many messages in one form, by recipient variables."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from services.mailer.outcome import Accepted, Deferred, Rejected, Trouble, Unauthorised, Uncertain
from services.mailer.providers.base import Response, UnsupportedError
from shared.signatures import Address, Attachment, Tag
from tests.fakes import FakeMailgun
from tests.mailer.answers.answer import json_response
from tests.mailer.answers.mailgun import says
from tests.mailer.bulk import alike, batchable, letters, read, sent
from tests.mailer.carried import meant
from tests.mailer.made import KEY
from tests.mailer.places import post
from tests.mailer.samples import FULL

TRAP = "%recipient.message_id%"


async def test_each_message_arrives_whole() -> None:
    """Recipient, subject, Message-ID and metadata are its own; the rest is shared."""
    messages = letters(
        3,
        attachments=FULL.attachments,
        tags=FULL.tags,
        reply_to=FULL.reply_to,
        headers={"X-Campaign": "Frühling"},
    )
    messages[1] = messages[1].model_copy(update={"metadata": {"order": 'a "b" %'}})
    outcomes, arrived, fake = await sent("mailgun", messages)

    assert [meant(message) for message in messages] == arrived
    assert 1 == len(fake.requests)
    assert [Accepted(entry.provider_message_id) for entry in fake.record] == outcomes
    assert [str(message.message_id) for message in messages] == [entry.message_id for entry in fake.record]


async def test_every_message_of_a_batch_has_its_own_message_id() -> None:
    """The one id of the answer is a pattern; each is named by the header that it would have alone."""
    outcomes, _, _ = await sent("mailgun", letters(2))

    assert [Accepted(f"{message.message_id}@example.org") for message in letters(2)] == outcomes


async def test_a_batch_may_be_as_large_as_mailgun_takes() -> None:
    """A thousand recipients."""
    outcomes, arrived, _ = await sent("mailgun", letters(1000))

    assert 1000 == len(outcomes) == len(arrived) == batchable("mailgun").traits.batch_size


@pytest.mark.parametrize(
    "fields",
    [
        {"cc": (Address(email="carl@example.net"),)},
        {"bcc": (Address(email="carl@example.net"),)},
        {"to": (Address(email="ada@example.net"), Address(email="carl@example.net"))},
        {"text": f"Your number is {TRAP}"},
        {"html": f"<p>{TRAP.upper()}</p>"},
        {"subject": "100 %recipient"},
        {"sender": Address(email="no-reply@example.org", name=TRAP)},
        {"headers": {"X-A": TRAP}},
        {"metadata": {"a": TRAP}},
        {"tags": (Tag(name=TRAP, value=""),)},
        {"attachments": (Attachment(filename="a", content=base64.b64encode(TRAP.encode()).decode()),)},
    ],
)
def test_what_a_batch_would_change_goes_alone(fields: dict[str, Any]) -> None:
    """A text that says %recipient means it literally, and a recipient shares a copy with nobody."""
    assert batchable("mailgun").shared(letters(1, **fields)[0]) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"html": "<p>other</p>"},
        {"text": "other"},
        {"sender": Address(email="other@example.org")},
        {"reply_to": (Address(email="other@example.org"),)},
        {"tags": (Tag(name="other", value=""),)},
        {"attachments": FULL.attachments},
        {"headers": {"X-A": "1"}},
        {"metadata": {"another": "1"}},
    ],
)
def test_what_has_no_variable_has_to_be_the_same(fields: dict[str, Any]) -> None:
    """Messages that differ in it do not share a form."""
    assert alike("mailgun", *letters(2))
    assert not alike("mailgun", letters(1)[0], letters(1, **fields)[0])


@pytest.mark.parametrize("email", ["user0@example.net", "USER0@example.net"])
def test_two_messages_to_one_address_do_not_share_a_form(email: str) -> None:
    """The variables are told by the address, so one of the two would be lost."""
    messages = letters(2)
    messages[1] = messages[1].model_copy(update={"to": (Address(email=email),)})

    with pytest.raises(UnsupportedError, match="only once"):
        batchable("mailgun").build_batch(messages)


def test_a_batch_has_the_limits_of_a_message() -> None:
    """What fits alone by a hair may not fit with variables in its place."""
    messages = letters(2, metadata={f"k{number}": "" for number in range(1200)})

    with pytest.raises(UnsupportedError, match="16 kB"):
        batchable("mailgun").build_batch(messages)


def test_equal_batches_give_equal_bytes() -> None:
    """As equal messages do."""
    assert batchable("mailgun").build_batch(letters(3)) == batchable("mailgun").build_batch(letters(3))


@pytest.mark.parametrize(
    "answer",
    [
        says(400, "to parameter is not a valid address. please check documentation"),
        says(413, "request size exceeds 52.4MiB limit"),
        says(403, "Domain x.org is not allowed to send large batches yet"),
    ],
)
def test_a_refused_batch_refuses_none_of_its_members(answer: Response) -> None:
    """Nobody knows whom it was about, so each is tried again by itself."""
    outcomes = read("mailgun", answer)

    assert [Trouble.MESSAGE] * 2 == [out.trouble for out in outcomes if isinstance(out, Deferred)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json_response(200, f'{{"id":"<{TRAP}@example.org>","message":"Queued. Thank you."}}'), Accepted),
        (Response(401, b"Forbidden"), Unauthorised),
        (says(403, "Rejected: IP 192.0.2.1 can't be used to send the message"), Unauthorised),
        (says(429, "Domain x.org is not allowed to send: recipient limit exceeded"), Deferred),
        (Response(500), Uncertain),
        (Response(200, b"<html>login</html>"), Uncertain),
    ],
)
def test_other_answers_count_for_all(answer: Response, expected: type) -> None:
    """Mailgun takes all or none."""
    assert [expected] * 3 == [type(outcome) for outcome in read("mailgun", answer, 3)]


async def test_a_domain_too_young_for_batches_sends_its_mail_one_by_one() -> None:
    """The account is well, so nothing pauses."""
    messages = letters(2)
    async with FakeMailgun(api_key=KEY) as fake:
        fake.small_batches_only = True
        provider = batchable("mailgun", fake.base_url)
        together = provider.read_batch(await post(provider.build_batch(messages)), messages)
        alone = [provider.read(await post(provider.build(message))) for message in messages]

    assert [Deferred, Deferred] == [type(outcome) for outcome in together]
    assert [Accepted, Accepted] == [type(outcome) for outcome in alone]
    assert not any(isinstance(outcome, Rejected) for outcome in together)
