"""Batches at Postmark: a list of answers, in the order of the messages."""

from __future__ import annotations

import json

import pytest

from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Suppressed,
    Trouble,
    Unauthorised,
    Uncertain,
)
from services.mailer.providers.base import Response
from services.mailer.providers.postmark import Postmark
from shared.signatures import Attachment
from tests.fakes import FakePostmark, faults
from tests.mailer.answers.postmark import (
    DELAYED,
    MESSAGE_ID,
    SOME_INACTIVE,
    answer,
    error,
    says,
    success,
    without,
)
from tests.mailer.batches import batch
from tests.mailer.made import KEY
from tests.mailer.places import post
from tests.mailer.samples import message

POSTMARK = Postmark(KEY, "https://provider.test")
ALONE = Deferred("the batch was refused: HTTP 422: 410: No.", 0.0, Trouble.MESSAGE)
REFUSED = Rejected("HTTP 200: 300: No.")


def at(fake: FakePostmark) -> Postmark:
    return Postmark(KEY, fake.base_url)


@pytest.mark.parametrize(
    ("response", "outcomes"),
    [
        (answer(200, [success(), success(MessageID="b")]), [Accepted(MESSAGE_ID), Accepted("b")]),
        (answer(200, [error(300), success()]), [REFUSED, Accepted(MESSAGE_ID)]),
        (
            answer(200, [error(406), success(SOME_INACTIVE)]),
            [
                Suppressed("HTTP 200: 406: No."),
                Accepted(
                    MESSAGE_ID,
                    "not sent to 2 of the recipients: inactive after a hard bounce or a spam complaint",
                ),
            ],
        ),
        (
            answer(200, [error(400), error(9999)]),
            [Unauthorised("HTTP 200: 400: No."), Rejected("HTTP 200: 9999: No.")],
        ),
        (
            answer(200, [without(success(DELAYED), "ErrorCode"), error(300)]),
            [Accepted(MESSAGE_ID, "delivery may be delayed"), REFUSED],
        ),
        (
            answer(200, [error(300), "?"]),
            [REFUSED, Uncertain("HTTP 200: not an answer that the provider gives")],
        ),
        (answer(200, [success()]), [Uncertain("HTTP 200: not an answer that the provider gives")] * 2),
        (
            answer(200, success()),
            [Uncertain("HTTP 200: the answer to one message, and the batch has more")] * 2,
        ),
        (Response(500), [Uncertain("HTTP 500: not an answer that the provider gives")] * 2),
        (Response(200, b"[{"), [Uncertain("HTTP 200: not an answer that the provider gives")] * 2),
        (says(410), [ALONE] * 2),
        (says(10, 401), [Unauthorised("HTTP 401: 10: No.")] * 2),
        (says(429, 429), [Deferred("HTTP 429: 429: No.", None, Trouble.PACE)] * 2),
    ],
)
def test_each_message_of_a_batch_has_its_own_outcome(response: Response, outcomes: list[Outcome]) -> None:
    """A refused one is refused by itself; what cannot be told apart is in doubt for all."""
    assert outcomes == POSTMARK.read_batch(response, batch(2))


def test_a_big_message_goes_alone() -> None:
    """500 of those that share a request stay below the 50 MB that it may have."""
    big = message(attachments=(Attachment(filename="a", content="A" * 110_000),))
    largest = message(text="x" * 103_000)

    assert POSTMARK.shared(big) is None
    assert POSTMARK.shared(largest) is not None
    assert len(POSTMARK.build_batch([largest] * 500).body) <= 50 * 1024 * 1024


async def test_a_batch_arrives_each_message_by_itself() -> None:
    """What a batch carries equals what its messages would be alone."""
    messages = batch(3)
    async with FakePostmark(api_key=KEY) as fake:
        provider = at(fake)
        fake.script(faults.partial(1))
        outcomes = provider.read_batch(await post(provider.build_batch(messages)), messages)

    alone = [json.loads(provider.build(each).body) for each in (messages[0], messages[2])]
    assert alone == [entry.payload for entry in fake.record]
    assert [Accepted, Rejected, Accepted] == [type(outcome) for outcome in outcomes]
    taken = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
    assert [entry.provider_message_id for entry in fake.record] == [
        each.provider_message_id for each in taken
    ]
