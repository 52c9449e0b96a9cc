"""One request may carry several messages, and the record tells each of them."""

from __future__ import annotations

import asyncio
import pathlib

import httpx
import pytest

from tests.fakes import faults
from tests.fakes.calls import perform, settled
from tests.fakes.calls.sending import Sending, of_json
from tests.fakes.plain import Plain
from tests.fakes.record import read


def batch(*ids: str, bad: str = "") -> Sending:
    return of_json("/send", [{"id": each, "bad": each == bad} for each in ids])


async def test_every_message_of_a_batch_is_on_the_record(plain: Plain, client: httpx.AsyncClient) -> None:
    """An acceptance is a message's, with its own payload and provider's id; a request is a request."""
    await perform(client, plain, batch("a", "b"))
    await perform(client, plain, of_json("/send", {"id": "c"}))

    assert [("a", 0, "p-0", 1), ("b", 1, "p-1", 1), ("c", None, "p-1", 2)] == [
        (entry.message_id, entry.place, entry.provider_message_id, entry.number) for entry in plain.record
    ]
    assert {"id": "b", "bad": False} == plain.record[1].payload
    assert [(None, ("a", "b")), ("c", ("c",))] == [
        (entry.message_id, entry.message_ids) for entry in plain.requests
    ]


async def test_a_batch_may_be_accepted_in_part(plain: Plain, client: httpx.AsyncClient) -> None:
    """What the provider refuses is not on the record of what it took."""
    answer = await perform(client, plain, batch("a", "b", "c", bad="b"))

    assert ["p-0", None, "p-2"] == answer.json()
    assert ["a", "c"] == [entry.message_id for entry in plain.record]
    assert [True, False, True] == [member.accepted for member in plain.requests[0].members]


async def test_a_fault_refuses_members_in_the_provider_s_own_words(
    plain: Plain, client: httpx.AsyncClient
) -> None:
    """A partial batch is told honestly, so nobody is in doubt about it."""
    plain.script(faults.partial(0, 2))
    answer = await perform(client, plain, batch("a", "b", "c"))
    await settled(plain, answered=True)

    assert [None, "p-1", None] == answer.json()
    assert [("b", "partial", False)] == [
        (entry.message_id, entry.fault, entry.ambiguous) for entry in plain.record
    ]


async def test_a_partial_fault_spares_a_message_alone(plain: Plain, client: httpx.AsyncClient) -> None:
    """There are no parts of one message."""
    plain.script(faults.partial(0))
    await perform(client, plain, of_json("/send", {"id": "a"}))

    assert ["a"] == [entry.message_id for entry in plain.record]


async def test_the_answer_to_a_batch_is_told_for_each(plain: Plain, client: httpx.AsyncClient) -> None:
    """Whether the client had its answer holds for all of its messages."""
    plain.script(faults.reset(accept=True), faults.usual())
    with pytest.raises(httpx.ReadError):
        await perform(client, plain, batch("a", "b"))
    await perform(client, plain, batch("c", "d"))
    await settled(plain, answered=True)

    assert [False, False, True, True] == [entry.answered for entry in plain.record]
    assert [True, True, False, False] == [entry.ambiguous for entry in plain.record]


async def test_the_accepted_of_a_batch_are_told_one_by_one(plain: Plain, client: httpx.AsyncClient) -> None:
    """Who listens for acceptances hears of every message."""
    heard: list[str | None] = []
    plain.on_accept = lambda entry: heard.append(entry.message_id)
    await perform(client, plain, batch("a", "b"))

    assert ["a", "b"] == heard
    assert 2 == len(await asyncio.to_thread(plain.wait_for, 2, timeout=1))


async def test_the_file_tells_batches_too(client: httpx.AsyncClient, tmp_path: pathlib.Path) -> None:
    """Read back, the file equals what the fake remembers."""
    file = tmp_path / "record.jsonl"
    async with Plain(record_file=file) as plain:
        await perform(client, plain, batch("a", "b", bad="a"))
        await settled(plain, answered=True)

        assert plain.requests == read(file)
        assert [False, True] == [member.accepted for member in read(file)[0].members]
