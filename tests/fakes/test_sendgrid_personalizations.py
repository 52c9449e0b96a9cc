"""The fake of SendGrid takes personalizations as SendGrid does."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes import FakeSendGrid
from tests.fakes.calls import KEY, send


def people(*ids: str, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"to": [{"email": f"{each}@example.net"}], "custom_args": {"message_id": each}, **changes}
        for each in ids
    ]


async def test_each_personalization_is_a_message(client: httpx.AsyncClient) -> None:
    """With the id of the one answer, and with what it says itself before what all of them share."""
    own = people("a", "b")
    own[1] |= {"subject": "Ho", "headers": {"X-A": "2"}}
    async with FakeSendGrid(api_key=KEY) as fake:
        answer = await send(client, fake, personalizations=own, headers={"X-A": "1"})

    theirs = answer.headers["x-message-id"]
    assert [("a", theirs), ("b", theirs)] == [
        (entry.message_id, entry.provider_message_id) for entry in fake.record
    ]
    assert [("Hi", {"X-A": "1"}), ("Ho", {"X-A": "2"})] == [
        (entry.payload["subject"], entry.payload["headers"]) for entry in fake.record
    ]
    assert [{"to": [{"email": "b@example.net"}]}] == fake.record[1].payload["personalizations"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"personalizations": people(*(f"m{number}" for number in range(1001)))}, "personalizations"),
        ({"personalizations": people("a", "b", headers={"x-sg-id": "1"})}, "headers"),
        ({"personalizations": people("a", "b", custom_args={"a": "x" * 10_000})}, "custom_args"),
        ({"personalizations": people("a", "b", cc=[])}, "personalizations.0.cc"),
        ({"personalizations": people("a", "b"), "subject": ""}, "subject"),
    ],
)
async def test_one_bad_personalization_refuses_all(
    client: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    """Nothing of the request is taken over."""
    async with FakeSendGrid(api_key=KEY) as fake:
        answer = await send(client, fake, **changes)

    assert 400 == answer.status_code
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert () == fake.record


async def test_every_personalization_may_bring_a_subject(client: httpx.AsyncClient) -> None:
    """Then the request itself needs none."""
    async with FakeSendGrid(api_key=KEY) as fake:
        answer = await send(client, fake, personalizations=people("a", "b", subject="Hi"), subject="")

    assert 202 == answer.status_code
