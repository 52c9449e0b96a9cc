"""What a webhook's receiver gets, and what the gateway is told of it, whatever the receiver does."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import trustme
from aiohttp.abc import ResolveResult
from resend import Webhooks
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from services.mailer.delivery.ports import UnreportedError
from services.mailer.webhooks.posting import Posting, retry_after
from services.mailer.webhooks.transport import WebhookTransport
from shared.signatures import PostWebhook, RecordWebhookAttempt, Signature
from tests.mailer.webhooks.receiver import (
    ALLOWED,
    NO_CONTENT,
    OUTSIDE,
    Behaviour,
    Names,
    Visit,
    no_content,
    receiving,
)

NAME = "hooks.example.com"
DEADLINE = 1.5
SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_plJ3nmyCDGBKInavdOK15jsl")
STRANGER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
DELIVERY = UUID("01900000-0000-7000-8000-000000000001")
PAYLOAD = '{"type":"email.bounced","data":{"subject":"Grüße ✉","to":["ann@example.org"]}}'
AUTHORITY = trustme.CA(key_type=trustme.KeyType.ECDSA)
TLS = ssl.create_default_context()
AUTHORITY.configure_trust(TLS)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Reporter:
    """Keeps what it is told, once it has failed so many times."""

    def __init__(self, failures: int = 0) -> None:
        self._failures = failures
        self.told: list[RecordWebhookAttempt] = []

    async def report(self, signature: Signature) -> None:
        if self._failures:
            self._failures -= 1
            raise UnreportedError
        assert isinstance(signature, RecordWebhookAttempt)
        self.told.append(signature)


class SlowNames(Names):
    """A name server that never answers."""

    async def resolve(self, *_: object, **__: object) -> list[ResolveResult]:
        await asyncio.Event().wait()
        raise AssertionError


class World:
    """A mailer that posts to receivers of this machine."""

    def __init__(self) -> None:
        self.reporter = Reporter()
        self.names = Names([OUTSIDE])
        self.transports: list[WebhookTransport] = []
        self.posted: list[int | None] = []
        """Statuses that were counted."""

    def posting(self) -> Posting:
        """The mailer's part."""
        self.transports.append(WebhookTransport(ALLOWED, DEADLINE, 4, TLS, self.names))
        return Posting(self.transports[-1], self.reporter, waits=(0.0, 0.0), on_posted=self.posted.append)

    async def attempt(self, url: str, secrets: tuple[str, ...] = SECRETS) -> RecordWebhookAttempt:
        """Make one attempt, and return what was told of it."""
        webhook = PostWebhook(delivery_id=DELIVERY, attempt=3, url=url, payload=PAYLOAD, secrets=secrets)
        await self.posting().attempt(webhook)
        return self.reporter.told[-1]

    async def answered(self, behaviour: Behaviour) -> RecordWebhookAttempt:
        """Make one attempt at a receiver with this behaviour."""
        async with receiving(behaviour) as receiver:
            return await self.attempt(f"http://{NAME}:{receiver.port}/hook")

    def served_as(self, name: str) -> ssl.SSLContext:
        """A certificate for a name."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        AUTHORITY.issue_cert(name, key_type=trustme.KeyType.ECDSA).configure_cert(context)
        return context


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Everything, and its end."""
    world = World()
    yield world
    for transport in world.transports:
        await transport.close()


