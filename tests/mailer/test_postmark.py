"""Postmark's own ways."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

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
from services.mailer.providers.base import Absent, Batchable, Finding, Found, Response, Searchable, Unclear
from services.mailer.providers.postmark import Postmark
from shared.signatures import Address, Attachment
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
from tests.mailer.limits.values import people
from tests.mailer.made import KEY
from tests.mailer.places import post
from tests.mailer.samples import LITERAL, PLAIN, message

POSTMARK = Postmark(KEY, "https://provider.test")
SINCE = datetime(2026, 11, 22, 10, tzinfo=UTC)
ALONE = Deferred("the batch was refused: HTTP 422: 410: No.", None, Trouble.MESSAGE)
REFUSED = Rejected("HTTP 200: 300: No.")


def at(fake: FakePostmark) -> Postmark:
    return Postmark(KEY, fake.base_url)


def test_it_can_batch_and_be_searched_and_honours_no_keys() -> None:
    """What delivery may do with it is told by its type and traits."""
    assert isinstance(POSTMARK, Searchable)
    assert isinstance(POSTMARK, Batchable)
    assert (None, 500) == (POSTMARK.traits.key_window, POSTMARK.traits.batch_size)


def test_our_message_id_header_is_to_be_kept() -> None:
    """Otherwise Postmark puts its own in its place, and a second copy could not be told for one."""
    headers = json.loads(POSTMARK.build(PLAIN).body)["Headers"]

    assert {"Name": "X-PM-KeepID", "Value": "true"} in headers
    assert "Message-ID" in [header["Name"] for header in headers]


def test_a_name_that_looks_encoded_is_meant_as_it_stands() -> None:
    """It is encoded once more, so that the reader sees what the sender wrote."""
    sender = json.loads(POSTMARK.build(LITERAL).body)["From"]

    assert "=?utf-8?b?PT91dGYtOD9xP25vdF9lbmNvZGVkPz0=?= <no-reply@example.org>" == sender


def test_the_stream_is_the_account_s() -> None:
    """Newsletters have a stream of their own, and are searched for there."""
    broadcast = Postmark(KEY, message_stream="broadcast")

    assert "broadcast" == json.loads(broadcast.build(PLAIN).body)["MessageStream"]
    assert "messagestream=broadcast" in broadcast.build_search(PLAIN, SINCE).url
    assert broadcast.shared(PLAIN) != POSTMARK.shared(PLAIN)


@pytest.mark.parametrize("code", [100, 429])
def test_what_passes_says_whose_trouble_it_is(code: int) -> None:
    """Maintenance is the provider's; a code for the pace is the account's, under any status."""
    outcome = POSTMARK.read(says(code))

    assert isinstance(outcome, Deferred)
    assert {100: Trouble.PROVIDER, 429: Trouble.PACE}[code] is outcome.trouble


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


def test_fifty_recipients_are_as_many_as_it_takes() -> None:
    """To, Cc and Bcc together."""
    POSTMARK.build(message(to=people(20), cc=people(20), bcc=people(10)))


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


async def test_inactive_recipients_are_told_from_a_refused_message() -> None:
    """All inactive is suppressed; some inactive is accepted, and says how many."""
    inactive = Address(email="inactive@example.net")
    async with FakePostmark(api_key=KEY) as fake:
        alone = at(fake).read(await post(at(fake).build(message(to=(inactive,)))))
        mixed = at(fake).read(await post(at(fake).build(message(to=(inactive, *PLAIN.to)))))

    assert isinstance(alone, Suppressed)
    assert isinstance(mixed, Accepted)
    assert "example.net" not in alone.reason
    assert "not sent to 1 of the recipients: inactive after a hard bounce or a spam complaint" == mixed.reason


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer(200, {"TotalCount": 0, "Messages": []}), Absent),
        (answer(200, {"TotalCount": 3, "Messages": []}), Unclear),
        (answer(200, {"Messages": []}), Unclear),
        (answer(200, {"TotalCount": 0, "Messages": None}), Unclear),
        (answer(200, {"TotalCount": 1, "Messages": [{"MessageID": MESSAGE_ID, "Metadata": {}}]}), Unclear),
        (answer(200, {"TotalCount": 1, "Messages": [7]}), Unclear),
        (answer(200, []), Unclear),
        (answer(200, {}), Unclear),
        (Response(200, b'{"TotalCount":0,"Mess'), Unclear),
        (Response(200, b"<html></html>"), Unclear),
        (answer(404, {"TotalCount": 0, "Messages": []}), Unclear),
        (Response(500), Unclear),
        (says(10, 401), Unclear),
        (says(429, 429), Unclear),
    ],
)
def test_only_an_empty_list_says_that_there_is_none(response: Response, kind: type) -> None:
    """A search that failed, or was not understood, says nothing."""
    found = POSTMARK.read_search(response, PLAIN)

    assert kind is type(found), found


async def test_a_message_is_found_as_soon_as_the_index_has_it() -> None:
    """Until then the provider says in good faith that it has none, which is why delivery waits."""
    other = batch(2)[1]
    async with FakePostmark(api_key=KEY) as fake:
        provider = at(fake)

        async def search() -> Finding:
            request = provider.build_search(PLAIN, datetime.now(UTC) - timedelta(minutes=5))
            return provider.read_search(await post(request), PLAIN)

        await post(provider.build(other))
        before = await search()
        fake.script(faults.refuse(500, accept=True))
        fake.searching.lag = 60.0
        await post(provider.build(PLAIN))
        too_early = await search()
        fake.searching.lag = 0.0
        after = await search()

    assert Absent() == before
    assert Absent() == too_early
    assert Found(fake.record[1].provider_message_id) == after
