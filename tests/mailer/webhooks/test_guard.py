"""Whatever URL a tenant thinks of, nothing reaches what listens inside."""

# ruff: noqa: RUF001 - letters that only look like ASCII are what is tried here

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network

import pytest
from aiohttp.abc import AbstractResolver

from services.mailer.webhooks.addresses import Addresses
from services.mailer.webhooks.destination import NotPostedError
from services.mailer.webhooks.guard import CheckedNames, Guard, NotPublicError, SystemNames
from services.mailer.webhooks.transport import WebhookTransport
from tests.mailer.webhooks.receiver import ALLOWED, INSIDE, OUTSIDE, Names, Receiver, Visit, receiving

NAME = "hooks.example.com"
NOBODY = Addresses()
OTHERS = Addresses((ip_network("192.0.2.0/24"),))
TLS = ssl.create_default_context()


async def attempt(url: str, addresses: Addresses = NOBODY, names: AbstractResolver | None = None) -> str:
    """Post once; return the status, or why there is none."""
    transport = WebhookTransport(addresses, 10.0, 4, TLS, names)
    try:
        return str((await transport.post(url, b"{}", {})).status)
    except NotPostedError as error:
        return str(error)
    finally:
        await transport.close()


@pytest.fixture
async def sink() -> AsyncIterator[Receiver]:
    """What listens inside; nobody may even connect."""
    async with receiving(address=INSIDE) as sink:
        yield sink
        assert sink.connections == 0


HOSTS = [
    *("127.0.0.1", "127.0.0.2", "127.8.8.8", "0.0.0.0", "127.0.0.1.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]"),
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "[fe80::1]", "[fd00::1]"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]"),
    *("[64:ff9b:1::7f00:1]", "[2002:7f00:1::1]", "[2001:0:7f00:1::1]", "[2001::7f00:1]"),
    *("2130706433", "0x7f000001", "0x7F.1", "0x7f.0x0.0x0.0x1", "017700000001", "0177.0.0.1", "127.1"),
    *("127.0.1", "0177.1", "00000000177.0.0.1", "0", "0x0", "127.0.0.01", "4294967297", "127.0.0.1.."),
    *("localhost", "LOCALHOST", "localhost.", "LocalHost"),
    # Digits and dots of other scripts, which become ASCII when the name is prepared (RFC 3491)
    *("１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1", "ｌｏｃａｌｈｏｓｔ", "%31%32%37.0.0.1", "%6cocalhost"),
    *("[::1%25lo]", "[fe80::1%25eth0]"),
]


@pytest.mark.parametrize(("scheme", "listed"), [("https", NOBODY), ("http", OTHERS)], ids=["tls", "clear"])
@pytest.mark.parametrize("host", HOSTS)
async def test_no_form_of_an_inner_address_is_connected_to(
    sink: Receiver, scheme: str, host: str, listed: Addresses
) -> None:
    """With TLS, or in clear where other addresses may be posted to so."""
    told = await attempt(f"{scheme}://{host}:{sink.port}/", listed)

    assert not told.isdecimal()
    assert sink.connections == 0


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://hooks.example.com/", "only https is allowed"),
        ("http://127.0.0.1/", "only https is allowed"),
        ("https://user:pass@hooks.example.com/", "the URL holds credentials"),
        ("https://user@hooks.example.com/", "the URL holds credentials"),
        ("https://hooks.example.com@127.0.0.1:{port}/", "the URL holds credentials"),
        ("https://127.0.0.1:{port}\\@hooks.example.com/", "the URL cannot be read"),
        ("https://hooks.example.com:99999/", "the URL cannot be read"),
        ("https://hooks.example.com:0/", "the URL cannot be used"),
        ("https:///path", "the URL cannot be used"),
        ("https://[::1/", "the URL cannot be read"),
        ("//127.0.0.1:{port}/", "the URL cannot be used"),
        ("ftp://127.0.0.1:{port}/", "the URL cannot be used"),
        ("file:///etc/passwd", "the URL cannot be used"),
        ("unix:///run/docker.sock", "the URL cannot be used"),
        ("127.0.0.1:{port}", "the URL cannot be used"),
        ("", "the URL cannot be used"),
    ],
)
async def test_what_no_webhook_needs_is_refused(sink: Receiver, url: str, told: str) -> None:
    """Before any name is looked up."""
    names = Names([INSIDE])

    assert told == await attempt(url.format(port=sink.port), NOBODY, names)
    assert not names.asked


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "1.1.1", "0x", "a.0x1F", "9."]
)
async def test_a_number_is_no_name(host: str) -> None:
    """No resolver is asked: what it makes of it may be anything."""
    names = Names([OUTSIDE])

    assert "the address is not public" == await attempt(f"https://{host}/", NOBODY, names)
    assert not names.asked


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["0.0.0.0"],
        ["169.254.169.254", "fe80::1%eth0"],
    ],
)
async def test_a_name_that_leads_inside_is_not_followed(sink: Receiver, addresses: list[str]) -> None:
    """Whoever may say what a name means may say anything."""
    told = await attempt(f"https://{NAME}:{sink.port}/", NOBODY, Names(addresses))

    assert told == "the address is not public"


