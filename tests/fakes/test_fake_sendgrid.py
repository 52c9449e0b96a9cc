"""The fake of SendGrid answers and validates as SendGrid."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes import FakeSendGrid, faults
from tests.fakes.calls import KEY, send


async def test_sendgrid_answers_as_sendgrid(client: httpx.AsyncClient) -> None:
    """Success is 202 with an empty body and an X-Message-Id of 22 characters."""
    async with FakeSendGrid(api_key=KEY) as fake:
        answer = await send(client, fake)

    assert (202, b"", "0") == (answer.status_code, answer.content, answer.headers["content-length"])
    assert 22 == len(answer.headers["x-message-id"])
    assert fake.record[0].provider_message_id == answer.headers["x-message-id"]


async def test_sendgrid_s_sandbox_takes_nothing_over(client: httpx.AsyncClient) -> None:
    """In sandbox mode a valid message is answered with 200 and goes nowhere."""
    async with FakeSendGrid(api_key=KEY) as fake:
        answer = await send(client, fake, mail_settings={"sandbox_mode": {"enable": True}})

    assert (200, b"") == (answer.status_code, answer.content)
    assert () == fake.record


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": "a@x.org"}], "cc": []}]}, "personalizations.0.cc"),
        ({"personalizations": [{"to": [{"email": "nobody"}]}]}, "personalizations.0.to.0.email"),
        (
            {"personalizations": [{"to": [{"email": "a@x.org"}], "bcc": [{"email": "A@x.org"}]}]},
            "personalizations.0",
        ),
        ({"personalizations": [{"to": [{"email": f"{n}@x.org"} for n in range(1001)]}]}, "personalizations"),
        ({"from": {}}, "from"),
        ({"subject": ""}, "subject"),
        ({"content": []}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        (
            {"content": [{"type": "text/html", "value": "a"}, {"type": "text/plain", "value": "a"}]},
            "content",
        ),
        ({"headers": {"Subject": "a"}}, "headers"),
        ({"headers": {"X-A": 1}}, "headers.X-A"),
        ({"categories": [str(number) for number in range(11)]}, "categories"),
        ({"custom_args": {"a": "x" * 10_000}}, "custom_args"),
        ({"custom_args": {"a": 1}}, None),
        ({"attachments": [{"content": "?", "filename": "a"}]}, "attachments.0.content"),
        ({"reply_to": {"email": "a@x.org"}, "reply_to_list": [{"email": "b@x.org"}]}, "reply_to_list"),
    ],
)
async def test_sendgrid_validates(
    client: httpx.AsyncClient, changes: dict[str, Any], field: str | None
) -> None:
    """What the real one refuses is refused with 400 and the field's name."""
    async with FakeSendGrid(api_key=KEY) as fake:
        answer = await send(client, fake, **changes)

    assert 400 == answer.status_code
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert () == fake.record
    assert 1 == len(fake.requests)


def several(*ids: str) -> list[dict[str, Any]]:
    return [
        {"to": [{"email": f"{each}@example.net"}], "custom_args": {"message_id": each}, "subject": each}
        for each in ids
    ]


async def test_sendgrid_takes_personalizations_as_a_batch(client: httpx.AsyncClient) -> None:
    """Each is a message with what is its own, and all of them have the one id of the answer."""
    async with FakeSendGrid(api_key=KEY) as fake:
        answer = await send(client, fake, personalizations=several("a", "b"))

    assert [("a", "a"), ("b", "b")] == [(each.message_id, each.payload["subject"]) for each in fake.record]
    assert ["a@example.net", "b@example.net"] == [
        each.payload["personalizations"][0]["to"][0]["email"] for each in fake.record
    ]
    assert {answer.headers["x-message-id"]} == {each.provider_message_id for each in fake.record}


async def test_sendgrid_takes_a_batch_as_a_whole_or_not_at_all(client: httpx.AsyncClient) -> None:
    """One bad address is everybody's, and a fault cannot refuse some of them either."""
    bad = {"to": [{"email": "nobody"}], "custom_args": {"message_id": "b"}}
    async with FakeSendGrid(api_key=KEY) as fake:
        refused = await send(client, fake, personalizations=[*several("a"), bad])
        fake.script(faults.partial(0))
        taken = await send(client, fake, personalizations=several("c", "d"))

    assert (400, 202) == (refused.status_code, taken.status_code)
    assert ["c", "d"] == [each.message_id for each in fake.record]


async def test_sendgrid_reads_a_personalization_s_own_arguments_first(client: httpx.AsyncClient) -> None:
    """They go before those of the whole request, of one message as of several."""
    async with FakeSendGrid(api_key=KEY) as fake:
        await send(client, fake, "shared", personalizations=several("own"))
        await send(client, fake, "shared", personalizations=[*several("a"), {"to": several("b")[0]["to"]}])

    assert ["own", "a", "shared"] == [each.message_id for each in fake.record]
