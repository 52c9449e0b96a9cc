"""Every fault does on the wire what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes import FakeESP, faults
from tests.fakes.calls import CALLS, perform, send, settled
from tests.fakes.calls.sending import of_json
from tests.fakes.plain import Plain

MESSAGE = of_json("/send", {"id": "a"})


@pytest.mark.parametrize(
    "fault", [faults.refuse(status, accept=accept) for status in (500, 502, 503) for accept in (False, True)]
)
async def test_an_error_may_come_after_accepting(
    fake: FakeESP, client: httpx.AsyncClient, fault: faults.Fault
) -> None:
    """The same 5xx hides a message that is on its way, or one that is not."""
    fake.script(fault)
    answer = await send(client, fake)

    assert fault.status == answer.status_code
    assert [fault.accept] == [entry.accepted for entry in fake.requests]


@pytest.mark.parametrize("fault", [faults.hang(), faults.hang(accept=True)])
async def test_hanging_never_answers(fake: FakeESP, client: httpx.AsyncClient, fault: faults.Fault) -> None:
    """The client's patience ends first; the message may have been taken over."""
    fake.script(fault)
    with pytest.raises(httpx.ReadTimeout):
        await send(client, fake, patience=0.1)

    assert [fault.accept] == [entry.accepted for entry in fake.requests]
    assert [False] == [entry.answered for entry in fake.requests]


@pytest.mark.parametrize("fault", [faults.reset(), faults.reset(accept=True)])
async def test_resetting_tears_the_connection(
    fake: FakeESP, client: httpx.AsyncClient, fault: faults.Fault
) -> None:
    """The client sees a reset connection; the message may have been taken over."""
    fake.script(fault)
    with pytest.raises(httpx.ReadError):
        await send(client, fake)

    assert [fault.accept] == [entry.accepted for entry in fake.requests]
    assert [False] == [entry.answered for entry in fake.requests]


async def test_cutting_tears_the_connection_while_the_body_is_written(
    plain: Plain, client: httpx.AsyncClient
) -> None:
    """A large request is torn in the middle, and nothing of it is taken over."""
    written = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal written
        for _ in range(50):
            written += 1
            yield b" " * 1_000_000

    plain.script(faults.cut())
    with pytest.raises((httpx.ReadError, httpx.WriteError)):
        await client.post(f"{plain.base_url}/send", content=flood())
    await perform(client, plain, MESSAGE)

    assert written < 50
    assert [("cut", None), (None, "a")] == [(entry.fault, entry.message_id) for entry in plain.requests]
    assert [2] == [entry.number for entry in plain.record]


async def test_a_late_answer_comes_after_a_client_s_patience(
    fake: FakeESP, client: httpx.AsyncClient
) -> None:
    """The message is taken over at once, and the answer goes to nobody."""
    fake.script(faults.late(0.3))
    with pytest.raises(httpx.ReadTimeout):
        await send(client, fake, patience=0.1)
    await asyncio.sleep(0.4)

    assert [(True, False)] == [(entry.accepted, entry.answered) for entry in fake.requests]


async def test_a_dripping_answer_has_no_end(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """Each byte comes within the read timeout, so only a total deadline helps."""
    fake.script(faults.drip(0.02))
    got = 0
    call = CALLS[fake.kind]()
    url = fake.base_url + call.path
    async with client.stream("POST", url, content=call.body, headers=call.headers) as answer:
        async for chunk in answer.aiter_raw():
            got += len(chunk)
            if got == 5:
                break

    assert 5 == got
    assert [(True, False)] == [(entry.accepted, entry.answered) for entry in fake.requests]


async def test_a_dripping_head_has_no_end(plain: Plain, client: httpx.AsyncClient) -> None:
    """The answer has begun, and nobody ever learns what it is."""
    plain.script(faults.drip_head(0.02))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await perform(client, plain, MESSAGE)
    (entry,) = plain.requests

    assert (True, "accept-drip-head") == (entry.accepted, entry.fault)
    assert not entry.answered


async def test_an_empty_answer_is_empty(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """No body, and no id in a header either."""
    fake.script(faults.empty())
    answer = await send(client, fake)

    assert (200, b"") == (answer.status_code, answer.content)
    assert "x-message-id" not in answer.headers
    assert [True] == [entry.accepted for entry in fake.requests]


@pytest.mark.parametrize(
    ("fault", "ambiguous"),
    [
        (faults.usual(), False),
        (faults.late(0.01), False),
        (faults.refuse(500), False),
        (faults.refuse(500, accept=True), True),
        (faults.page(), True),
    ],
)
async def test_what_was_taken_and_not_told_is_ambiguous(
    plain: Plain,
    client: httpx.AsyncClient,
    fault: faults.Fault,
    ambiguous: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A client that sends such a message twice may be in the right."""
    plain.script(fault)
    await perform(client, plain, MESSAGE)
    await settled(plain, answered=True)

    assert ambiguous == plain.requests[0].ambiguous


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_shows_who_follows(fake: FakeESP, client: httpx.AsyncClient, status: int) -> None:
    """The place pointed to is the fake itself, so a client that follows is on the record."""
    fake.script(faults.redirect(status=status))
    call = CALLS[fake.kind]()
    await perform(client, fake, call, follow_redirects=True)

    assert [call.path, "/elsewhere"] == [entry.path for entry in fake.requests]
    assert () == fake.record


@pytest.mark.parametrize(
    ("fault", "kind", "size"),
    [
        (faults.page(200), "text/html", 61),
        (faults.truncated(202), "application/json", 35),
        (faults.without_id(), "application/json", 21),
        (faults.huge(3_000_000), "application/json", 3_000_000),
        (faults.gzip_bomb(3_000_000), "application/json", 3_000_000),
    ],
)
async def test_bodies_that_no_provider_sends(
    fake: FakeESP, client: httpx.AsyncClient, fault: faults.Fault, kind: str, size: int
) -> None:
    """A page, half a document, a flood, and a flood in a small parcel; the message was taken over."""
    fake.script(fault)
    answer = await send(client, fake)

    assert (fault.status, kind, size) == (
        answer.status_code,
        answer.headers["content-type"],
        len(answer.content),
    )
    assert 1 == len(fake.record)
    if answer.headers.get("content-encoding") == "gzip":
        assert int(answer.headers["content-length"]) < 10_000
