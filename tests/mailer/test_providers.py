"""What every provider does: carry the whole message, classify every answer, tell no secrets."""

from __future__ import annotations

import asyncio
import pathlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from services.mailer.outcome import Accepted, Deferred, Rejected, Suppressed, Unauthorised, Uncertain
from services.mailer.providers import PROVIDERS
from services.mailer.providers.base import Provider, Request, Response, UnsupportedError
from services.mailer.providers.mandrill import Mandrill
from services.mailer.providers.outbox import Outbox
from services.mailer.providers.sendgrid import SendGrid
from shared.signatures import Address, Attachment, SendEmail, Tag
from tests.fakes import FAKES, FakeMandrill, faults
from tests.fakes.esp import FakeESP
from tests.mailer import carried
from tests.mailer.answers import (
    DATE,
    MANDRILL_ID,
    MANDRILL_ROWS,
    OUTBOX_ROWS,
    RESET,
    SENDGRID_ID,
    SENDGRID_ROWS,
    any_body,
    json_response,
    mandrill_rows,
    row,
    sendgrid_says,
)
from tests.mailer.samples import EVERY_BYTE, FULL, MESSAGE_ID, PLAIN, SAMPLES, message

KEY = "key-of-the-account-0123456789"
OUTCOMES = (Accepted, Deferred, Rejected, Suppressed, Unauthorised, Uncertain)


def made(name: str, base_url: str = "https://provider.test") -> Provider:
    maker: Callable[..., Provider] = PROVIDERS[name]
    return maker(pathlib.Path("/srv/outbox")) if name == "outbox" else maker(KEY, base_url)


@dataclass
class Place:
    """A provider, and the other end of its wire."""

    provider: Provider
    perform: Callable[[Request], Any]
    arrived: Callable[[], carried.Carried]


async def post(request: Request) -> Response:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        answer = await client.request(
            request.method, request.url, content=request.body, headers=dict(request.headers)
        )
    return Response(answer.status_code, answer.content, dict(answer.headers))


async def write(request: Request) -> Response:
    file = pathlib.Path(unquote(urlsplit(request.url).path))
    await asyncio.to_thread(file.write_bytes, request.body)
    return Response(201, headers={"location": file.name})


@pytest.fixture(params=PROVIDERS)
async def place(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> AsyncIterator[Place]:
    if request.param == "outbox":
        directory = tmp_path / "the post's # outbox"
        directory.mkdir()
        yield Place(
            Outbox(directory),
            write,
            lambda: carried.by_outbox(next(directory.iterdir()).read_bytes()),
        )
        return
    read = {"sendgrid": carried.by_sendgrid, "mandrill": carried.by_mandrill}[request.param]
    async with FAKES[request.param](api_key=KEY) as fake:
        yield Place(made(request.param, fake.base_url), post, lambda: read(fake.record[0].payload))


@pytest.fixture(params=FAKES)
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeESP]:
    async with FAKES[request.param](api_key=KEY) as fake:
        yield fake


@pytest.mark.parametrize("sample", SAMPLES)
async def test_everything_in_a_message_arrives(place: Place, sample: str) -> None:
    """What the provider receives equals the message: people, words, headers, files byte for byte."""
    outcome = place.provider.read(await place.perform(place.provider.build(SAMPLES[sample])))

    assert isinstance(outcome, Accepted)
    assert carried.meant(SAMPLES[sample]) == place.arrived()


async def test_the_provider_s_message_id_is_kept(fake: FakeESP) -> None:
    """The outcome names the message as the provider does."""
    provider = made(fake.name, fake.base_url)

    outcome = provider.read(await post(provider.build(FULL)))

    assert Accepted(fake.record[0].provider_message_id) == outcome
    assert str(MESSAGE_ID) == fake.record[0].message_id


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_equal_messages_give_equal_bytes(name: str, sample: str) -> None:
    """A second attempt sends the very same request."""
    again = SendEmail.parse(SAMPLES[sample].arguments())

    assert made(name).build(SAMPLES[sample]) == made(name).build(again)


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_key_is_not_shown(name: str) -> None:
    """A provider can be logged."""
    assert KEY not in repr(made(name))


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_called_by_its_name_in_the_registry(name: str) -> None:
    """Settings, events and logs use one word."""
    assert name == made(name).name


ROWS = [
    pytest.param(made(name), response, kind, id=f"{name}: {case}")
    for name, rows in {"sendgrid": SENDGRID_ROWS, "mandrill": MANDRILL_ROWS, "outbox": OUTBOX_ROWS}.items()
    for case, (response, kind) in rows.items()
]


