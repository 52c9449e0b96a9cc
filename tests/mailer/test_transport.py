"""What a request to a provider comes to, whatever the network and the other side do."""

from __future__ import annotations

import asyncio
import gzip
import os
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import pytest

from services.mailer.delivery.ports import NoAnswerError, NotSentError
from services.mailer.providers.base import AwsCredentials, Request, Response, Submission
from services.mailer.smtp import SmtpTransport
from services.mailer.transport import HttpTransport, Transports
from tests.fakes import FakeSmtp
from tests.servers.server import free_port

DEADLINE = 3.0
MOST = 1_048_576
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: theirs\r\nContent-Length: 2\r\n\r\n{}"

Behaviour = Callable[["Visit"], Awaitable[None]]


class Visit:
    """One connection, seen from the provider's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.request = b""

    async def read(self) -> None:
        """Read one whole request."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        self.request = head + await self._reader.readexactly(length)

    async def say(self, *parts: bytes, pause: float = 0.0) -> None:
        """Answer, with a pause after each part."""
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()
            await asyncio.sleep(pause)

    def reset(self) -> None:
        """End the connection rudely (RST)."""
        self._writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class Provider:
    """A server with one behaviour for every connection; remembers the requests."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.visits: list[Visit] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; whatever goes wrong is the client's business."""
        visit = Visit(reader, writer)
        self.visits.append(visit)
        try:
            await self._behaviour(visit)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    @property
    def requests(self) -> list[bytes]:
        """What was read of each connection."""
        return [visit.request for visit in self.visits]


@asynccontextmanager
async def providing(behaviour: Behaviour) -> AsyncIterator[Provider]:
    """A provider on a free port of this machine."""
    provider = Provider(behaviour)
    serving: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.ensure_future(provider.serve(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/send"
    try:
        yield provider
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    """A transport with a short deadline."""
    transport = HttpTransport(deadline=DEADLINE, connections=10)
    yield transport
    if transport._client is not None:
        await transport._client.aclose()


async def post(transport: HttpTransport, url: str, body: bytes = b'{"to": "ann"}') -> Response:
    """Send one request as a provider builds it."""
    headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
    return await transport.perform(Request(url, body, headers))


async def accept(visit: Visit) -> None:
    """Behave well."""
    await visit.read()
    await visit.say(ACCEPTED)


# Answers


async def test_the_answer_comes_back_whole(transport: HttpTransport) -> None:
    """Status, body as it is, and header names in lower case."""
    async with providing(accept) as provider:
        answer = await post(transport, provider.url)

    assert (202, b"{}", "theirs") == (answer.status, answer.body, answer.headers["x-message-id"])


async def test_the_request_arrives_whole(transport: HttpTransport) -> None:
    """Method, path, the provider's own headers, and every byte of the body."""
    body = os.urandom(1_000_000)
    async with providing(accept) as provider:
        await post(transport, provider.url, body)
    (request,) = provider.requests
    head, _, arrived = request.partition(b"\r\n\r\n")
    lines = {line.lower() for line in head.split(b"\r\n")}

    assert body == arrived
    assert head.startswith(b"POST /send HTTP/1.1\r\n")
    assert {b"authorization: bearer secret", b"content-type: application/json"} <= lines


async def test_a_connection_is_used_again(transport: HttpTransport) -> None:
    """One handshake serves many messages."""

    async def accept_all(visit: Visit) -> None:
        while True:
            await accept(visit)

    async with providing(accept_all) as provider:
        for _ in range(3):
            await post(transport, provider.url)

        assert len(provider.visits) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer(transport: HttpTransport, status: int) -> None:
    """It is not followed: our key would go along to whatever host it names."""

    async def redirect(visit: Visit) -> None:
        await visit.read()
        head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        await visit.say(head.encode())

    async with providing(accept) as elsewhere, providing(redirect) as provider:
        answer = await post(transport, provider.url)

    assert status == answer.status
    assert not elsewhere.visits


async def test_a_huge_answer_is_cut(transport: HttpTransport) -> None:
    """No provider says so much, and nobody reads gigabytes to find out."""

    async def drone_on(visit: Visit) -> None:
        await visit.read()
        await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        for _ in range(10_000):
            await visit.say(b"x" * 100_000)

    async with providing(drone_on) as provider:
        answer = await post(transport, provider.url)
    expected = b"x" * MOST

    assert expected == answer.body


async def test_an_answer_to_many_messages_comes_whole(transport: HttpTransport) -> None:
    """Up to a megabyte, which is more than any provider says of a batch."""
    said = os.urandom(MOST)

    async def report(visit: Visit) -> None:
        await visit.read()
        await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said), said)

    async with providing(report) as provider:
        answer = await post(transport, provider.url)

    assert said == answer.body


async def test_a_gzip_bomb_is_not_unpacked(transport: HttpTransport) -> None:
    """Answers are asked for as they are, and stay as they are."""
    bomb = gzip.compress(b"\0" * 30_000_000)

    async def bombard(visit: Visit) -> None:
        await visit.read()
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        await visit.say(head + bomb)

    async with providing(bombard) as provider:
        answer = await post(transport, provider.url)
        (request,) = provider.requests

    assert bomb[:MOST] == answer.body
    assert b"accept-encoding: identity" in request.lower()


