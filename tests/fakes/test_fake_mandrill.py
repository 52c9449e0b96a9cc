"""The fake of Mandrill answers and validates as Mandrill."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes import FakeMandrill
from tests.fakes.calls import KEY, send


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
