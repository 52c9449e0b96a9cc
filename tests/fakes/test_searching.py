"""What was accepted can be looked up, later."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.fakes import faults
from tests.fakes.calls import perform
from tests.fakes.calls.sending import Sending, of_json
from tests.fakes.plain import Plain


def search(message_id: str) -> Sending:
    return Sending(f"/search?id={message_id}", b"", {}, None, "GET")


async def test_an_accepted_message_is_found(plain: Plain, client: httpx.AsyncClient) -> None:
    """It is found by our id, alone or from a batch, and nothing else is."""
    await perform(client, plain, of_json("/send", {"id": "a"}))
    await perform(client, plain, of_json("/send", [{"id": "b"}, {"id": "c", "bad": True}]))
    found = [(await perform(client, plain, search(each))).json() for each in ("a", "b", "c", "d")]

    assert [["p-1"], ["p-0"], [], []] == found


async def test_the_index_is_behind(plain: Plain, client: httpx.AsyncClient) -> None:
    """Within the lag the message is there and is not found."""
    plain.searching.lag = 60.0
    await perform(client, plain, of_json("/send", {"id": "a"}))
    at_once = await perform(client, plain, search("a"))
    plain.searching.lag = 0.01
    await asyncio.sleep(0.02)
    later = await perform(client, plain, search("a"))

    assert ([], ["p-1"]) == (at_once.json(), later.json())


async def test_a_search_is_on_the_record_and_no_message(plain: Plain, client: httpx.AsyncClient) -> None:
    """It is a request that says what was searched for, and is never accepted."""
    await perform(client, plain, search("a"))
    (entry,) = plain.requests

    assert ("GET", "/search", {"id": ["a"]}) == (entry.method, entry.path, entry.query)
    assert ("a", None, False) == (entry.searched_for, entry.message_id, entry.accepted)


async def test_searches_fail_by_a_script_of_their_own(plain: Plain, client: httpx.AsyncClient) -> None:
    """What happens to searches does not happen to messages, and the other way about."""
    plain.searching.script(faults.refuse(503))
    plain.searching.rule = lambda entry: faults.page() if entry.searched_for == "b" else None
    plain.script(faults.refuse(500))
    found = [(await perform(client, plain, search(each))).status_code for each in ("a", "a", "b")]
    sent = await perform(client, plain, of_json("/send", {"id": "a"}))

    assert [503, 200, 200] == found
    assert 500 == sent.status_code
    assert ["503", None, "html", "500"] == [
        (entry.fault or "").removeprefix("accept-") or None for entry in plain.requests
    ]


async def test_a_search_that_hangs_ends_with_the_client(plain: Plain, client: httpx.AsyncClient) -> None:
    """A provider that does not answer a search leaves us in doubt for longer."""
    plain.searching.script(faults.hang())

    with pytest.raises(httpx.ReadTimeout):
        await perform(client, plain, search("a"), patience=0.1)