@pytest.mark.parametrize(("provider", "response", "kind"), ROWS)
def test_every_answer_has_its_outcome(provider: Provider, response: Response, kind: type) -> None:
    """Each row of the provider's table of answers is classified as the table says."""
    outcome = provider.read(response)

    assert kind is type(outcome), outcome


@pytest.mark.parametrize(
    ("name", "response", "expected"),
    [
        ("sendgrid", Response(202, b"", {"x-message-id": SENDGRID_ID}), Accepted(SENDGRID_ID)),
        ("sendgrid", Response(202, b" \r\n"), Accepted(None)),
        ("sendgrid", Response(202, b"", {"x-message-id": "\x00" * 9}), Accepted(None)),
        ("mandrill", mandrill_rows(row("sent")), Accepted(MANDRILL_ID)),
        (
            "mandrill",
            mandrill_rows(row("queued").replace("null}", '"hourly-quota-exhausted"}')),
            Accepted(MANDRILL_ID),
        ),
        (
            "mandrill",
            mandrill_rows(row("queued").replace("null}", '"sending-paused"}')),
            Accepted(MANDRILL_ID),
        ),
        ("mandrill", mandrill_rows(row("scheduled")), Accepted(MANDRILL_ID)),
        ("mandrill", mandrill_rows(row("sent", _id="null")), Accepted(None)),
        ("mandrill", mandrill_rows(row("rejected", '"spam"', '"no"'), row("sent")), Accepted(MANDRILL_ID)),
        ("outbox", Response(201, headers={"location": "/var/outbox/a.eml"}), Accepted("a.eml")),
        ("outbox", Response(201), Accepted(None)),
    ],
)
def test_acceptance_carries_the_provider_s_message_id(
    name: str, response: Response, expected: Accepted
) -> None:
    """Without an id that can be kept, accepted is accepted all the same."""
    assert expected == made(name).read(response)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "0"}, 1.0),
        ({"retry-after": "86400"}, 900.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:07 GMT", "date": DATE}, 7.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": DATE}, 1.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:07 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon", "ratelimit-reset": "7"}, 7.0),
        ({"ratelimit-reset": "7"}, 7.0),
        ({"ratelimit": '"default";r=0;t=7'}, 7.0),
        ({"x-ratelimit-reset": RESET, "date": DATE}, 7.0),
        ({"x-ratelimit-reset": f"{RESET}.0", "date": DATE}, 7.0),
        ({"x-ratelimit-reset": RESET}, None),
        ({"x-ratelimit-reset": RESET, "date": "yesterday"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("name", FAKES)
def test_the_wait_follows_the_provider_s_hint(
    name: str, headers: dict[str, str], seconds: float | None
) -> None:
    """The wait is what the provider asked for, within bounds of ours; garbage is no hint."""
    outcome = made(name).read(Response(429, b"", headers))

    assert isinstance(outcome, Deferred)
    assert seconds == outcome.retry_after


async def test_a_rate_limit_is_waited_out(fake: FakeESP) -> None:
    """The hint of a real answer arrives in the outcome."""
    fake.script(faults.refuse(429, headers={"Retry-After": "2"}))
    provider = made(fake.name, fake.base_url)

    outcome = provider.read(await post(provider.build(PLAIN)))

    assert isinstance(outcome, Deferred)
    assert outcome.retry_after == 2.0


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.page(200), Uncertain),
        (faults.page(202), Uncertain),
        (faults.page(502, accept=False), Uncertain),
        (faults.truncated(), Uncertain),
        (faults.refuse(500), Uncertain),
        (faults.refuse(500, accept=True), Uncertain),
        (faults.refuse(503), Deferred),
        (faults.refuse(401), Unauthorised),
        (faults.refuse(400), Rejected),
        (faults.redirect(), Unauthorised),
        (faults.huge(100_000), Uncertain),
        (faults.gzip_bomb(100_000), Uncertain),
        (faults.late(0.05), Accepted),
    ],
)
async def test_faults_on_the_wire_have_their_outcome(fake: FakeESP, fault: faults.Fault, kind: type) -> None:
    """What a failing provider sends over a real connection is classified, never raised."""
    fake.script(fault)
    provider = made(fake.name, fake.base_url)

    outcome = provider.read(await post(provider.build(PLAIN)))

    assert kind is type(outcome), outcome


async def test_refused_recipients_are_told_from_a_refused_message() -> None:
    """Mandrill's rows decide: all on its list is suppressed, one through is accepted with that one's id."""
    async with FakeMandrill(api_key=KEY) as fake:
        provider = made("mandrill", fake.base_url)
        blocked = Address(email="reject@test.mandrillapp.com")
        alone = provider.read(await post(provider.build(message(to=(blocked,)))))
        mixed = provider.read(await post(provider.build(message(to=(blocked, *PLAIN.to)))))

    assert Suppressed("refused: hard-bounce") == alone
    assert Accepted(fake.record[0].provider_message_id) == mixed


