"""Idempotency keys are honoured as by a provider that honours them."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
import pytest

from tests.fakes import faults
from tests.fakes.calls import arrived, perform, settled
from tests.fakes.calls.sending import Sending, of_json
from tests.fakes.plain import Plain


def keyed(key: str = "k-1", message_id: str = "a", **fields: object) -> Sending:
    return of_json("/send", {"id": message_id, **fields}, idempotency_key=key)


async def test_a_repeated_key_is_not_accepted_again(plain: Plain, client: httpx.AsyncClient) -> None:
    """The second request is given the first one's answer, and says so on the record."""
    first, second = [await perform(client, plain, keyed()) for _ in range(2)]

    assert (200, first.content) == (second.status_code, second.content)
    assert [1] == [entry.number for entry in plain.record]
    assert [False, True] == [entry.repeated for entry in plain.requests]


async def test_another_key_is_another_message(plain: Plain, client: httpx.AsyncClient) -> None:
    """And so is a request without one."""
    await perform(client, plain, keyed("k-1"))
    await perform(client, plain, keyed("k-2"))
    await perform(client, plain, of_json("/send", {"id": "a"}))

    assert 3 == len(plain.record)


async def test_the_window_ends(plain: Plain, client: httpx.AsyncClient) -> None:
    """After its window a key is a new one."""
    assert plain.keys is not None
    await perform(client, plain, keyed())
    await perform(client, plain, keyed())
    plain.keys.window = 0.01
    await asyncio.sleep(0.02)
    await perform(client, plain, keyed())

    assert [1, 3] == [entry.number for entry in plain.record]


async def test_a_known_key_with_another_body_is_refused(plain: Plain, client: httpx.AsyncClient) -> None:
    """The provider's own conflict, and nothing is taken over."""
    await perform(client, plain, keyed())
    answer = await perform(client, plain, keyed(message_id="b"))

    assert 409 == answer.status_code
    assert ["a"] == [entry.message_id for entry in plain.record]


async def test_a_key_under_way_is_busy(plain: Plain, client: httpx.AsyncClient) -> None:
    """While the first request hangs, the second one is told so; afterwards the key is free."""
    plain.script(faults.hang())
    hanging = asyncio.create_task(perform(client, plain, keyed()))
    await arrived(plain)
    meanwhile = await perform(client, plain, keyed())
    hanging.cancel()
    async with asyncio.timeout(10):
        while (afterwards := await perform(client, plain, keyed())).status_code == 423:  # noqa: ASYNC110 - no bell here either
            await asyncio.sleep(0.01)

    assert (423, 200) == (meanwhile.status_code, afterwards.status_code)
    assert [True] == [entry.number > 2 for entry in plain.record]


@pytest.mark.parametrize("fault", [faults.reset(accept=True), faults.refuse(500, accept=True)])
async def test_what_was_accepted_and_not_told_is_told_the_second_time(
    plain: Plain, client: httpx.AsyncClient, fault: faults.Fault
) -> None:
    """The stored answer is the one that the first request should have had."""
    plain.script(fault)
    with contextlib.suppress(httpx.ReadError):
        await perform(client, plain, keyed())
    answer = await perform(client, plain, keyed())

    assert (200, {"id": "p-1"}) == (answer.status_code, answer.json())
    assert [1] == [entry.number for entry in plain.record]


@pytest.mark.parametrize("fault", [faults.refuse(503), faults.refuse(500), faults.throttle()])
async def test_a_refused_request_leaves_its_key_free(
    plain: Plain, client: httpx.AsyncClient, fault: faults.Fault
) -> None:
    """What was not taken over can be sent with the same key, even with another body."""
    plain.script(fault)
    await perform(client, plain, keyed())
    answer = await perform(client, plain, keyed(message_id="b"))

    assert 200 == answer.status_code
    assert ["b"] == [entry.message_id for entry in plain.record]


async def test_a_repetition_can_fail_as_well(plain: Plain, client: httpx.AsyncClient) -> None:
    """The answer to the repetition is lost too; the message is there once."""
    plain.script(faults.reset(accept=True), faults.reset(accept=True))
    for _ in range(2):
        with pytest.raises(httpx.ReadError):
            await perform(client, plain, keyed())
    await perform(client, plain, keyed())

    assert [1] == [entry.number for entry in plain.record]


async def test_one_key_covers_a_batch(plain: Plain, client: httpx.AsyncClient) -> None:
    """Repeated, the whole batch is given its answer again."""
    batch = of_json("/send", [{"id": "a"}, {"id": "b", "bad": True}], idempotency_key="k-1")
    first, second = [await perform(client, plain, batch) for _ in range(2)]
    await settled(plain, answered=True)

    assert first.json() == second.json() == ["p-0", None]
    assert ["a"] == [entry.message_id for entry in plain.record]
