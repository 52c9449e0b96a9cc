"""Oddities of HTTP that two parsers in a row might understand in two ways: one meaning here, or none.

Beside ``tests/gateway/test_hostile.py``, which has lengths, folded headers, methods, paths and bodies.
"""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator

import pytest

from tests.flow.system import EMAIL, System
from tests.gateway.test_hostile import CANARY, Caller

BODY = json.dumps(EMAIL | {"subject": CANARY}).encode()
UNKNOWN = "/emails/0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"


@pytest.fixture
def caller(box: System) -> Iterator[Caller]:
    """One connection, for one test."""
    with Caller(box) as caller:
        yield caller


@pytest.fixture(autouse=True)
def _unharmed(box: System) -> Iterator[None]:
    """Nothing is accepted, nothing crashes, and nothing of it is in a log."""
    before = accepted(box)
    yield

    assert before == accepted(box)
    assert 200 == box.client.get("/healthz").status_code
    assert CANARY not in box.logs()
    assert "request.crashed" not in box.logs()


def accepted(box: System) -> int:
    """How many messages were accepted, by the log."""
    return box.gateway.log().count('"message.accepted"')


def odd(head: str, body: bytes = BODY, key: str = "") -> bytes:
    """A POST of an e-mail whose head is written as it stands."""
    key = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"{head}{key}\r\n".encode("latin-1") + body