@pytest.mark.parametrize("name", PROVIDERS)
def test_reading_never_raises(name: str) -> None:
    """Any status, bytes and headers give an outcome."""
    dice = random.Random(20261122)
    provider = made(name)
    values = [
        "",
        "soon",
        "-1",
        "9" * 400,
        "Fri, 99 Foo 99999 99:99:99 +9999",
        f"Sun, 22 Nov {10**30} 10:00:00 GMT",
        "\x00",
        "é",
        "http://[",
        DATE,
        RESET,
    ]
    names = [
        "retry-after",
        "date",
        "x-ratelimit-reset",
        "ratelimit",
        "ratelimit-reset",
        "location",
        "x-message-id",
    ]
    for _ in range(4000):
        headers = {key: dice.choice(values) for key in dice.sample(names, dice.randrange(len(names)))}
        status = dice.choice([0, 100, 200, 201, 202, 204, 302, 400, 401, 404, 429, 500, 503, 507, 999, -7])
        outcome = provider.read(Response(status, any_body(dice), headers))
        assert isinstance(outcome, OUTCOMES)


@pytest.mark.parametrize("name", FAKES)
def test_a_reason_tells_neither_address_nor_key(name: str) -> None:
    """Reasons are logged and shown, so what the provider echoes is taken out."""
    echo = f"Invalid 'To' address: 'x@y.z' for key {KEY}"
    said = {
        "sendgrid": sendgrid_says(400, echo),
        "mandrill": json_response(500, f'{{"status":"error","name":"ValidationError","message":"{echo}"}}'),
    }

    outcome = made(name).read(said[name])

    assert isinstance(outcome, Rejected)
    assert outcome.reason.endswith("Invalid 'To' address: '<address>' for key <key>")


@pytest.mark.parametrize("name", FAKES)
def test_a_long_answer_is_read_quickly(name: str) -> None:
    """A megabyte without a space does not keep the search for addresses busy."""
    flood = "x" * 1_000_000
    said = {
        "sendgrid": sendgrid_says(400, flood),
        "mandrill": json_response(500, f'{{"status":"error","name":"ValidationError","message":"{flood}"}}'),
    }

    outcome = made(name).read(said[name])

    assert isinstance(outcome, Rejected)
    assert len(outcome.reason) <= 300


def people(count: int) -> tuple[Address, ...]:
    return tuple(Address(email=f"user{number}@example.net") for number in range(count))


def tags(count: int, name: str = "tag") -> tuple[Tag, ...]:
    return tuple(Tag(name=f"{name}{number}", value="") for number in range(count))


IMAGE_THAT_IS_NONE = Attachment(
    filename="a.pdf", content=EVERY_BYTE, content_type="application/pdf", content_id="a"
)
LETTER_INSIDE = Attachment(filename="a.eml", content=EVERY_BYTE, content_type="message/rfc822")


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("sendgrid", {"tags": tags(11)}, "at most 10 tags"),
        ("sendgrid", {"tags": tags(1, "x" * 255)}, "at most 255 characters"),
        ("sendgrid", {"metadata": {"k": "v" * 10_000}}, "10000 bytes"),
        ("sendgrid", {"cc": (Address(email="ADA@example.net"),)}, "only once"),
        ("sendgrid", {"bcc": people(1000)}, "1000 recipients"),
        ("sendgrid", {"headers": {"X-SG-EID": "1"}}, "X-SG-EID is reserved"),
        ("sendgrid", {"headers": {"dkim-signature": "1"}}, "reserved"),
        ("sendgrid", {"subject": ""}, "subject"),
        ("sendgrid", {"text": ""}, "text or html"),
        ("mandrill", {"tags": (Tag(name="_own", value=""),)}, "underscore"),
        ("mandrill", {"tags": tags(1, "x" * 50)}, "50 characters"),
        ("mandrill", {"metadata": {"k": "v" * 250}}, "250 bytes"),
        ("mandrill", {"metadata": {"_k": "v"}}, "underscore"),
        ("mandrill", {"attachments": (IMAGE_THAT_IS_NONE,)}, "images"),
        ("mandrill", {"reply_to": (Address(email="émile@example.org", name="É"),)}, "not ASCII"),
        ("outbox", {"attachments": (LETTER_INSIDE,)}, "byte for byte"),
        ("outbox", {"to": (Address(email="émile@example.org"),)}, "not ASCII"),
        *[
            ("outbox", {"to": (Address(email=email),)}, "cannot be written")
            for email in ("not an address", "", "@", "a@", "a@[", "a@b c", "a..b@c", "<a@b>")
        ],
        *[
            (name, fields, words)
            for name in PROVIDERS
            for fields, words in [
                ({"headers": {"Subject": "another"}}, "reserved"),
                ({"headers": {"message-id": "<mine@example.org>"}}, "reserved"),
                ({"headers": {"X Y": "1"}}, "RFC 5322"),
                ({"headers": {"X-A": "1\r\nBcc: all@example.org"}}, "line break"),
                ({"subject": "a\nBcc: all@example.org"}, "line break"),
                ({"to": (Address(email="a@example.org", name="a\r\nb"),)}, "line break"),
                ({"metadata": {"message_id": "mine"}}, "reserved"),
                ({"sender": Address(email=f"a@{'x' * 64}.org")}, "ASCII"),
            ]
        ],
    ],
)
def test_what_cannot_be_carried_is_refused(name: str, fields: dict[str, Any], words: str) -> None:
    """Nothing is dropped silently: the reason says what the provider cannot do."""
    with pytest.raises(UnsupportedError, match=words):
        made(name).build(message(**fields))