async def test_a_request_is_signed_when_it_leaves(transport: HttpTransport) -> None:
    """For whoever wants that: a signature holds the time, and its maker has no clock."""
    credentials = AwsCredentials(
        access_key_id="AKIA", secret_access_key="secret", region="eu-west-1", service="ses"
    )
    async with providing(accept) as provider:
        await transport.perform(Request(provider.url, b"{}", signed_by=credentials))
        (request,) = provider.requests
    today = datetime.now(UTC).strftime("%Y%m%d")

    assert f"credential=akia/{today}/eu-west-1/ses/aws4_request".encode() in request.lower()
    assert b"secret" not in request


# Certainly not sent


async def test_a_refused_connection_did_not_send(transport: HttpTransport) -> None:
    """Nobody listened."""
    with pytest.raises(NotSentError):
        await post(transport, f"http://127.0.0.1:{free_port()}/send")


async def test_an_unknown_host_did_not_get_anything(transport: HttpTransport) -> None:
    """There is no such name (RFC 6761, 6.4)."""
    with pytest.raises(NotSentError):
        await post(transport, "http://provider.invalid/send")


@pytest.mark.parametrize("url", ["ftp://example.com/", "http://", "http://example.com:99999/", "nonsense"])
async def test_an_unusable_address_did_not_send(transport: HttpTransport, url: str) -> None:
    """A mistake in the settings does not make every message doubtful."""
    with pytest.raises(NotSentError):
        await post(transport, url)


async def test_a_stalled_handshake_did_not_send(transport: HttpTransport) -> None:
    """Not a byte of the message leaves before TLS stands."""

    async def stall(_: Visit) -> None:
        await asyncio.sleep(60)

    async with providing(stall) as provider:
        began = time.monotonic()
        with pytest.raises(NotSentError):
            await post(transport, provider.url.replace("http:", "https:"))

    assert time.monotonic() - began < DEADLINE + 5


async def test_a_broken_handshake_did_not_send(transport: HttpTransport) -> None:
    """Somebody there speaks no TLS."""

    async def babble(visit: Visit) -> None:
        await visit.say(b"220 mail.example.com ESMTP\r\n", pause=0.5)

    async with providing(babble) as provider:
        with pytest.raises(NotSentError):
            await post(transport, provider.url.replace("http:", "https:"))


# Perhaps sent


async def hang_up(visit: Visit) -> None:
    """Read the request, then close."""
    await visit.read()


async def reset(visit: Visit) -> None:
    """Read the request, then break the connection."""
    await visit.read()
    visit.reset()


async def hang_up_early(visit: Visit) -> None:
    """Close in the middle of the request."""
    await visit._reader.read(10)
    visit.reset()


