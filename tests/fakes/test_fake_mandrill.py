"""The fake of Mandrill answers and validates as Mandrill."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes import FakeMandrill
from tests.fakes.calls import KEY, perform, send
from tests.fakes.calls.sending import of_json


async def test_mandrill_answers_as_mandrill(client: httpx.AsyncClient) -> None:
    """Success is 200 with a row for each recipient: sent, on the list, or no address at all."""
    to = [{"email": "ada@example.net"}, {"email": "spammed@example.net"}, {"email": "nobody"}]
    async with FakeMandrill(api_key=KEY) as fake:
        fake.denylist["spammed@example.net"] = "spam"
        answer = await send(client, fake, to=to)

    rows = answer.json()
    assert 200 == answer.status_code
    assert [("sent", None), ("rejected", "spam"), ("invalid", None)] == [
        (row["status"], row["reject_reason"]) for row in rows
    ]
    assert "_id" not in rows[2]
    assert fake.record[0].provider_message_id == rows[0]["_id"]


async def test_mandrill_queues_many_and_large(client: httpx.AsyncClient) -> None:
    """More than ten recipients, or attachments, are queued and say why."""
    many = [{"email": f"user{number}@example.net"} for number in range(11)]
    file = {"type": "text/plain", "name": "a", "content": "YQ=="}
    async with FakeMandrill(api_key=KEY) as fake:
        first = (await send(client, fake, to=many)).json()
        second = (await send(client, fake, attachments=[file])).json()

    assert {("queued", "multiple-recipients")} == {(row["status"], row["queued_reason"]) for row in first}
    assert {("queued", "attachments")} == {(row["status"], row["queued_reason"]) for row in second}


async def test_mandrill_takes_nothing_over_when_all_are_rejected(client: httpx.AsyncClient) -> None:
    """200 is no success in itself."""
    async with FakeMandrill(api_key=KEY) as fake:
        answer = await send(client, fake, to=[{"email": "reject@test.mandrillapp.com"}])

    assert 200 == answer.status_code
    assert () == fake.record


@pytest.mark.parametrize(
    "changes",
    [
        {"to": []},
        {"from_email": "nobody"},
        {"tags": ["_own"]},
        {"tags": ["x" * 51]},
        {"metadata": {"a": "x" * 250}},
        {"images": [{"type": "text/plain", "name": "a", "content": ""}]},
    ],
)
async def test_mandrill_validates(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    """What the real one refuses is a ValidationError with status 500."""
    async with FakeMandrill(api_key=KEY) as fake:
        answer = await send(client, fake, **changes)

    assert 500 == answer.status_code
    assert ("error", "ValidationError") == (answer.json()["status"], answer.json()["name"])
    assert () == fake.record


async def search(client: httpx.AsyncClient, fake: FakeMandrill, query: str, **changes: Any) -> httpx.Response:
    arguments = {"key": KEY, "query": query, **changes}
    return await perform(client, fake, of_json("/api/1.0/messages/search.json", arguments))


async def test_mandrill_is_searched_by_recipient_and_by_metadata(client: httpx.AsyncClient) -> None:
    """Each recipient has a row; metadata that are not registered are neither found nor shown."""
    to = [{"email": "ada@example.net"}, {"email": "b@example.net"}]
    async with FakeMandrill(api_key=KEY) as fake:
        await send(client, fake, "m-1", to=to)
        await send(client, fake, "m-2")
        of_ada = (await search(client, fake, 'email:"ADA@example.net"')).json()
        ours = (await search(client, fake, 'u_message_id:"m-1" OR email:"nobody@example.net"')).json()
        fake.registered = False
        lost = (await search(client, fake, 'u_message_id:"m-1"')).json()
        bare = (await search(client, fake, 'email:"b@example.net"')).json()

    ids = [entry.provider_message_id for entry in fake.record]
    assert ids == [row["_id"] for row in of_ada]
    assert [("ada@example.net", "m-1"), ("b@example.net", "m-1")] == [
        (row["email"], row["metadata"]["message_id"]) for row in ours
    ]
    assert [] == lost
    assert [[]] == [row["metadata"] for row in bare]


async def test_mandrill_s_search_has_a_range_and_a_limit(client: httpx.AsyncClient) -> None:
    """Days before, and rows beyond, are left out; nonsense is a ValidationError."""
    query = 'email:"ada@example.net"'
    async with FakeMandrill(api_key=KEY) as fake:
        await send(client, fake, "m-1")
        await send(client, fake, "m-2")
        limited = (await search(client, fake, query, limit=1)).json()
        tomorrow = (await search(client, fake, query, date_from="9999-01-01")).json()
        wrong = [
            await search(client, fake, query, **changes)
            for changes in ({"limit": 1001}, {"limit": 0}, {"date_from": "yesterday"})
        ]
        stranger = await search(client, fake, query, key="another")

    assert 1 == len(limited)
    assert [] == tomorrow
    assert ["ValidationError"] * 3 == [answer.json()["name"] for answer in wrong]
    assert "Invalid_Key" == stranger.json()["name"]
