"""What a hostile stranger sends: refused with the right status, in the documented shape, and left no trace.

The letters are sent byte by byte as they stand here, since no client would write most of them.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, Self

import pytest

from services.gateway.problems import ErrorBody
from tests.flow.system import EMAIL, System

CANARY = "canary-7f3a"
"""Stands in everything that is sent, and must not turn up in a log line."""
LIMIT = 200_000
BODY = json.dumps(EMAIL | {"subject": CANARY}).encode()
SECONDS = 3.0
"""Longer than any answer may take, on a machine that has other things to do."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker."""
    folder = tmp_path_factory.mktemp("hostile")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {
        "PILLARBOX_BODY_LIMIT_BYTES": str(LIMIT),
        "PILLARBOX_BODY_TIMEOUT_SECONDS": "1",
        "PILLARBOX_IDLE_TIMEOUT_SECONDS": "2",
    }
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start(mailers=0)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def name(self) -> str:
        """The error's name, once its shape is seen to be the documented one."""
        body = ErrorBody.model_validate_json(self.body)
        assert (self.status, "application/json") == (body.statusCode, self.headers["content-type"])
        assert self.headers["x-request-id"]
        assert "pillarbox" == self.headers["server"]
        assert CANARY.encode() not in self.body
        return body.name


class Caller:
    """A connection to the gateway, and nothing between."""

    def __init__(self, gateway: System) -> None:
        self._gateway = gateway
        self._socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=SECONDS)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes; whoever was answered already need not take them all."""
        with suppress(ConnectionError):
            self._socket.sendall(data)

    def post(
        self, path: str = "/emails", *, body: bytes = BODY, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send an honest POST, but for its *headers*."""
        length = {"Content-Length": str(len(body))}
        self.send(self.head("POST", path, **{**length, **(headers or {})}) + body)

    def head(self, method: str, path: str, **headers: str) -> bytes:
        """Write a request line and headers; those without a value are left out."""
        usual = {
            "Host": "x",
            "Authorization": f"Bearer {self._gateway.key}",
            "Content-Type": "application/json",
        }
        lines = [f"{name}: {value}" for name, value in (usual | headers).items() if value]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "\r\n"]).encode("utf-8", "surrogateescape")

    def answer(self) -> Answer:
        """Read one answer."""
        head, body = self._until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        while len(body) < int(headers.get("content-length", 0)):
            body += self._read()
        self._rest = body[int(headers.get("content-length", 0)) :]
        return Answer(int(lines[0].split()[1]), headers, body[: len(body) - len(self._rest)])

    def is_closed(self) -> bool:
        """Whether the gateway has hung up, without another word."""
        try:
            return not self._rest and self._socket.recv(1) == b""
        except ConnectionError:
            return True

    def has_more(self) -> bool:
        """Whether another answer comes within a moment."""
        self._socket.settimeout(0.3)
        try:
            return bool(self._rest or self._socket.recv(1))
        except (ConnectionError, TimeoutError):
            return False

    def _until(self, end: bytes) -> tuple[bytes, bytes]:
        while end not in self._rest:
            self._rest += self._read()
        head, _, body = self._rest.partition(end)
        return head, body

    def _read(self) -> bytes:
        part = self._socket.recv(65_536)
        assert part, f"hung up after {self._rest!r}"
        return part


@pytest.fixture
def caller(gateway: System) -> Iterator[Caller]:
    """One connection, for one test."""
    with Caller(gateway) as caller:
        yield caller


@pytest.fixture(autouse=True)
def _unharmed(gateway: System) -> Iterator[None]:
    """Whatever happens in a test: no trace of it, no crash, and no waiting."""
    before, started = stored(gateway), time.monotonic()
    yield
    log = gateway.gateway.log()

    assert time.monotonic() - started < 2 * SECONDS
    assert CANARY not in log
    assert "request.crashed" not in log
    assert before == stored(gateway)
    assert 200 == gateway.client.get("/healthz").status_code