def test_sendgrid_gets_names_with_commas_in_quotes() -> None:
    """Bare, SendGrid reads the part before the comma as an address of its own, and drops the message."""
    body = SendGrid(KEY).build(message(to=(Address(email="ada@example.net", name='Lovelace, "Ada"'),))).body

    assert rb'"name":"\"Lovelace, \\\"Ada\\\"\""' in body


def test_sendgrid_s_recipients_and_tags_may_reach_the_limit() -> None:
    """A thousand recipients and ten tags are as many as it takes."""
    SendGrid(KEY).build(message(to=people(1000), tags=tags(10)))


@pytest.mark.parametrize(("recipients", "preserved"), [(1, b"false"), (2, b"true")])
def test_mandrill_makes_one_message_of_several_recipients(recipients: int, preserved: bytes) -> None:
    """Otherwise each recipient gets a copy that hides the others, Cc included."""
    body = Mandrill(KEY).build(message(to=people(recipients))).body

    assert b'"preserve_recipients":' + preserved in body
    assert b'"async":false' in body


@pytest.mark.parametrize("name", FAKES)
def test_the_base_url_may_end_with_a_slash(name: str) -> None:
    """Both spellings in the settings mean the same."""
    assert (
        made(name, "https://provider.test").build(PLAIN).url
        == made(name, "https://provider.test/").build(PLAIN).url
    )


def test_the_outbox_file_is_dated_by_the_message_id() -> None:
    """A UUIDv7 holds the moment of acceptance, which stays the same over attempts."""
    body = made("outbox").build(PLAIN).body

    assert b"\r\nDate: Wed, 19 Nov 2025 18:26:46 +0000\r\n" in body


@pytest.mark.parametrize(
    "number", ["6ba7b810-9dad-41d1-80b4-00c04fd430c8", "ffffffff-ffff-7fff-bfff-ffffffffffff"]
)
def test_the_outbox_file_without_a_moment_has_no_date(number: str) -> None:
    """An id of another version, or of a year that no clock reaches, tells no time."""
    assert b"\r\nDate:" not in made("outbox").build(message(message_id=number)).body


def test_outbox_lines_are_as_long_as_mail_allows() -> None:
    """RFC 5322 wants lines of at most 998 octets, and CRLF at each end."""
    long = message(html=FULL.html, headers={"X-Long": "word " * 400}, metadata={"long": "words " * 400})
    lines = made("outbox").build(long).body.split(b"\r\n")

    assert max(len(line) for line in lines) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)


def test_a_relative_outbox_has_an_absolute_url() -> None:
    """A file URL knows no working directory."""
    url = Outbox(pathlib.Path("var/outbox")).build(PLAIN).url

    assert (pathlib.Path.cwd() / f"var/outbox/{MESSAGE_ID}.eml").as_uri() == url


@pytest.mark.parametrize(("number", "disposition"), [(0, "attachment"), (2, "inline")])
def test_pictures_in_the_text_are_inline(number: int, disposition: str) -> None:
    """What has a content id is shown where the HTML wants it, and the rest is attached."""
    picture = message(html="a", attachments=(FULL.attachments[number],))
    sendgrid, outbox = made("sendgrid").build(picture).body, made("outbox").build(picture).body

    assert f'"disposition":"{disposition}"'.encode() in sendgrid
    assert f"Content-Disposition: {disposition};".encode() in outbox


def test_the_outbox_file_is_named_by_the_message_id() -> None:
    """Another attempt overwrites the file, so that a message is in the mailbox once."""
    assert f"file:///srv/outbox/{MESSAGE_ID}.eml" == made("outbox").build(PLAIN).url
