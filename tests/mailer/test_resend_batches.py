"""Batches at Resend: one key for all, an outcome for each."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Trouble,
    Unauthorised,
    Uncertain,
)
from services.mailer.providers.base import Response
from services.mailer.providers.resend import Resend
from shared.signatures import Attachment
from tests.fakes import FakeResend, faults
from tests.mailer.answers.answer import json_response
from tests.mailer.answers.resend import EMAIL_ID, says
from tests.mailer.batches import batch
from tests.mailer.made import KEY
from tests.mailer.places import post
from tests.mailer.samples import EVERY_BYTE, PLAIN, message

RESEND = Resend(KEY, "https://provider.test")
LOST = Uncertain("HTTP 200: nothing that tells one message from another")
REFUSED = Rejected("refused in a batch: Invalid `to` field.")


def at(fake: FakeResend) -> Resend:
    return Resend(KEY, fake.base_url)


def answer(**document: object) -> Response:
    return json_response(200, json.dumps(document))


def created(*ids: object) -> list[dict[str, object]]:
    return [{"id": each} for each in ids]


def refused(*places: object) -> list[dict[str, object]]:
    return [{"index": place, "message": "Invalid `to` field."} for place in places]


def test_the_key_of_a_batch_tells_its_members_and_their_order() -> None:
    """The same batch again has the same key and bytes; any other one has another."""
    messages = batch(3)
    keys = [
        RESEND.build_batch(members).headers["Idempotency-Key"]
        for members in (messages, messages[:2], messages[::-1])
    ]

    assert RESEND.build_batch(messages) == RESEND.build_batch(batch(3))
    assert 3 == len(set(keys))
    assert all(len(key) <= 256 for key in keys)
    assert str(messages[0].message_id) not in keys


async def test_a_repeated_batch_is_answered_as_the_first() -> None:
    """All its messages are on their way once, each with the id that it had from the beginning."""
    messages = batch(3)
    async with FakeResend(api_key=KEY) as fake:
        provider = at(fake)
        fake.script(faults.truncated())
        first, second = [
            provider.read_batch(await post(provider.build_batch(messages)), messages) for _ in range(2)
        ]

    assert [LOST] * 3 == first
    assert [Accepted(entry.provider_message_id) for entry in fake.record] == second


def test_a_batch_under_way_leaves_its_messages_in_doubt() -> None:
    """Alone they would have other keys, and could be sent a second time."""
    outcomes = RESEND.read_batch(says(409, "concurrent_idempotent_requests"), batch(2))

    assert [Uncertain, Uncertain] == [type(outcome) for outcome in outcomes]


@pytest.mark.parametrize(
    ("response", "outcomes"),
    [
        (answer(data=created("a", "b", "c")), [Accepted("a"), Accepted("b"), Accepted("c")]),
        (answer(data=created("a", "b", "c"), errors=[]), [Accepted("a"), Accepted("b"), Accepted("c")]),
        (answer(data=created("a", "c"), errors=refused(1)), [Accepted("a"), REFUSED, Accepted("c")]),
        (answer(data=created("c"), errors=refused(1, 0)), [REFUSED, REFUSED, Accepted("c")]),
        (answer(data=[], errors=refused(0, 1, 2)), [REFUSED, REFUSED, REFUSED]),
        (answer(data=created("a", "c")), [LOST, LOST, LOST]),
        (answer(data=created("a"), errors=refused(1)), [LOST, REFUSED, LOST]),
        (answer(data=created("a", "b", "c"), errors=refused(1)), [LOST, REFUSED, LOST]),
        (answer(data=created("a", "c"), errors=refused(7)), [LOST, LOST, LOST]),
        (answer(data=created("a", "c"), errors=refused(-1, 1.0, "1", None)), [LOST, LOST, LOST]),
        (
            answer(data=created("a", None, "c")),
            [Accepted("a"), Uncertain("HTTP 200: without an id, so not Resend's answer"), Accepted("c")],
        ),
        (answer(id=EMAIL_ID), [LOST, LOST, LOST]),
        (Response(200, b'{"data":[{"id":"a"'), [LOST, LOST, LOST]),
        (Response(500), [Uncertain("HTTP 500: not an answer that the provider gives")] * 3),
        (
            says(422, "validation_error"),
            [Deferred("the batch was refused: HTTP 422: validation_error: No.", 0.0, Trouble.MESSAGE)] * 3,
        ),
        (says(403, "invalid_api_key"), [Unauthorised("HTTP 403: invalid_api_key: No.")] * 3),
        (
            says(409, "invalid_idempotent_request"),
            [Uncertain("HTTP 409: invalid_idempotent_request: No.")] * 3,
        ),
    ],
)
def test_each_message_of_a_batch_has_its_own_outcome(response: Response, outcomes: list[Outcome]) -> None:
    """Refused ones are named by their place; where the rest cannot be told apart it is in doubt."""
    assert outcomes == RESEND.read_batch(response, batch(3))


async def test_a_batch_arrives_each_message_by_itself() -> None:
    """What a batch carries equals what its messages would be alone."""
    messages = batch(3)
    async with FakeResend(api_key=KEY) as fake:
        provider = at(fake)
        fake.script(faults.partial(1))
        outcomes = provider.read_batch(await post(provider.build_batch(messages)), messages)

    alone = [json.loads(provider.build(each).body) for each in (messages[0], messages[2])]
    assert alone == [entry.payload for entry in fake.record]
    first, third = (Accepted(entry.provider_message_id) for entry in fake.record)
    assert [first, REFUSED, third] == outcomes


def test_a_message_with_attachments_goes_alone() -> None:
    """A batch cannot carry them."""
    attached = message(attachments=(Attachment(filename="a", content=EVERY_BYTE),))

    assert RESEND.shared(attached) is None
    assert RESEND.shared(PLAIN) == RESEND.shared(message(message_id=UUID(int=7))) is not None