def stored(gateway: System) -> int:
    """How many messages the ledger holds."""
    connection = sqlite3.connect(gateway.folder / "ledger.sqlite3")
    (count,) = connection.execute("SELECT count(*) FROM messages").fetchone()
    connection.close()
    return int(count)


# What is no HTTP

REQUEST = f"POST /emails HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-A: {CANARY}\r\n"
SMUGGLED = f"POST /emails HTTP/1.1\r\nHost: {CANARY}\r\n\r\n"
UNREADABLE = {
    "two kinds of length": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   x" + SMUGGLED,
    "the same length twice": "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "a list of lengths": "Content-Length: 2, 2\r\n\r\n{}" + SMUGGLED,
    "a signed length": "Content-Length: +2\r\n\r\n{}" + SMUGGLED,
    "a negative length": "Content-Length: -2\r\n\r\n{}" + SMUGGLED,
    "a hexadecimal length": "Content-Length: 0x2\r\n\r\n{}" + SMUGGLED,
    "a length with an underscore": "Content-Length: 1_0\r\n\r\n0123456789" + SMUGGLED,
    "a length that is none": "Content-Length: two\r\n\r\n{}" + SMUGGLED,
    "a coding nobody knows": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked, but not last": "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a blank before the colon": "Content-Length : 2\r\n\r\n{}" + SMUGGLED,
    "a folded header": "X-B: 1\r\n 2\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "a header without a colon": "nonsense\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "a header without a name": ": 1\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "a NUL in a header": "X-B: a\0b\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "a carriage return in a header": "X-B: a\rContent-Length: 9\r\n\r\n{}" + SMUGGLED,
    "a header of a megabyte": f"X-B: {'b' * 1_000_000}\r\n\r\n",
    "a name of a megabyte": f"{'b' * 1_000_000}: 1\r\n\r\n",
    "ten thousand headers": "".join(f"X-{n}: {n}\r\n" for n in range(10_000)) + "\r\n",
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_http_ends_the_connection(caller: Caller, case: str) -> None:
    """It is answered 400, what stands behind it is not looked at."""
    caller.send(REQUEST.encode() + UNREADABLE[case].encode())

    assert (400, "bad_request") == ((answer := caller.answer()).status, answer.name())
    assert caller.is_closed()


LINES = {
    "a URL of 100 kB": f"GET /emails?to={'x' * 100_000} HTTP/1.1",
    "a version nobody knows": f"GET /{CANARY} HTTP/3.7",
    "a method with a brace": f"G{{ET /{CANARY} HTTP/1.1",
    "four words": f"GET /{CANARY} x HTTP/1.1",
    "TLS": "\x16\x03\x01\x02\x00\x01",
    "a method nobody knows": "TRACK /emails HTTP/1.1",
    "nothing like it": f"{CANARY}",
}


@pytest.mark.parametrize("case", LINES)
def test_a_request_line_that_is_none(caller: Caller, case: str) -> None:
    """The same for the first line."""
    caller.send(LINES[case].encode("latin-1") + b"\r\nHost: x\r\n\r\n")

    assert (400, "bad_request") == ((answer := caller.answer()).status, answer.name())
    assert caller.is_closed()


def test_an_expectation_that_nobody_knows(caller: Caller) -> None:
    """The header Expect asks for one thing only, and what it says is not repeated."""
    caller.post(headers={"Expect": CANARY})

    assert (400, "bad_request") == ((answer := caller.answer()).status, answer.name())
    assert caller.is_closed()


CHUNKS = {
    "a size that is none": b"xyz\r\n{}\r\n0\r\n\r\n",
    "a size beyond all memory": b"FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
    "a negative size": b"-2\r\n{}\r\n0\r\n\r\n",
    "more than it says": b"1\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("case", CHUNKS)
def test_chunks_that_are_none(caller: Caller, case: str) -> None:
    """A body that cannot be read is the caller's fault, and the end of the connection."""
    head = caller.head("POST", "/emails", **{"Transfer-Encoding": "chunked"})
    caller.send(head + CHUNKS[case] + SMUGGLED.encode())

    assert 400 == (answer := caller.answer()).status
    assert answer.name() in {"bad_request", "invalid_json"}
    assert caller.is_closed()


def test_what_is_said_of_a_chunk_is_ignored(caller: Caller) -> None:
    """Extensions mean nothing here (RFC 9112, section 7.1.1), however long they are."""
    head = caller.head("POST", "/emails", **{"Transfer-Encoding": "chunked"})
    caller.send(head + b"2;" + CANARY.encode() * 50_000 + b"\r\n{}\r\n0\r\n\r\n")

    assert (422, "missing_required_field") == ((answer := caller.answer()).status, answer.name())


def test_chunks_without_end(caller: Caller) -> None:
    """Over the limit nothing more is kept, however much is to come."""
    caller.send(caller.head("POST", "/emails", **{"Transfer-Encoding": "chunked"}))
    chunk = b"10000\r\n" + CANARY.encode().ljust(0x10000) + b"\r\n"
    for _ in range(LIMIT // 0x10000 + 2):
        caller.send(chunk)

    assert (413, "payload_too_large") == ((answer := caller.answer()).status, answer.name())
    assert "close" == answer.headers["connection"]


# Bodies that nobody reads

UNREAD = {
    "no key": ("POST", "/emails", {"Authorization": ""}, 401),
    "a wrong key": ("POST", "/emails", {"Authorization": f"Bearer {CANARY}"}, 403),
    "nothing there": ("POST", "/nowhere", {}, 404),
    "no such method": ("PUT", "/emails", {}, 405),
    "a body where none belongs": ("GET", "/healthz", {}, 200),
    "no such message": ("POST", "/emails/0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b/cancel", {}, 404),
}


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("case", UNREAD)
def test_an_unread_body_is_not_the_next_request(caller: Caller, case: str, *, is_chunked: bool) -> None:
    """What stands in it is not done, and the request behind it is answered as itself."""
    method, path, headers, status = UNREAD[case]
    body = SMUGGLED.encode() * 50
    if is_chunked:
        head = caller.head(method, path, **{"Transfer-Encoding": "chunked"}, **headers)
        caller.send(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    else:
        caller.send(caller.head(method, path, **{"Content-Length": str(len(body))}, **headers) + body)
    first = caller.answer()
    caller.send(caller.head("GET", "/emails/0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8c"))
    second = caller.answer()

    assert status == first.status
    assert (404, "not_found") == (second.status, second.name())


def test_requests_in_one_breath_are_answered_in_their_order(caller: Caller) -> None:
    """Three at once: the first is refused with its body unread, the others are answered."""
    caller.post(headers={"Authorization": ""}, body=SMUGGLED.encode())
    caller.send(caller.head("GET", "/healthz") + caller.head("GET", "/nowhere"))

    assert [401, 200, 404] == [caller.answer().status for _ in range(3)]


REFUSED_UNREAD = {
    "415": {"Content-Type": "text/plain"},
    "413": {"Content-Length": str(LIMIT + 1)},
    "408": {"Content-Length": str(LIMIT - 1)},
}


@pytest.mark.parametrize("status", REFUSED_UNREAD)
def test_a_body_that_is_refused_ends_the_connection(caller: Caller, status: str) -> None:
    """Where the rest of the body would stand in the way, there is no next request."""
    caller.post(headers=REFUSED_UNREAD[status])
    answer = caller.answer()
    caller.send(SMUGGLED.encode())

    assert (int(status), "close") == (answer.status, answer.headers["connection"])
    assert answer.name()
    assert not caller.has_more()


def test_a_body_that_trickles(caller: Caller) -> None:
    """A byte now and then does not keep a request alive."""
    caller.send(caller.head("POST", "/emails", **{"Content-Length": "1000"}))
    for _ in range(8):
        caller.send(b" ")
        time.sleep(0.2)

    assert (408, "request_timeout") == ((answer := caller.answer()).status, answer.name())


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_head_that_never_ends(caller: Caller, begun: bytes) -> None:
    """A connection that says nothing, or does not come to the point, is closed."""
    for byte in begun:
        caller.send(bytes([byte]))

    assert caller.is_closed()


# Paths and queries

PATHS = [
    "/emails/..%2f..%2f..%2fetc%2fpasswd",
    "/emails/%2e%2e",
    "/emails/%2e%2e/api-keys%00",
    "/emails/..%5c..%5cwindows",
    "/emails/%252e%252e%252fapi-keys",
    "/emails/%00",
    "/emails/%c0%ae%c0%ae%c0%af",
    "/emails/%ff%fe",
    "/emails/%ed%a0%80",
    "/emails/%u002e",
    "/emails/%",
    "/emails/a%2fb/events",
    "/emails//events",
    "/emails/0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b%00",
    "/emails/0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b%0a",
    "/emails/" + "9" * 5_000,
    "/emails/%7b0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b%7d",
    "/suppressions/a%00@example.com",
    "/suppressions/..%2f..%2f@example.com",
    "/suppressions/%ff@example.com",
    "/suppressions/' OR 1=1 --".replace(" ", "%20"),
    "/templates/..%2fwelcome",
    "/templates/welcome%00",
    "/templates/%e2%80%ae",
    "/docs/../../etc/passwd",
    "/docs%2f..%2f..%2fetc%2fpasswd",
    "/docs/style.css%00",
    "//emails",
    "/%2e%2e/%2e%2e/etc/passwd",
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_lead_nowhere(caller: Caller, path: str) -> None:
    """A path names what it names, and nothing outside."""
    caller.send(caller.head("GET", path))

    assert (404, "not_found") == ((answer := caller.answer()).status, answer.name())


QUERIES = {
    "after=%00": "/after",
    "after=%c0%80": "/after",
    "after=' OR 1=1 --".replace(" ", "%20"): "/after",
    "limit=%00": "/limit",
    "limit=1%00": "/limit",
    "limit=%d9%a1": "/limit",
    "limit=1e2": "/limit",
    "limit=-1": "/limit",
    "limit=" + "9" * 5_000: "/limit",
    "before=%ff": "/before",
    "to=%00": "/to",
    "to=a%0d%0aBcc:b@example.com": "/to",
    "tag=%00:%00": "/tag",
    "since=%00": "/since",
    "since=" + "9" * 5_000: "/since",
    "status=%ff%fe": "/status",
    f"{CANARY}=1": "",
    "limit%00=1": "",
    "&".join(f"a{n}={n}" for n in range(500)): "",
}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:30])
def test_queries_that_nobody_understands(caller: Caller, query: str) -> None:
    """The parameter is named, and its value not repeated."""
    caller.send(caller.head("GET", f"/emails?{query}"))
    answer = caller.answer()
    pointers = [error["pointer"] for error in json.loads(answer.body)["errors"]]

    assert (422, "validation_error") == (answer.status, answer.name())
    assert QUERIES[query] in pointers


# Bodies


def nested(depth: int) -> bytes:
    """Arrays in arrays."""
    return b"[" * depth + b"]" * depth


def written(**fields: bytes) -> bytes:
    """An e-mail as JSON, some of whose fields are written out already."""
    rest = {name: value for name, value in EMAIL.items() if name not in fields}
    return json.dumps(rest).encode()[:-1] + b"".join(
        b', "%b": %b' % (name.encode(), value) for name, value in fields.items()
    ) + b"}"  # fmt: skip


def templated(variables: bytes) -> bytes:
    """An e-mail from a template."""
    return (
        b'{"from": "a@example.com", "to": "b@example.com", "template": {"id": "x", "variables": %b}}'
        % variables
    )


THOUSAND = json.dumps({f"{CANARY}-{n}": "x" for n in range(1_000)}).encode()
BODIES = {
    "deep variables": (templated(b'{"a": %b}' % nested(50)), 422),
    "very deep variables": (templated(b'{"a": %b}' % nested(20_000)), 400),
    "deep metadata": (written(metadata=b'{"a": %b}' % nested(100)), 422),
    "a deep attachment": (written(attachments=b'[{"content": %b}]' % nested(100)), 422),
    "a thousand keys in metadata": (written(metadata=THOUSAND), 422),
    "a thousand headers": (written(headers=THOUSAND), 422),
    "a thousand fields": (THOUSAND, 422),
    "a thousand tags": (written(tags=b"[" + b"{}," * 999 + b"{}]"), 422),
    "a thousand recipients": (written(to=json.dumps(["a@example.com"] * 1_000).encode()), 422),
    "fifty thousand attachments": (written(attachments=b"[" + b"{}," * 49_999 + b"{}]"), 422),
    "a key twice, the last one wrong": (written(subject=b'"Hi", "subject": 7'), 422),
    "infinity by exponent": (written(subject=b"1e400"), 422),
    "a number of 5,000 digits": (written(subject=b"1" * 5_000), 400),
    "a number of 4,000 digits": (written(subject=b"1" * 4_000), 422),
    "infinity in variables": (templated(b'{"a": 1e400}'), 422),
    "5,000 digits in variables": (templated(b'{"a": %b}' % (b"1" * 5_000)), 400),
    "4,000 digits in variables": (templated(b'{"a": %b}' % (b"1" * 4_000)), 422),
    "a tiny number in variables": (templated(b'{"a": 1e-400}'), 422),
    "infinity in an attachment": (written(attachments=b'[{"content": [1e400]}]'), 422),
    "5,000 digits in an attachment": (written(attachments=b'[{"content": [%b]}]' % (b"1" * 5_000)), 400),
    "4,000 digits in an attachment": (written(attachments=b'[{"content": [%b]}]' % (b"1" * 4_000)), 422),
    "not a number": (written(subject=b"NaN"), 400),
    "Infinity": (written(subject=b"Infinity"), 400),
    "a byte order mark": (b"\xef\xbb\xbf" + BODY, 400),
    "UTF-16": (BODY.decode().encode("utf-16"), 400),
    "Latin-1": (written(subject='"é"'.encode("latin-1")), 400),
    "overlong UTF-8": (written(subject=b'"\xc0\xaf"'), 400),
    "half a character": (written(subject=b'"\\udc00"'), 400),
    "a NUL behind it": (BODY + b"\0", 400),
    "two bodies": (BODY + BODY, 400),
    "a comment": (BODY + b"// " + CANARY.encode(), 400),
    "a comma too many": (BODY[:-1] + b",}", 400),
    "YAML": (f"from: {CANARY}\n".encode(), 400),
    "XML": (f'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>{CANARY}&y;</x>'.encode(), 400),
}


@pytest.mark.parametrize("key", ["", "a-key"], ids=["", "with a key"])
@pytest.mark.parametrize("case", BODIES)
def test_bodies_that_are_refused(caller: Caller, case: str, key: str) -> None:
    """With the status that fits, and with an idempotency key, which looks at the body too."""
    body, status = BODIES[case]
    caller.post(body=body, headers={"Idempotency-Key": key})

    assert status == (answer := caller.answer()).status
    assert answer.name() in {"invalid_json", "validation_error", "missing_required_field"}


CHARSETS = {"utf-16": 415, "iso-8859-1": 415, CANARY: 415, '"utf-16"': 415, "utf-7": 415}


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_charset_that_is_not_read(caller: Caller, charset: str) -> None:
    """JSON is UTF-8 (RFC 8259, section 8.1): who says otherwise would not be understood."""
    caller.post(headers={"Content-Type": f"application/json; charset={charset}"})

    assert (415, "unsupported_media_type") == ((answer := caller.answer()).status, answer.name())


MEDIA_TYPES = [
    *("", "text/plain", "text/json", "*/*", "application/jsonx", "application/json-patch+json"),
    "multipart/form-data; boundary=x",
]


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_media_type_that_is_not_json(caller: Caller, media_type: str) -> None:
    """Nothing else is taken for JSON, so no browser's form can send one."""
    caller.post(headers={"Content-Type": media_type})

    assert (415, "unsupported_media_type") == ((answer := caller.answer()).status, answer.name())


# Keys

ODD = {
    "nothing": ("", 401),
    "no scheme": (CANARY, 401),
    "the scheme alone": ("Bearer", 401),
    "a blank": ("Bearer  ", 401),
    "another scheme": (f"Basic {CANARY}", 401),
    "a scheme with a colon": (f"Bearer: {CANARY}", 401),
    "two keys": (f"Bearer {CANARY}, Bearer {CANARY}", 403),
    "a long key": ("Bearer " + "x" * 7_000, 403),
    "not ASCII": (f"Bearer {CANARY}é", 403),
    "not UTF-8": (f"Bearer {CANARY}\udcff", 403),
    "an injection": ("Bearer ' OR 1=1 --", 403),
    "a parameter": (f'Bearer realm="x", {CANARY}', 403),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_authorizations(caller: Caller, case: str) -> None:
    """None of them opens anything."""
    authorization, status = ODD[case]
    caller.post(headers={"Authorization": authorization})

    assert status == (answer := caller.answer()).status
    assert answer.name() in {"missing_api_key", "invalid_api_key"}


def test_two_authorizations(gateway: System, caller: Caller) -> None:
    """A good key does not make up for a bad one before it."""
    head = caller.head("GET", "/emails", Authorization=f"Bearer {CANARY}")
    caller.send(head[:-2] + f"Authorization: Bearer {gateway.key}\r\n\r\n".encode())

    assert (403, "invalid_api_key") == ((answer := caller.answer()).status, answer.name())


def test_a_key_in_the_query(gateway: System, caller: Caller) -> None:
    """A key does not belong into a URL, where logs would show it."""
    caller.send(caller.head("GET", f"/emails?api_key={gateway.key}&key={CANARY}", Authorization=""))

    assert (401, "missing_api_key") == ((answer := caller.answer()).status, answer.name())


# Methods

OVERRIDES = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"]


@pytest.mark.parametrize("header", OVERRIDES)
def test_no_header_changes_the_method(caller: Caller, header: str) -> None:
    """A POST stays one, whatever a header asks for."""
    caller.post("/api-keys/0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b", headers={header: "DELETE"})

    assert (405, "method_not_allowed") == ((answer := caller.answer()).status, answer.name())


@pytest.mark.parametrize("method", ["TRACE", "PUT", "PROPFIND", "QUERY", "OPTIONS"])
def test_methods_that_nobody_offers(caller: Caller, method: str) -> None:
    """They are refused, and none sends back what it was sent."""
    caller.send(caller.head(method, "/emails", **{"X-A": CANARY}))
    answer = caller.answer()

    assert (405, "get, post") == (answer.status, answer.headers["allow"])
    assert "method_not_allowed" == answer.name()


@pytest.mark.parametrize("scheme", ["http", "https", "ftp"])
def test_an_absolute_url_is_not_fetched(caller: Caller, scheme: str) -> None:
    """The gateway is nobody's proxy."""
    caller.send(caller.head("GET", f"{scheme}://example.com/{CANARY}"))

    assert 404 == caller.answer().status


def test_a_tunnel_is_not_dug(caller: Caller) -> None:
    """Nor by CONNECT."""
    caller.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")

    assert caller.answer().status in {400, 404, 405}


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_a_connection_is_not_upgraded(caller: Caller, upgrade: str) -> None:
    """Whoever asks for another protocol gets an answer in this one."""
    caller.send(
        caller.head("GET", "/healthz", Connection="Upgrade", Upgrade=upgrade, **{"Sec-WebSocket-Key": CANARY})
    )

    assert 200 == caller.answer().status
