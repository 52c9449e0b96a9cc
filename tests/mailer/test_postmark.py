"""Postmark's own ways."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.mailer.outcome import (
    Accepted,
    Deferred,
    Suppressed,
    Trouble,
)
from services.mailer.providers.base import Absent, Batchable, Finding, Found, Response, Searchable, Unclear
from services.mailer.providers.postmark import Postmark
from shared.signatures import Address, Attachment
from tests.fakes import FakePostmark, faults
from tests.mailer.answers.postmark import (
    MESSAGE_ID,
    answer,
    says,
)
from tests.mailer.batches import batch
from tests.mailer.limits.values import people
from tests.mailer.made import KEY
from tests.mailer.places import post
from tests.mailer.samples import EVERY_BYTE, LITERAL, PLAIN, message

POSTMARK = Postmark(KEY, "https://provider.test")
SINCE = datetime(2026, 11, 22, 10, tzinfo=UTC)


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


def test_a_picture_is_named_as_the_html_names_it() -> None:
    """What the HTML shows as cid:logo has just that for its content id."""
    picture = Attachment(filename="a.png", content=EVERY_BYTE, content_type="image/png", content_id="logo")
    (file,) = json.loads(POSTMARK.build(message(attachments=(picture,))).body)["Attachments"]

    assert ("a.png", "cid:logo") == (file["Name"], file["ContentID"])


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


def test_fifty_recipients_are_as_many_as_it_takes() -> None:
    """To, Cc and Bcc together."""
    POSTMARK.build(message(to=people(20), cc=people(20), bcc=people(10)))


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