async def test_http_needs_a_listed_address(sink: Receiver) -> None:
    """A public one is not enough where some are listed."""
    assert "http is not allowed to this address" == await attempt(
        f"http://{NAME}:{sink.port}/", ALLOWED, Names(["1.1.1.1", INSIDE])
    )


async def test_a_name_that_turns_inside_is_not_followed_there(sink: Receiver) -> None:
    """It is looked up once for a connection, and what was checked is what is connected to."""
    names = Names([OUTSIDE], [INSIDE])
    async with receiving(port=sink.port) as receiver:
        first = await attempt(f"http://{NAME}:{sink.port}/", ALLOWED, names)
        asked = len(names.asked)
        second = await attempt(f"http://{NAME}:{sink.port}/", ALLOWED, names)

    assert ("204", 1, 1) == (first, asked, receiver.connections)
    assert second == "http is not allowed to this address"


@pytest.mark.parametrize("addresses", [[INSIDE, OUTSIDE], [OUTSIDE, INSIDE], ["::1", INSIDE, OUTSIDE]])
async def test_of_a_names_addresses_only_the_allowed_ones_are_used(
    sink: Receiver, addresses: list[str]
) -> None:
    """Also where they come after the others."""
    async with receiving(port=sink.port) as receiver:
        assert "204" == await attempt(f"http://{NAME}:{sink.port}/", ALLOWED, Names(addresses))
        assert receiver.connections == 1


async def test_nobody_falls_back_to_an_inner_address(sink: Receiver) -> None:
    """Where the allowed one does not answer."""
    told = await attempt(f"http://{NAME}:{sink.port}/", ALLOWED, Names([OUTSIDE, INSIDE]))

    assert told == "nobody can be connected to"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(sink: Receiver, status: int) -> None:
    """It is an answer like others."""

    async def redirect(visit: Visit) -> None:
        location = f"http://{INSIDE}:{sink.port}/"
        await visit.say(f"HTTP/1.1 {status} R\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())

    async with receiving(redirect) as receiver:
        assert str(status) == await attempt(f"http://{OUTSIDE}:{receiver.port}/", ALLOWED)


async def test_no_proxy_is_asked(sink: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would look the name up once more, for itself."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{INSIDE}:{sink.port}")
    async with receiving() as receiver:
        assert "204" == await attempt(f"http://{OUTSIDE}:{receiver.port}/", ALLOWED)


@pytest.mark.parametrize("encrypted", [True, False])
def test_no_socket_is_made_for_an_inner_address(*, encrypted: bool) -> None:
    """However it came past the resolver."""
    guard = Guard(ALLOWED, encrypted=encrypted)
    with pytest.raises(NotPublicError):
        guard.socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (INSIDE, 80)))
    with guard.socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (OUTSIDE, 80))) as made:
        assert made.family == socket.AF_INET


async def test_public_addresses_are_let_through() -> None:
    """In the order that the resolver gives, without the others."""
    found: Sequence[str] = ["10.0.0.1", "2606:4700::1111", "1.1.1.1"]
    names = CheckedNames(Names(found), Guard(NOBODY, encrypted=True))

    assert ["2606:4700::1111", "1.1.1.1"] == [one["host"] for one in await names.resolve(NAME, 443)]


async def test_names_are_looked_up_in_the_system() -> None:
    """Numeric addresses come back, for the port that was asked for."""
    names = SystemNames(1)
    found = await names.resolve("localhost", 8443, socket.AF_INET)
    await names.close()

    assert {("127.0.0.1", 8443)} == {(one["host"], one["port"]) for one in found}
