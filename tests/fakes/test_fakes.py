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
from dataclasses import replace

import httpx
import pytest

from tests.fakes import HTTP_FAKES, FakeESP, FakeSendGrid, faults
from tests.fakes.calls import ACCEPTED, CALLS, KEY, arrived, perform, send
from tests.fakes.record import read


async def test_an_accepted_message_is_recorded(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """The record holds our id, the payload, the times, and the id that was answered."""
    before, wall = time.monotonic(), time.time()
    await send(client, fake, "m-7")
    after = time.monotonic()

    (entry,) = fake.record
    assert (1, "m-7", CALLS[fake.kind]("m-7").payload) == (entry.number, entry.message_id, entry.payload)
    assert before <= entry.arrived <= (entry.accepted_monotonic or 0) <= after
    assert wall - 1 <= entry.arrived_at <= (entry.accepted_at or 0) <= wall + 5
    assert fake.record == fake.requests


@pytest.mark.parametrize("name", HTTP_FAKES)
async def test_the_key_is_checked(client: httpx.AsyncClient, name: str) -> None:
    """A wrong key takes nothing over."""
    async with HTTP_FAKES[name](api_key="another-key") as fake:
        answer = await send(client, fake)

    assert not answer.is_success
    assert () == fake.record


async def test_what_cannot_be_read_is_refused_and_seen(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """A broken body is an error of the caller, and on the record of requests."""
    answer = await perform(client, fake, replace(CALLS[fake.kind](), body=b"{"))

    assert not answer.is_success
    assert [(None, False)] == [(entry.message_id, entry.accepted) for entry in fake.requests]


async def test_a_script_treats_one_request_each(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """Faults happen in their order, and then everything is as usual."""
    fake.script(faults.refuse(503), faults.usual(), faults.refuse(429, b"slow down", {"Retry-After": "2"}))
    answers = [await send(client, fake) for _ in range(4)]

    ok = ACCEPTED.get(fake.kind, 200)
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


async def test_latency_is_as_told(fake: FakeESP, client: httpx.AsyncClient) -> None:
    """Every answer takes so long, and the message is taken over at half-time."""
    fake.latency = 0.2
    before = time.monotonic()
    await send(client, fake)
    took = time.monotonic() - before

    (entry,) = fake.record
    assert took >= 0.2
    assert entry.accepted_monotonic is not None
    assert entry.accepted_monotonic - entry.arrived >= 0.1
    assert before + took - entry.accepted_monotonic >= 0.1


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
    await arrived(fake)
    before = time.monotonic()
    await fake.stop()

    assert 1 == len(fake.requests)
    assert time.monotonic() - before < 10
    with pytest.raises(httpx.TransportError):
        await hanging


def test_a_fake_runs_in_a_thread_of_its_own() -> None:
    """A blocking test can use it, wait for messages, and cause an outage."""
    call = CALLS["sendgrid"]()
    with FakeSendGrid(api_key=KEY).in_thread() as fake, httpx.Client(trust_env=False) as client:
        client.post(fake.base_url + call.path, content=call.body, headers=call.headers)
        waited = fake.wait_for(1, timeout=5)
        fake.call(fake.stop())
        with pytest.raises(httpx.ConnectError):
            client.post(fake.base_url + call.path, content=call.body, headers=call.headers)
        fake.call(fake.start())
        client.post(fake.base_url + call.path, content=call.body, headers=call.headers)
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


@pytest.mark.parametrize("name", HTTP_FAKES)
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
        call = CALLS[name]("m-9")
        posts = [client.post(url + call.path, content=call.body, headers=call.headers) for _ in range(2)]
        line = process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)

    assert [503, ACCEPTED.get(name, 200)] == [post.status_code for post in posts]
    assert line.startswith("accepted m-9 as ")
    assert "to ada@example.net: Hi" in line
    assert ["m-9"] == [entry.message_id for entry in read(file) if entry.accepted]
    assert all(json.loads(row) for row in file.read_text().splitlines())


def test_a_run_with_faults_can_be_replayed_from_the_command_line() -> None:
    """The same seed and share refuse the same messages; a rate refuses what comes too fast."""

    def statuses(*options: str, count: int = 20) -> list[int]:
        arguments = [sys.executable, "-m", "tests.fakes", "sendgrid", "--port", "0", *options]
        with (
            subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process,
            httpx.Client(trust_env=False, timeout=0.3) as client,
        ):
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answers = [attempt(client, url, f"m-{number}") for number in range(count)]
            process.terminate()
        return answers

    def attempt(client: httpx.Client, url: str, message_id: str) -> int:
        call = CALLS["sendgrid"](message_id)
        try:
            return client.post(url + call.path, content=call.body, headers=call.headers).status_code
        except (httpx.TransportError, httpx.DecodingError):
            return 0

    first, again = statuses("--seed", "7", "--share", "0.3"), statuses("--seed", "7", "--share", "0.3")

    assert first == again
    assert 8 < first.count(202) < 20
    assert [202, 202, 202, 429] == statuses("--rate", "0.1", "--burst", "3", count=4)