LENGTH = f"Content-Length: {len(BODY)}\r\n"
TYPE = "Content-Type: application/json\r\n"
REFUSED = {
    "no host": f"POST /emails HTTP/1.1\r\n{TYPE}{LENGTH}",
    "two hosts": f"POST /emails HTTP/1.1\r\nHost: a\r\nHost: b\r\n{TYPE}{LENGTH}",
    "lines that end in a bare line feed": f"POST /emails HTTP/1.1\nHost: x\n{TYPE}{LENGTH}",
    "one line that does": f"POST /emails HTTP/1.1\r\nHost: x\nX-A: b\r\n{TYPE}{LENGTH}",
    "lines that end in a bare carriage return": f"POST /emails HTTP/1.1\rHost: x\r{TYPE}{LENGTH}",
    "a blank before the first header": f"POST /emails HTTP/1.1\r\n Host: x\r\n{TYPE}{LENGTH}",
    "a tab in the request line": f"POST\t/emails\tHTTP/1.1\r\nHost: x\r\n{TYPE}{LENGTH}",
    "a NUL in the request line": f"POST /emails\0 HTTP/1.1\r\nHost: x\r\n{TYPE}{LENGTH}",
    "no version": f"POST /emails\r\nHost: x\r\n{TYPE}{LENGTH}",
    "a version in lower case": f"POST /emails http/1.1\r\nHost: x\r\n{TYPE}{LENGTH}",
    "a version of two digits": f"POST /emails HTTP/1.10\r\nHost: x\r\n{TYPE}{LENGTH}",
    "a name with a bracket": f"POST /emails HTTP/1.1\r\nHost: x\r\nX(A): b\r\n{TYPE}{LENGTH}",
    "a name that is not ASCII": f"POST /emails HTTP/1.1\r\nHost: x\r\nX-é: b\r\n{TYPE}{LENGTH}",
    "a length with a comma": f"POST /emails HTTP/1.1\r\nHost: x\r\n{TYPE}Content-Length: {len(BODY)},\r\n",
    "chunks in HTTP/1.0, with a length": (
        f"POST /emails HTTP/1.0\r\nHost: x\r\n{TYPE}{LENGTH}Transfer-Encoding: chunked\r\n"
    ),
    "a coding before chunks": (
        f"POST /emails HTTP/1.1\r\nHost: x\r\n{TYPE}Transfer-Encoding: identity, chunked, identity\r\n"
    ),
    "a length behind a vertical tab": (
        f"POST /emails HTTP/1.1\r\nHost: x\r\n{TYPE}Content-Length:\v{len(BODY)}\r\n"
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_be_read_in_two_ways_is_not_read(box: System, caller: Caller, case: str) -> None:
    """The connection ends; whatever was behind it in line is not done."""
    caller.send(odd(REFUSED[case], key=box.key) * 2)

    assert (400, "bad_request") == ((answer := caller.answer()).status, answer.name())
    assert caller.is_closed()


def test_what_is_written_as_it_should_be_is_read(caller: Caller) -> None:
    """The others are refused for what is odd about them, and for nothing else."""
    caller.send(odd(f"POST /emails HTTP/1.1\r\nHost: x\r\n{TYPE}{LENGTH}", key="nonsense"))

    assert (403, "invalid_api_key") == ((answer := caller.answer()).status, answer.name())


def _first_status(caller: Caller) -> int | None:
    try:
        return caller.answer().status
    except (AssertionError, ConnectionError, TimeoutError):
        return None  # hung up at once


CHUNKED = {
    "a line feed after the size": b"%x\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "no end of a chunk": b"%x\r\n%b0\r\n\r\n" % (len(BODY), BODY),
    "something else at its end": b"%x\r\n%bXX0\r\n\r\n" % (len(BODY), BODY),
    "a size with a blank inside": b"1 0\r\n%b\r\n0\r\n\r\n" % BODY,
    "a size with an underscore": b"1_0\r\n%b\r\n0\r\n\r\n" % BODY,
    "a size with a prefix": b"0x%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
}


@pytest.mark.parametrize("case", CHUNKED)
def test_chunks_that_could_be_read_in_two_ways(caller: Caller, case: str) -> None:
    """A lenient reader in front would see other requests than this one does."""
    caller.send(caller.head("POST", "/emails", **{"Transfer-Encoding": "chunked"}) + CHUNKED[case])
    status = _first_status(caller)

    assert status is None or 400 <= status < 500


def test_what_trails_a_body_is_no_header(box: System, caller: Caller) -> None:
    """A key that comes after the last chunk opens nothing."""
    head = caller.head("POST", "/emails", Authorization="", **{"Transfer-Encoding": "chunked"})
    trailer = f"Authorization: Bearer {box.key}\r\n".encode()
    caller.send(head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(BODY), BODY, trailer))

    assert 401 == caller.answer().status


CODINGS = {
    "gzip": gzip.compress(BODY),
    "x-gzip": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "br": BODY,
    "zstd": BODY,
    "gzip, gzip": gzip.compress(gzip.compress(BODY)),
    "identity, gzip": gzip.compress(BODY),
    "GZIP": gzip.compress(BODY),
    "nonsense": BODY,
}


@pytest.mark.parametrize("coding", CODINGS)
def test_no_body_is_unpacked(caller: Caller, coding: str) -> None:
    """Whatever it calls itself: what is small on the wire cannot be large here."""
    caller.post(body=CODINGS[coding], headers={"Content-Encoding": coding})

    assert (415, "unsupported_media_type") == ((answer := caller.answer()).status, answer.name())


def test_many_requests_in_one_write(caller: Caller) -> None:
    """Are answered one by one, in their order, however many there are."""
    one = caller.head("GET", UNKNOWN)
    caller.send((one + caller.head("GET", "/healthz")) * 100)

    assert [404, 200] * 100 == [caller.answer().status for _ in range(200)]


@pytest.mark.parametrize("length", [0, 1, len(BODY) // 2, len(BODY) - 1])
@pytest.mark.parametrize("politely", [True, False], ids=["FIN", "RST"])
def test_a_caller_that_leaves_in_mid_sentence_has_said_nothing(
    caller: Caller, length: int, *, politely: bool
) -> None:
    """A body that is not all there is not accepted, even where it could be read."""
    head = caller.head("POST", "/emails", **{"Content-Length": str(len(BODY))})
    caller.send(head + BODY[:length])
    if politely:
        caller._socket.shutdown(socket.SHUT_WR)
        _first_status(caller)
    else:
        caller._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    caller._socket.close()

    assert caller._socket.fileno() < 0


NAMES = [
    "X-Api-Key",
    "Proxy-Authorization",
    "X-Authorization",
    "Cookie",
    "Authorization_",
    "X-Forwarded-User",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_other_header_is_a_key(box: System, caller: Caller, name: str) -> None:
    """Also none that a proxy would write with an underscore."""
    caller.post(headers={"Authorization": "", name: f"Bearer {box.key}"})

    assert 401 == caller.answer().status


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Original-URL", "X-Rewrite-URL"]
)
def test_no_header_says_where_a_request_comes_from_or_goes_to(caller: Caller, name: str) -> None:
    """Nobody is believed but the socket and the request line."""
    caller.send(caller.head("GET", UNKNOWN, Authorization="", **{name: "/healthz"}))

    assert 401 == caller.answer().status


def test_a_request_id_is_echoed_only_where_it_is_harmless(caller: Caller) -> None:
    """Anything else would be a header of the caller's making in the answer."""
    for given in ("a b", "a\u0085b", "<x>", "x" * 129, "é"):
        caller.send(caller.head("GET", UNKNOWN, **{"X-Request-Id": given}))

        assert given != caller.answer().headers["x-request-id"]