async def break_off(visit: Visit) -> None:
    """Close in the middle of the answer."""
    await visit.read()
    await visit.say(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{")


async def break_off_chunked(visit: Visit) -> None:
    """Close in the middle of a chunked answer."""
    await visit.read()
    await visit.say(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\r\n")


async def babble(visit: Visit) -> None:
    """Answer something that is no HTTP."""
    await visit.read()
    await visit.say(b"220 mail.example.com ESMTP\r\n\r\n")


async def hang(visit: Visit) -> None:
    """Read the request and say nothing."""
    await visit.read()
    await asyncio.sleep(60)


async def hang_half_way(visit: Visit) -> None:
    """Begin to answer and stop."""
    await visit.read()
    await visit.say(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n", pause=60)


async def drip(visit: Visit) -> None:
    """Answer, one byte at a time."""
    await visit.read()
    await visit.say(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")
    await visit.say(*[b"x"] * 1000, pause=0.05)


async def drip_headers(visit: Visit) -> None:
    """Answer with headers that do not end."""
    await visit.read()
    await visit.say(b"HTTP/1.1 202 Accepted\r\n", *[b"X-A: 1\r\n"] * 1000, pause=0.05)


async def read_nothing(_: Visit) -> None:
    """Take the connection and leave it alone."""
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    "behaviour",
    [
        hang_up,
        reset,
        hang_up_early,
        break_off,
        break_off_chunked,
        babble,
        hang,
        hang_half_way,
        drip,
        drip_headers,
        read_nothing,
    ],
)
async def test_whatever_breaks_after_the_request_left_is_no_answer(
    transport: HttpTransport, behaviour: Behaviour
) -> None:
    """The provider may have taken the message; and nobody waits beyond the deadline."""
    async with providing(behaviour) as provider:
        began = time.monotonic()
        with pytest.raises(NoAnswerError):
            await post(transport, provider.url, b"x" * 1_000_000 if behaviour is read_nothing else b"{}")
        took = time.monotonic() - began

    assert len(provider.visits) == 1
    assert took < DEADLINE + 5


async def test_nothing_is_sent_twice_by_itself(transport: HttpTransport) -> None:
    """A kept connection that ends under a request is doubtful too; only the claims may repeat it."""

    async def accept_once(visit: Visit) -> None:
        await accept(visit)
        await visit.read()  # and hang up

    async with providing(accept_once) as provider:
        await post(transport, provider.url)
        with pytest.raises(NoAnswerError):
            await post(transport, provider.url, b"second")
        seconds = [request for request in provider.requests if request.endswith(b"second")]

    assert len(seconds) == 1


async def test_a_failure_does_not_spoil_the_next_request(transport: HttpTransport) -> None:
    """Whatever was wrong, the client goes on."""
    async with providing(reset) as bad, providing(accept) as good:
        for _ in range(3):
            with pytest.raises(NoAnswerError):
                await post(transport, bad.url)
        answer = await post(transport, good.url)

    assert answer.status == 202


async def test_many_requests_run_at_once(transport: HttpTransport) -> None:
    """One that hangs does not stand before the others."""

    async def think(visit: Visit) -> None:
        await visit.read()
        await asyncio.sleep(0.2)
        await visit.say(ACCEPTED)

    async with providing(think) as provider:
        began = time.monotonic()
        answers = await asyncio.gather(*(post(transport, provider.url) for _ in range(10)))

    assert {202} == {answer.status for answer in answers}
    assert time.monotonic() - began < DEADLINE


@pytest.mark.parametrize("behaviour", [hang_up, hang])
async def test_errors_hold_no_address_and_no_secret(transport: HttpTransport, behaviour: Behaviour) -> None:
    """Their texts become reasons, and reasons are logged."""
    async with providing(behaviour) as provider:
        with pytest.raises(NoAnswerError) as caught:
            await post(transport, provider.url, b"ann@example.org")

    assert "ann@example.org" not in str(caught.value)
    assert "secret" not in str(caught.value)


# The right way out


async def test_each_kind_of_request_takes_its_own_way(transport: HttpTransport, tmp_path: Path) -> None:
    """HTTP, a file, and a submission to a mail server."""
    smtp = SmtpTransport(DEADLINE, connections=1)
    transports = Transports(transport, smtp)
    async with providing(accept) as provider, FakeSmtp() as server:
        host, port = server.base_url.removeprefix("smtp://").split(":")
        submission = Submission(
            host=host,
            port=int(port),
            security="none",
            sender="letters@example.com",
            recipients=("ann@example.org",),
            body=b"Subject: Hi\r\n\r\nHello\r\n",
        )
        web = await transports.perform(Request(provider.url, b"{}"))
        file = await transports.perform(Request((tmp_path / "letter.eml").as_uri(), b"x", method="PUT"))
        post_office = await transports.perform(submission)
        await smtp.close()

    assert (202, 201, 250) == (web.status, file.status, post_office.status)
    assert (1, 1) == (len(provider.visits), len(server.record))


# Files


async def test_a_file_url_writes_a_file(transport: HttpTransport, tmp_path: Path) -> None:
    """With all folders that lead to it, under its final name, and nothing beside it."""
    path = tmp_path / "a folder" / "ünd" / "letter.eml"
    body = os.urandom(100_000)

    answer = await transport.perform(Request(path.as_uri(), body, method="PUT"))

    assert (201, "letter.eml") == (answer.status, answer.headers["location"])
    assert body == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


async def test_writing_again_replaces_the_file(transport: HttpTransport, tmp_path: Path) -> None:
    """A repeated attempt changes nothing."""
    path = tmp_path / "letter.eml"
    for body in (b"first, and longer", b"second"):
        answer = await transport.perform(Request(path.as_uri(), body, method="PUT"))

        assert answer.status == 201

    assert path.read_bytes() == b"second"


async def test_a_reader_never_sees_half_a_file(transport: HttpTransport, tmp_path: Path) -> None:
    """Somebody who looks all the time sees nothing, or everything."""
    path = tmp_path / "letter.eml"
    body = b"x" * 20_000_000
    writing = asyncio.create_task(transport.perform(Request(path.as_uri(), body, method="PUT")))
    sizes = set()
    while not writing.done():
        if path.exists():
            sizes.add(path.stat().st_size)
        await asyncio.sleep(0)
    sizes.add(path.stat().st_size)
    expected = {len(body)}

    assert expected == sizes


def letters(folder: Path) -> list[Path]:
    """What a reader of the outbox finds."""
    return sorted(folder.rglob("*.eml"))


@pytest.mark.parametrize("place", ["file/letter.eml", "folder.eml"])
async def test_what_cannot_be_written_is_a_servers_error(
    transport: HttpTransport, tmp_path: Path, place: str
) -> None:
    """Below a file, or where a folder is; no reader of the outbox finds anything new."""
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.eml").mkdir()
    before = letters(tmp_path)

    answer = await transport.perform(Request((tmp_path / place).as_uri(), b"x", method="PUT"))

    assert answer.status == 500
    assert answer.body
    assert before == letters(tmp_path)
