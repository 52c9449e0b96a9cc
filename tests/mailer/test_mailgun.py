"""Mailgun's own ways."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest

from services.mailer.outcome import Deferred, Trouble
from services.mailer.providers.base import Absent, Found, Response, Searchable, Unclear
from services.mailer.providers.mailgun import Mailgun
from tests.fakes import FakeMailgun, faults
from tests.mailer.answers.answer import DATE, RESET
from tests.mailer.answers.mailgun import AGAIN, LIMITED, says
from tests.mailer.limits.values import people, tags
from tests.mailer.made import KEY, made
from tests.mailer.places import post
from tests.mailer.samples import FULL, MESSAGE_ID, PLAIN, message

OURS = f"{MESSAGE_ID}@example.org"
SINCE = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.fixture
async def fake() -> AsyncIterator[FakeMailgun]:
    async with FakeMailgun(api_key=KEY) as fake:
        yield fake


def mailgun(base_url: str = "https://provider.test") -> Mailgun:
    return cast("Mailgun", made("mailgun", base_url))


def test_mailgun_s_limits_may_be_reached() -> None:
    """A thousand recipients and ten tags are as many as it takes."""
    mailgun().build(message(to=people(1000), tags=tags(10)))


def test_the_domain_is_a_part_of_the_path() -> None:
    """And of that alone: another domain has another account."""
    url = Mailgun(KEY, "mail.example.org/../x", "https://api.eu.mailgun.net").build(PLAIN).url

    assert "https://api.eu.mailgun.net/v3/mail.example.org%2F..%2Fx/messages" == url


@pytest.mark.parametrize(
    ("hints", "seconds"),
    [
        ({"retry-after": "2", "x-ratelimit-reset": RESET, "date": DATE}, 2.0),
        ({"x-ratelimit-reset": f"{RESET}.5", "date": DATE}, 7.5),
        ({"date": DATE}, 7.0),
        ({}, None),
    ],
)
def test_the_wait_is_the_headers_or_the_words(hints: dict[str, str], seconds: float | None) -> None:
    """Where no header says it, the message names the moment, which counts from the answer's date."""
    told = says(429, LIMITED.format("recipient", AGAIN))
    outcome = mailgun().read(Response(429, told.body, hints))

    assert isinstance(outcome, Deferred)
    assert (seconds, Trouble.PACE) == (outcome.retry_after, outcome.trouble)


def test_a_search_asks_for_our_message_id_without_brackets() -> None:
    """With them the filter lets every event pass: https://github.com/mailgun/mailgun.js/issues/296."""
    request = mailgun().build_search(PLAIN, SINCE)
    url = urlsplit(request.url)

    assert ("GET", b"", "/v3/mail.example.org/events") == (request.method, request.body, url.path)
    assert {"message-id": [OURS], "begin": ["1795341600"], "ascending": ["yes"], "limit": ["5"]} == parse_qs(
        url.query
    )
    assert request.headers["Authorization"] == mailgun().build(PLAIN).headers["Authorization"]


async def test_what_mailgun_took_is_found(fake: FakeMailgun) -> None:
    """By the id that its outcome had; and what it did not take is absent."""
    provider = mailgun(fake.base_url)
    since = datetime.now(UTC) - timedelta(hours=1)
    absent = provider.read_search(await post(provider.build_search(FULL, since)), FULL)
    await post(provider.build(FULL))
    found = provider.read_search(await post(provider.build_search(FULL, since)), FULL)

    assert Absent() == absent
    assert Found(OURS) == found
    assert OURS == fake.record[0].provider_message_id


async def test_a_message_of_a_batch_is_found(fake: FakeMailgun) -> None:
    """Each has the id that it would have had alone."""
    provider = mailgun(fake.base_url)
    other = message(message_id="019a9d5e-7b2c-7def-8abc-0123456789ac", to=people(1))
    await post(provider.build_batch([PLAIN, other]))
    search = provider.build_search(other, datetime.now(UTC) - timedelta(hours=1))

    assert Found("019a9d5e-7b2c-7def-8abc-0123456789ac@example.org") == provider.read_search(
        await post(search), other
    )


@pytest.mark.parametrize(
    "fault",
    [
        faults.refuse(401),
        faults.refuse(404),
        faults.refuse(429),
        faults.refuse(500),
        faults.page(200),
        faults.truncated(),
        faults.redirect(),
    ],
)
async def test_a_search_that_fails_says_nothing_about_the_message(
    fake: FakeMailgun, fault: faults.Fault
) -> None:
    """Absent is the word for a page of events without one, and for nothing else."""
    fake.searching.script(fault)
    provider = mailgun(fake.base_url)

    assert isinstance(provider.read_search(await post(provider.build_search(PLAIN, SINCE)), PLAIN), Unclear)


@pytest.mark.parametrize(
    "page",
    [
        {"items": [{"message": {"headers": {"message-id": "1@x.org"}}}], "paging": {}},
        {"items": [None, 7, {"message": None}], "paging": {}},
        {"items": {}, "paging": {}},
        {"items": None, "paging": {}},
        {"items": []},
        {"paging": {}},
        [],
    ],
)
def test_events_of_other_messages_prove_nothing(page: object) -> None:
    """A filter that was not understood would show them, and ours might stand on the next page."""
    assert isinstance(mailgun().read_search(Response(200, json.dumps(page).encode()), PLAIN), Unclear)


def test_ours_may_stand_among_others() -> None:
    """One event of ours is enough, with brackets or without."""
    page = {"items": [{"message": {"headers": {"message-id": each}}} for each in ("1@x.org", f"<{OURS}>")]}
    body = json.dumps({**page, "paging": {}}).encode()

    assert Found(OURS) == mailgun().read_search(Response(200, body), PLAIN)


def test_mailgun_can_be_searched() -> None:
    """So a message in doubt is looked for, before it is sent again."""
    assert isinstance(mailgun(), Searchable)
