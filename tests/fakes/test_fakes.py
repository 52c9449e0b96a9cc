"""The fakes do what they are told, and remember it."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.fakes import FAKES, HTTP_FAKES, FakeMandrill, FakeSendGrid, faults
from tests.fakes.esp import FakeESP
from tests.fakes.record import read

KEY = "good-key"


def sendgrid(message_id: str = "m-1", **changes: Any) -> tuple[str, dict[str, Any], dict[str, str]]:
    payload: dict[str, Any] = {
        "personalizations": [{"to": [{"email": "ada@example.net"}]}],
        "from": {"email": "no-reply@example.org"},
        "subject": "Hi",
        "content": [{"type": "text/plain", "value": "Hello"}],
        "custom_args": {"message_id": message_id},
        **changes,
    }
    return "/v3/mail/send", payload, {"Authorization": f"Bearer {KEY}"}


def mandrill(message_id: str = "m-1", **changes: Any) -> tuple[str, dict[str, Any], dict[str, str]]:
    message = {
        "from_email": "no-reply@example.org",
        "to": [{"email": "ada@example.net", "type": "to"}],
        "subject": "Hi",
        "text": "Hello",
        "metadata": {"message_id": message_id},
        **changes,
    }
    return "/api/1.0/messages/send.json", {"key": KEY, "message": message}, {}


CALLS: dict[str, Callable[..., tuple[str, dict[str, Any], dict[str, str]]]] = {
    "sendgrid": sendgrid,
    "mandrill": mandrill,
}


@pytest.fixture(params=HTTP_FAKES)
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeESP]:
    async with HTTP_FAKES[request.param](api_key=KEY) as fake:
        yield fake


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps its connections open until the end of the test."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        yield client


async def send(
    client: httpx.AsyncClient, fake: FakeESP, *args: Any, patience: float = 5.0, **changes: Any
) -> httpx.Response:
    path, payload, headers = CALLS[fake.kind](*args, **changes)
    return await client.post(fake.base_url + path, json=payload, headers=headers, timeout=patience)


async def settled(fake: FakeESP, *, answered: bool) -> bool:
    """Wait until the last request's answer is settled one way; False if it never was."""
    for _ in range(100):
        if fake.requests and fake.requests[-1].answered is answered and fake.requests[-1].status:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_an_accepted_message_is_recorded(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """The record holds our id, the payload, the times, and the id that was answered."""
    before, wall = time.monotonic(), time.time()
    await send(client, fake, "m-7")
    after = time.monotonic()

    (entry,) = fake.record
    assert (1, "m-7", CALLS[fake.kind]("m-7")[1]) == (entry.number, entry.message_id, entry.payload)
    assert before <= entry.arrived <= (entry.accepted_monotonic or 0) <= after
    assert wall - 1 <= entry.arrived_at <= (entry.accepted_at or 0) <= wall + 5
    assert fake.record == fake.requests


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


@pytest.mark.parametrize(("name", "status"), [("sendgrid", 401), ("mandrill", 500)])
async def test_the_key_is_checked(client: httpx.AsyncClient, name: str, status: int) -> None:
    """A wrong key takes nothing over."""
    async with HTTP_FAKES[name](api_key="another-key") as fake:
        answer = await send(client, fake)

    assert status == answer.status_code
    assert () == fake.record


async def test_what_is_no_json_is_refused_and_seen(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """A broken body is an error of the caller, and on the record of requests."""
    path, _, headers = CALLS[fake.kind]()
    answer = await client.post(fake.base_url + path, content=b"{", headers=headers)

    assert answer.status_code in {400, 500}
    assert [None] == [entry.payload for entry in fake.requests]


async def test_a_script_treats_one_request_each(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """Faults happen in their order, and then everything is as usual."""
    fake.script(faults.refuse(503), faults.usual(), faults.refuse(429, b"slow down", {"Retry-After": "2"}))
    answers = [await send(client, fake) for _ in range(4)]

    ok = {"sendgrid": 202, "mandrill": 200}[fake.kind]
    assert [503, ok, 429, ok] == [answer.status_code for answer in answers]
    assert (b"slow down", "2") == (answers[2].content, answers[2].headers["retry-after"])
    assert [2, 4] == [entry.number for entry in fake.record]
    assert 4 == len(fake.requests)


async def test_a_rule_treats_what_the_script_leaves(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """A rule sees the request, so that faults can follow the message."""
    fake.rule = lambda entry: faults.refuse(503) if entry.message_id == "unlucky" else None
    answers = [await send(client, fake, message_id) for message_id in ("unlucky", "lucky", "unlucky")]

    assert [True, False, True] == [answer.status_code == 503 for answer in answers]
    assert ["lucky"] == [entry.message_id for entry in fake.record]


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
    path, payload, headers = CALLS[fake.kind]()
    async with client.stream("POST", fake.base_url + path, json=payload, headers=headers) as answer:
        async for chunk in answer.aiter_raw():
            got += len(chunk)
            if got == 5:
                break

    assert 5 == got
    assert [(True, False)] == [(entry.accepted, entry.answered) for entry in fake.requests]


async def test_a_redirect_shows_who_follows(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """The place pointed to is the fake itself, so a client that follows is on the record."""
    fake.script(faults.redirect())
    path, payload, headers = CALLS[fake.kind]()
    await client.post(fake.base_url + path, json=payload, headers=headers, follow_redirects=True)

    assert [path, "/elsewhere"] == [entry.path for entry in fake.requests]
    assert () == fake.record


@pytest.mark.parametrize(
    ("fault", "kind", "size"),
    [
        (faults.page(200), "text/html", 61),
        (faults.truncated(202), "application/json", 35),
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


async def test_latency_is_as_told(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """Every answer takes so long, and the message is taken over at half-time."""
    fake.latency = 0.2
    before = time.monotonic()
    await send(client, fake)
    took = time.monotonic() - before

    (entry,) = fake.record
    assert 0.2 <= took < 1
    assert 0.1 <= (entry.accepted_monotonic or 0) - entry.arrived < 0.2


async def test_an_answer_counts_while_the_client_lives(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """The client that keeps its connection had its answer, and goes on having it."""
    await send(client, fake)
    await settled(fake, answered=True)
    await asyncio.sleep(0.6)

    assert [True] == [entry.answered for entry in fake.record]


async def test_an_answer_does_not_count_when_the_client_is_gone(fake: FakeESP) -> None:
    """A connection lost right after the answers may be that of a client that had no time to use them."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(3):
            await send(client, fake)
        await settled(fake, answered=True)

    assert await settled(fake, answered=False)
    assert [False, False, False] == [entry.answered for entry in fake.record]


async def test_an_answer_does_not_count_when_the_client_is_killed(fake: FakeESP) -> None:
    """A process that ends by kill -9 right after its answer is noticed."""
    path, payload, headers = CALLS[fake.kind]()
    code = (
        "import httpx, sys, time\n"
        "client = httpx.Client(trust_env=False)\n"
        f"client.post({fake.base_url + path!r}, json={payload!r}, headers={headers!r})\n"
        "print('answered', flush=True)\n"
        "time.sleep(60)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    process.kill()
    await process.wait()

    assert await settled(fake, answered=False)
    assert [(True, False)] == [(entry.accepted, entry.answered) for entry in fake.record]


async def test_a_late_farewell_takes_no_answer_back(fake: FakeESP) -> None:
    """A client that leaves after half a second had used its answer."""
    async with httpx.AsyncClient(trust_env=False) as client:
        await send(client, fake)
        await asyncio.sleep(0.6)
    await asyncio.sleep(0.1)

    assert [True] == [entry.answered for entry in fake.record]


async def test_our_own_end_takes_no_answer_back(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """A reset or a stop is the fake's doing and says nothing about the client."""
    await send(client, fake)
    fake.script(faults.reset())
    with pytest.raises(httpx.ReadError):
        await send(client, fake)
    await send(client, fake)
    await settled(fake, answered=True)
    await fake.stop()

    assert [True, False, True] == [entry.answered for entry in fake.requests]


async def test_a_stopped_fake_refuses_connections_and_comes_back(
    fake: FakeESP, client: httpx.AsyncClient
) -> None:
    """An outage ends on the same port, with the record as it was."""
    await send(client, fake)
    url = fake.base_url
    await fake.stop()
    with pytest.raises(httpx.ConnectError):
        await send(client, fake)
    await fake.start()
    await send(client, fake)

    assert url == fake.base_url
    assert 2 == len(fake.record)


async def test_stopping_does_not_wait_for_the_hanging(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """A request that never ends does not keep a test from ending."""
    fake.script(faults.hang())
    hanging = asyncio.create_task(send(client, fake))
    await asyncio.sleep(0.2)
    before = time.monotonic()
    await fake.stop()

    assert 1 == len(fake.requests)
    assert time.monotonic() - before < 1
    with pytest.raises(httpx.TransportError):
        await hanging


def test_a_fake_runs_in_a_thread_of_its_own() -> None:
    """A blocking test can use it, wait for messages, and cause an outage."""
    path, payload, headers = sendgrid()
    with FakeSendGrid(api_key=KEY).in_thread() as fake, httpx.Client(trust_env=False) as client:
        client.post(fake.base_url + path, json=payload, headers=headers)
        waited = fake.wait_for(1, timeout=5)
        fake.call(fake.stop())
        with pytest.raises(httpx.ConnectError):
            client.post(fake.base_url + path, json=payload, headers=headers)
        fake.call(fake.start())
        client.post(fake.base_url + path, json=payload, headers=headers)
        with pytest.raises(TimeoutError):
            fake.wait_for(3, timeout=0.05)

    assert 1 == len(waited)
    assert 2 == len(fake.record)


async def test_the_record_s_file_tells_the_same(client: httpx.AsyncClient, tmp_path: pathlib.Path) -> None:
    """Read back, the file equals what the fake remembers; a torn last line is left out."""
    file = tmp_path / "record.jsonl"
    async with FakeSendGrid(api_key=KEY, record_file=file) as fake:
        fake.script(faults.refuse(503), faults.usual(), faults.hang(accept=True))
        await send(client, fake, "a")
        await send(client, fake, "b")
        with pytest.raises(httpx.ReadTimeout):
            await send(client, fake, "c", patience=0.1)
        with file.open("a") as torn:
            torn.write('{"number": 9, "pay')

        assert fake.requests == read(file)
        assert ["b", "c"] == [entry.message_id for entry in read(file) if entry.accepted]


def test_a_script_is_read() -> None:
    """The small language of the command line says the same as the functions."""
    assert [
        faults.refuse(429, headers={"retry-after": "2"}),
        faults.refuse(503),
        faults.refuse(503),
        faults.refuse(500, accept=True),
        faults.hang(accept=True),
        faults.reset(),
        faults.usual(),
    ] == faults.parse("429:retry-after=2, 503*2,accept-500,accept-hang,reset,202")


@pytest.mark.parametrize("script", ["teapot", "429:retry-after", "503*many"])
def test_a_script_that_makes_no_sense_is_refused(script: str) -> None:
    """A typing error is an error, not a quiet day."""
    with pytest.raises(ValueError, match=r"."):
        faults.parse(script)


@pytest.mark.parametrize("name", FAKES)
def test_a_fake_runs_from_the_command_line(name: str, tmp_path: pathlib.Path) -> None:
    """It prints its address, then a line for each message; the record survives kill -9."""
    file = tmp_path / "record.jsonl"
    arguments = [name, "--port", "0", "--latency-ms", "1", "--script", "503,202", "--record", str(file)]
    command = [sys.executable, "-m", "tests.fakes", *arguments]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        httpx.Client(trust_env=False) as client,
    ):
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        path, payload, headers = CALLS[name]("m-9")
        statuses = [client.post(url + path, json=payload, headers=headers).status_code for _ in range(2)]
        line = process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)

    assert 503 == statuses[0]
    assert line.startswith("accepted m-9 as ")
    assert "to ada@example.net: Hi" in line
    assert ["m-9"] == [entry.message_id for entry in read(file) if entry.accepted]
    assert all(json.loads(row) for row in file.read_text().splitlines())