def answering(head: str, body: bytes = b"") -> Behaviour:
    """Answer with these headers and this body."""

    async def answer(visit: Visit) -> None:
        await visit.say(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    return answer


# What the receiver gets


@pytest.mark.parametrize("secured", [True, False])
async def test_the_receiver_gets_the_payload_as_it_is(world: World, *, secured: bool) -> None:
    """Over TLS by its name, or without where the operator allows it."""
    tls = world.served_as(NAME) if secured else None
    async with receiving(tls=tls) as receiver:
        scheme = "https" if secured else "http"
        told = await world.attempt(f"{scheme}://{NAME}:{receiver.port}/hook?a=b%20c#d")
        (visit,) = receiver.visits

    assert (204, None) == (told.status_code, told.reason)
    assert ("POST /hook?a=b%20c HTTP/1.1", PAYLOAD) == (visit.line, visit.body.decode())
    assert "application/json" == visit.headers["content-type"]
    assert f"{NAME}:{receiver.port}" == visit.headers["host"]
    assert "identity" == visit.headers["accept-encoding"]


async def test_every_valid_secret_verifies_it(world: World) -> None:
    """By the library of Standard Webhooks, and by Resend's SDK: a rotation interrupts nobody."""
    async with receiving() as receiver:
        await world.attempt(f"http://{NAME}:{receiver.port}/")
        (visit,) = receiver.visits
    svix = {name: visit.headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")}

    for secret in SECRETS:
        assert json.loads(PAYLOAD) == Webhook(secret).verify(visit.body, visit.headers)
        Webhooks.verify({"payload": visit.body.decode(), "headers": svix, "webhook_secret": secret})  # type: ignore[typeddict-item]
    with pytest.raises(WebhookVerificationError):
        Webhook(STRANGER).verify(visit.body, visit.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS[0]).verify(visit.body + b" ", visit.headers)


async def test_all_attempts_have_the_same_id(world: World) -> None:
    """By which a receiver can tell that it has seen the event."""
    async with receiving() as receiver:
        for _ in range(2):
            await world.attempt(f"http://{NAME}:{receiver.port}/")

    assert {str(DELIVERY)} == {visit.headers["webhook-id"] for visit in receiver.visits}


async def test_a_connection_is_used_again(world: World) -> None:
    """Also over TLS, whose beginning costs more than all the rest."""
    posting = world.posting()
    async with receiving(tls=world.served_as(NAME)) as receiver:
        url = f"https://{NAME}:{receiver.port}/"
        for _ in range(3):
            webhook = PostWebhook(delivery_id=DELIVERY, attempt=1, url=url, payload="{}", secrets=SECRETS)
            await posting.attempt(webhook)

    assert (1, 3) == (receiver.connections, len(receiver.visits))


async def test_a_certificate_must_be_for_the_name(world: World) -> None:
    """And nothing is posted to who has none."""
    async with receiving(tls=world.served_as("other.example.com")) as receiver:
        told = await world.attempt(f"https://{NAME}:{receiver.port}/")

    assert (None, "the certificate is not trusted") == (told.status_code, told.reason)
    assert not receiver.visits


async def test_https_is_not_spoken_to_who_speaks_http(world: World) -> None:
    """Nobody falls back to a connection in clear."""
    async with receiving() as receiver:
        told = await world.attempt(f"https://{NAME}:{receiver.port}/")

    assert told.status_code is None
    assert not receiver.visits


# What the gateway is told


async def test_an_answer_is_told_with_its_beginning(world: World) -> None:
    """Status, text, how long it took, and how long to wait."""
    began = datetime.now(UTC)
    told = await world.answered(answering("503 Busy\r\nRetry-After: 120", "Später".encode()))

    assert (DELIVERY, 3, 503, None) == (told.delivery_id, told.attempt, told.status_code, told.reason)
    assert ("Später", 120.0) == (told.response, told.retry_after)
    assert [503] == world.posted
    assert began <= told.at <= began + timedelta(milliseconds=told.duration_ms + 1000)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"x" * 5000, "x" * 1000),
        ("✉".encode() * 2000, "✉" * 1000),
        ("😀".encode() * 2000, "😀" * 1000),
        (b"a\x00b\x1b[2J\r\n", "a�b�[2J\r\n"),
        (b"\xff\xfe", "��"),
        (b"", ""),
    ],
)
async def test_any_answer_is_fit_to_be_kept(world: World, body: bytes, kept: str) -> None:
    """A thousand characters of it, none of which a database refuses."""
    assert kept == (await world.answered(answering("200 OK", body))).response


async def test_a_gzip_bomb_is_not_unpacked(world: World) -> None:
    """And not kept, since nobody can read it."""
    bomb = gzip.compress(b"\0" * 30_000_000)
    told = await world.answered(answering("200 OK\r\nContent-Encoding: gzip", bomb))

    assert (200, "") == (told.status_code, told.response)


async def endless(visit: Visit) -> None:
    await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    await visit.say(*[b"x" * 100_000] * 10_000)


async def dripping(visit: Visit) -> None:
    await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")
    await asyncio.Event().wait()


@pytest.mark.parametrize(("behaviour", "kept"), [(endless, 1000), (dripping, 1)])
async def test_the_status_counts_where_the_body_never_ends(
    world: World, behaviour: Behaviour, kept: int
) -> None:
    """And neither its length nor its slowness is a burden."""
    told = await world.answered(behaviour)

    assert (200, "x" * kept, None) == (told.status_code, told.response, told.reason)
    assert told.duration_ms < 1000 * DEADLINE + 5000


