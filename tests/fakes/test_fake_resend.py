"""The fake of Resend answers, validates and remembers keys as Resend."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.fakes import FakeResend, faults
from tests.fakes.bucket import Bucket
from tests.fakes.calls import KEY, perform, send
from tests.fakes.calls.resend import BEARER, batch, email, keyed
from tests.fakes.calls.sending import Sending, of_json


def name(answer: httpx.Response) -> str:
    return str(answer.json()["name"])


async def test_resend_answers_as_resend(client: httpx.AsyncClient) -> None:
    """Success is 200 with an id and nothing else."""
    async with FakeResend(api_key=KEY) as fake:
        answer = await send(client, fake)

    assert 200 == answer.status_code
    assert {"id": fake.record[0].provider_message_id} == answer.json()


async def test_resend_answers_a_known_key_as_before(client: httpx.AsyncClient) -> None:
    """The same bytes give the same answer, other bytes a conflict, and one message is sent."""
    async with FakeResend(api_key=KEY) as fake:
        answers = [await perform(client, fake, keyed("k", subject=each)) for each in ("Hi", "Hi", "Ho")]

    assert answers[0].json() == answers[1].json()
    assert (409, "invalid_idempotent_request") == (answers[2].status_code, name(answers[2]))
    assert 1 == len(fake.record)


async def test_resend_forgets_a_key_after_its_window(client: httpx.AsyncClient) -> None:
    """A day later the same request is another message."""
    async with FakeResend(api_key=KEY) as fake:
        assert fake.keys is not None
        await perform(client, fake, keyed("k"))
        fake.keys.window = 0.01
        await asyncio.sleep(0.02)
        await perform(client, fake, keyed("k"))

    assert 2 == len(fake.record)


async def test_resend_tells_that_a_key_s_first_request_is_under_way(client: httpx.AsyncClient) -> None:
    """It cannot answer the second one yet."""
    async with FakeResend(api_key=KEY) as fake:
        fake.latency = 2.0
        first = asyncio.create_task(perform(client, fake, keyed("k")))
        await asyncio.sleep(0.05)
        second = await perform(client, fake, keyed("k"))

        assert (409, "concurrent_idempotent_requests") == (second.status_code, name(second))
        assert 200 == (await first).status_code


@pytest.mark.parametrize("key", ["", "x" * 257])
async def test_resend_refuses_a_key_that_is_none(client: httpx.AsyncClient, key: str) -> None:
    """A key has 1 to 256 characters."""
    async with FakeResend(api_key=KEY) as fake:
        answer = await perform(client, fake, keyed(key))

    assert (400, "invalid_idempotency_key") == (answer.status_code, name(answer))
    assert () == fake.record


async def test_resend_takes_a_permissive_batch_in_part(client: httpx.AsyncClient) -> None:
    """The refused are named by their place, and the others answered in order."""
    async with FakeResend(api_key=KEY) as fake:
        fake.script(faults.partial(2))
        sending = batch(
            email("a"), email("b", to=[]), email("c"), email("d"), x_batch_validation="permissive"
        )
        answer = await perform(client, fake, sending)

    ids = [{"id": entry.provider_message_id} for entry in fake.record]
    assert ["a", "d"] == [entry.message_id for entry in fake.record]
    assert ids == answer.json()["data"]
    assert [(1, "Missing `to` field."), (2, "Invalid `to` field.")] == [
        (error["index"], error["message"]) for error in answer.json()["errors"]
    ]


async def test_resend_takes_a_strict_batch_as_a_whole(client: httpx.AsyncClient) -> None:
    """One that is wrong is the end of it, and without any the answer knows no errors."""
    async with FakeResend(api_key=KEY) as fake:
        wrong = await perform(client, fake, batch(email("a"), email("b", to=[])))
        right = await perform(client, fake, batch(email("a"), email("b")))

    assert (422, "missing_required_field") == (wrong.status_code, name(wrong))
    assert {"data"} == set(right.json())
    assert ["a", "b"] == [entry.message_id for entry in fake.record]


@pytest.mark.parametrize(
    ("changes", "status", "named"),
    [
        ({"from": ""}, 422, "missing_required_field"),
        ({"to": []}, 422, "missing_required_field"),
        ({"subject": ""}, 422, "missing_required_field"),
        ({"text": ""}, 422, "missing_required_field"),
        ({"from": '"Lovelace, Ada" <ada@example.org>'}, 422, "invalid_from_address"),
        ({"from": "nobody"}, 422, "invalid_from_address"),
        ({"from": "=?utf-8?q?Ada?= <ada@example.org>"}, 451, "security_error"),
        ({"from": "Ada <ada@elsewhere.org>"}, 403, "validation_error"),
        ({"to": ['"Ada" <ada@example.net>']}, 422, "validation_error"),
        ({"to": ["ada@example.com"]}, 422, "validation_error"),
        ({"to": [f"{number}@x.org" for number in range(51)]}, 422, "validation_error"),
        ({"cc": "émile@example.net"}, 422, "validation_error"),
        ({"tags": [{"name": "a b", "value": "1"}]}, 422, "validation_error"),
        ({"tags": [{"name": "a", "value": ""}]}, 422, "validation_error"),
        ({"tags": {"a": "1"}}, 422, "validation_error"),
        ({"attachments": [{"filename": "a"}]}, 422, "invalid_attachment"),
        ({"attachments": [{"content": "A" * (40 * 1024 * 1024 + 4)}]}, 422, "validation_error"),
    ],
)
async def test_resend_validates(
    client: httpx.AsyncClient, changes: dict[str, Any], status: int, named: str
) -> None:
    """What the real one refuses is refused with its status and name."""
    async with FakeResend(api_key=KEY) as fake:
        fake.domains = frozenset({"example.org"})
        answer = await send(client, fake, **changes)

    assert (status, named) == (answer.status_code, name(answer))
    assert () == fake.record


@pytest.mark.parametrize(
    ("sending", "status", "named"),
    [
        (of_json("/elsewhere", email(), **BEARER), 404, "not_found"),
        (of_json("/emails", email()), 401, "missing_api_key"),
        (of_json("/emails", email(), authorization="Bearer another"), 403, "invalid_api_key"),
        (of_json("/emails", [], **BEARER), 422, "validation_error"),
        (of_json("/emails/batch", email(), **BEARER), 422, "validation_error"),
        (batch(*[email()] * 101), 422, "validation_error"),
        (batch(email(attachments=[{"content": "YQ=="}])), 422, "validation_error"),
    ],
)
async def test_resend_refuses_a_request_unread(
    client: httpx.AsyncClient, sending: Sending, status: int, named: str
) -> None:
    """The wrong place, key or shape is refused before anybody looks at the message."""
    async with FakeResend(api_key=KEY) as fake:
        answer = await perform(client, fake, sending)

    assert (status, named) == (answer.status_code, name(answer))
    assert () == fake.record


async def test_resend_has_a_quota(client: httpx.AsyncClient) -> None:
    """What is above it is refused with 429, and it is not the rate."""
    async with FakeResend(api_key=KEY) as fake:
        fake.quota = 1
        answers = [await send(client, fake) for _ in range(2)]

    assert [200, 429] == [answer.status_code for answer in answers]
    assert "daily_quota_exceeded" == name(answers[1])


async def test_resend_tells_its_rate_in_every_answer(client: httpx.AsyncClient) -> None:
    """A refusal adds how long to wait."""
    async with FakeResend(api_key=KEY) as fake:
        fake.limit = Bucket(2.0, 1.0)
        answers = [await send(client, fake) for _ in range(2)]

    told = [
        [answer.headers[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
        for answer in answers
    ]
    assert [["2", "0", "1"]] * 2 == told
    assert [None, "1"] == [answer.headers.get("retry-after") for answer in answers]
    assert "rate_limit_exceeded" == name(answers[1])
