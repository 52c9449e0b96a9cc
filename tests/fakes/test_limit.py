"""A fake can have a rate limit, as its provider has."""

from __future__ import annotations

import asyncio

import httpx

from tests.fakes import faults
from tests.fakes.bucket import Bucket
from tests.fakes.calls import perform
from tests.fakes.calls.sending import of_json
from tests.fakes.plain import Plain


async def post(client: httpx.AsyncClient, plain: Plain, count: int) -> list[httpx.Response]:
    return [await perform(client, plain, of_json("/send", {"id": str(number)})) for number in range(count)]


async def test_what_is_above_the_limit_is_refused_and_counted(
    plain: Plain, client: httpx.AsyncClient
) -> None:
    """The burst goes through; then it is the provider's own 429, and nothing is taken over."""
    plain.limit = Bucket(rate=0.1, burst=3)
    answers = await post(client, plain, 5)

    assert [200, 200, 200, 429, 429] == [answer.status_code for answer in answers]
    assert {"error": 429} == answers[-1].json()
    assert (3, 2) == (len(plain.record), plain.throttled)
    assert [False, False, False, True, True] == [entry.throttled for entry in plain.requests]


async def test_the_bucket_fills_again(plain: Plain, client: httpx.AsyncClient) -> None:
    """So many a second go through, for ever."""
    plain.limit = Bucket(rate=20, burst=1)
    for _ in range(5):
        await post(client, plain, 1)
        await asyncio.sleep(0.06)

    assert (5, 0) == (len(plain.record), plain.throttled)


async def test_every_answer_tells_the_limit(plain: Plain, client: httpx.AsyncClient) -> None:
    """Where the provider says so in every answer; a page of somebody else's does not."""
    plain.limit = Bucket(rate=0.5, burst=10)
    plain.script(faults.usual(), faults.refuse(500), faults.page())
    answers = await post(client, plain, 3)

    assert [("0.5", "9"), ("0.5", "8"), (None, None)] == [
        (answer.headers.get("x-ratelimit-limit"), answer.headers.get("x-ratelimit-remaining"))
        for answer in answers
    ]


async def test_without_a_limit_nothing_is_said(plain: Plain, client: httpx.AsyncClient) -> None:
    """There is none unless it is set."""
    answers = await post(client, plain, 30)

    assert {200} == {answer.status_code for answer in answers}
    assert not any("x-ratelimit-limit" in answer.headers for answer in answers)


def test_a_bucket_says_how_long_to_wait() -> None:
    """Until a whole token is there."""
    bucket = Bucket(rate=0.02, burst=1)

    assert (1, 0.0) == (bucket.remaining, bucket.wait)
    assert bucket.take()
    assert not bucket.take()
    assert 40.0 < bucket.wait <= 50.0
