"""The fake of Mailgun answers as Mailgun does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.fakes import FakeMailgun, faults
from tests.fakes.calls import KEY, Sending, perform, send
from tests.fakes.calls.mailgun import AUTHORIZATION, PATH, call

WITHOUT_ID: dict[str, Any] = {"h:Message-Id": []}
TWO: dict[str, Any] = {
    "to": ["Ada <ada@example.net>", "bob@example.net"],
    "subject": ["Hi %recipient.name%"],
    "h:Message-Id": ["<%recipient.id%@example.org>"],
    "v:message_id": ["%recipient.id%"],
    "recipient-variables": [
        json.dumps({"ada@example.net": {"id": "a", "name": "Ada"}, "bob@example.net": {"id": "b"}})
    ],
}


def search(query: str, authorization: str = AUTHORIZATION) -> Sending:
    path = f"/v3/mail.example.org/events?{query}"
    return Sending(path, b"", {"authorization": authorization}, None, "GET")


async def test_the_id_is_the_one_that_was_given(client: httpx.AsyncClient) -> None:
    """In angle brackets, which its events leave out; without one Mailgun makes its own."""
    async with FakeMailgun(api_key=KEY) as fake:
        given = await send(client, fake)
        made = await perform(client, fake, call(**WITHOUT_ID))

    assert (200, {"id": "<m-1@example.org>", "message": "Queued. Thank you."}) == (
        given.status_code,
        given.json(),
    )
    assert ["m-1@example.org", made.json()["id"].strip("<>")] == [
        entry.provider_message_id for entry in fake.record
    ]
    assert made.json()["id"].endswith("@mail.example.org>")


@pytest.mark.parametrize(
    ("path", "authorization", "status", "body"),
    [
        (PATH, "", 401, b"Forbidden"),
        (PATH, "Basic YXBpOm90aGVy", 401, b"Forbidden"),
        (PATH, "Bearer x", 401, b"Forbidden"),
        ("/v3/other.example.org/messages", AUTHORIZATION, 404, b'{"message":"Domain not found: '),
        ("/v3/mail.example.org/message", AUTHORIZATION, 200, b"Mailgun Magnificent API"),
        ("/v3/mail.example.org%2Fx/messages", AUTHORIZATION, 200, b"Mailgun Magnificent API"),
    ],
)
async def test_a_wrong_address_or_key_takes_nothing_over(
    client: httpx.AsyncClient, path: str, authorization: str, status: int, body: bytes
) -> None:
    """A path that is none is answered with 200 all the same."""
    sending = call()
    sending = replace(sending, path=path, headers={**sending.headers, "authorization": authorization})
    async with FakeMailgun(api_key=KEY) as fake:
        answer = await perform(client, fake, sending)

    assert status == answer.status_code
    assert answer.content.startswith(body)
    assert () == fake.record


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"from": []}, "from parameter is missing"),
        ({"to": []}, "to parameter is missing"),
        ({"to": ["nobody"]}, "to parameter is not a valid address. please check documentation"),
        ({"text": []}, "Need at least one of 'text' or 'html' parameters specified"),
        ({"bcc": [f"u{number}@x.org" for number in range(1000)]}, "Too many recipients, max is 1000"),
        ({"recipient-variables": ["{"]}, "'recipient-variables' parameter is not a valid JSON"),
        ({"h:Größe": ["1"]}, "Header name must be pure ASCII: h:Größe"),
        (
            {"v:x": ["x" * 16_384]},
            "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total",
        ),
    ],
)
async def test_mailgun_validates(client: httpx.AsyncClient, changes: dict[str, Any], words: str) -> None:
    """What the real one refuses is refused with 400 and the same words."""
    async with FakeMailgun(api_key=KEY) as fake:
        answer = await perform(client, fake, call(**changes))

    assert (400, {"message": words}) == (answer.status_code, answer.json())
    assert () == fake.record


async def test_an_unverified_domain_sends_nothing(client: httpx.AsyncClient) -> None:
    """It is refused like a bad message, and only the words tell."""
    async with FakeMailgun(api_key=KEY) as fake:
        fake.unverified = True
        answer = await send(client, fake)

    assert 400 == answer.status_code
    assert "The domain is unverified" in answer.json()["message"]


async def test_a_batch_is_a_copy_for_each_recipient(client: httpx.AsyncClient) -> None:
    """With its own variables filled in; one that it has not stays as it is."""
    async with FakeMailgun(api_key=KEY) as fake:
        answer = await perform(client, fake, call(**TWO))

    assert "<%recipient.id%@example.org>" == answer.json()["id"]
    assert [("a", "a@example.org"), ("b", "b@example.org")] == [
        (entry.message_id, entry.provider_message_id) for entry in fake.record
    ]
    assert [["Hi Ada"], ["Hi %recipient.name%"]] == [entry.payload["subject"] for entry in fake.record]
    assert [["Ada <ada@example.net>"], ["bob@example.net"]] == [entry.payload["to"] for entry in fake.record]


async def test_an_address_that_is_named_twice_gets_one_copy(client: httpx.AsyncClient) -> None:
    """Its variables are told by the address, and the second message is lost."""
    async with FakeMailgun(api_key=KEY) as fake:
        await perform(client, fake, call(**{**TWO, "to": ["ada@example.net", "Ada <ada@example.net>"]}))

    assert ["a"] == [entry.message_id for entry in fake.record]


async def test_a_limit_names_the_moment_when_it_ends(client: httpx.AsyncClient) -> None:
    """In words alone, some seconds after the answer's own date."""
    async with FakeMailgun(api_key=KEY) as fake:
        fake.script(faults.refuse(429))
        answer = await send(client, fake)

    assert "limit exceeded, try again after " in answer.json()["message"]
    assert answer.json()["message"].endswith(" UTC")


async def test_events_are_found_by_the_id_without_brackets(client: httpx.AsyncClient) -> None:
    """With brackets the filter lets other events pass, and by another key there are none."""
    async with FakeMailgun(api_key=KEY) as fake:
        await send(client, fake)
        ours, none, others = [
            (await perform(client, fake, search(f"ascending=yes&message-id={each}"))).json()
            for each in ("m-1@example.org", "m-2@example.org", "%3Cm-1@example.org%3E")
        ]
        refused = await perform(
            client, fake, search("ascending=yes&message-id=m-1@example.org", "Basic eDp5")
        )

    assert ["m-1@example.org"] == [each["message"]["headers"]["message-id"] for each in ours["items"]]
    assert [] == none["items"]
    assert 1 == len(others["items"])
    assert "m-1" not in str(others["items"])
    assert (401, b"Forbidden") == (refused.status_code, refused.content)


@pytest.mark.parametrize(
    ("query", "status", "count"),
    [("", 400, None), ("&ascending=yes&begin=9999999999", 200, 0), ("&ascending=yes&begin=0", 200, 1)],
)
async def test_events_are_searched_from_a_moment_on(
    client: httpx.AsyncClient, query: str, status: int, count: int | None
) -> None:
    """The direction has to be said, and what is older is not shown."""
    async with FakeMailgun(api_key=KEY) as fake:
        await send(client, fake)
        answer = await perform(client, fake, search(f"message-id=m-1@example.org{query}"))

    assert status == answer.status_code
    assert count is None or count == len(answer.json()["items"])