async def silent(_: Visit) -> None:
    await asyncio.Event().wait()


async def headless(visit: Visit) -> None:
    for _ in range(1000):
        await visit.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.01)


async def verbose(visit: Visit) -> None:
    await visit.say(b"HTTP/1.1 200 OK\r\n", *[b"X-More: %s\r\n" % (b"x" * 4000)] * 20_000)


async def hanging_up(_: Visit) -> None:
    raise EOFError


async def babbling(visit: Visit) -> None:
    await visit.say(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (silent, f"no answer within {DEADLINE} s"),
        (headless, f"no answer within {DEADLINE} s"),
        (verbose, "the answer is no HTTP"),
        (hanging_up, "the connection was closed without an answer"),
        (babbling, "the answer is no HTTP"),
    ],
)
async def test_whoever_gives_no_answer_is_told_of(world: World, behaviour: Behaviour, reason: str) -> None:
    """In time, and with a reason that names nobody."""
    began = time.monotonic()
    told = await world.answered(behaviour)

    assert (None, "", reason) == (told.status_code, told.response, told.reason)
    assert [None] == world.posted
    assert time.monotonic() - began < DEADLINE + 10


async def test_a_receiver_that_never_answers_is_left_alone_after_a_while(world: World) -> None:
    """Its webhooks come to an end at once then, and say when to come again."""
    posting = world.posting()
    async with receiving(silent) as receiver:
        url = f"http://{NAME}:{receiver.port}/"
        webhook = PostWebhook(delivery_id=DELIVERY, attempt=1, url=url, payload="{}", secrets=SECRETS)
        await asyncio.gather(*(posting.attempt(webhook) for _ in range(5)))
        await posting.attempt(webhook)
    told = world.reporter.told[-1]

    assert len(receiver.visits) <= 5
    assert "left alone for a moment: it did not answer in time again and again" == told.reason
    assert 25 < (told.retry_after or 0) <= 30
    assert told.duration_ms < 1000 * DEADLINE


async def test_a_name_server_that_never_answers_is_not_waited_for(world: World) -> None:
    """The deadline begins with the look-up."""
    world.names = SlowNames()

    assert f"no answer within {DEADLINE} s" == (await world.attempt(f"https://{NAME}/")).reason


async def test_an_unknown_name_is_told_of(world: World) -> None:
    """It may be known tomorrow."""
    world.names = Names([])

    assert "the name cannot be found" == (await world.attempt(f"https://{NAME}/")).reason


async def test_our_own_bug_is_an_attempt_that_failed(world: World) -> None:
    """So that the gateway plans another one, for a mailer that is mended."""
    async with receiving() as receiver:
        told = await world.attempt(f"http://{NAME}:{receiver.port}/", secrets=("whsec_",))

    assert "internal_error: EmptyWebhookSecretError" == told.reason
    assert not receiver.connections


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("86401", 86_400.0),
        ("999999999999", 86_400.0),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60.0),
        ("Fri, 02 Jan 2026 03:03:05 GMT", 0.0),
        ("Fri, 02 Jan 2099 03:03:05 GMT", 86_400.0),
        *((odd, None) for odd in ("", "-1", "1.5", "soon", "٣", "9" * 40, "Fri, 99 Jan 2026 03:05:05 GMT")),
    ],
)
def test_how_long_a_receiver_wants_to_be_left_alone(text: str, seconds: float | None) -> None:
    """In seconds or as a date; a day at most, and nonsense is nothing."""
    assert seconds == retry_after({"retry-after": text}, AT)


# Where the gateway cannot be told


async def test_a_report_is_tried_again(world: World) -> None:
    """What was posted is not to be posted again for that."""
    world.reporter = Reporter(failures=2)
    told = await world.answered(no_content)

    assert [told] == world.reporter.told
    assert NO_CONTENT.startswith(b"HTTP/1.1 %d" % (told.status_code or 0))


async def test_a_report_that_stays_impossible_is_said(world: World) -> None:
    """Then the broker has the webhook back."""
    world.reporter = Reporter(failures=3)
    with pytest.raises(UnreportedError):
        await world.answered(no_content)
