"""The gateway as a stranger meets it: a real process, real sockets, hostile input."""

from __future__ import annotations

import gzip
import json
import select
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.flow.system import EMAIL, System, until

LIMIT = 200_000
PLACES = 4


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker, with small limits."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    settings = {
        "PILLARBOX_BODY_LIMIT_BYTES": str(LIMIT),
        "PILLARBOX_BODY_TIMEOUT_SECONDS": "3",
        "PILLARBOX_IN_FLIGHT_LIMIT": str(PLACES),
    }
    with System(folder, broker, broker, *databases(folder), settings) as system:
        yield system.start(mailers=0)


def databases(folder: Path) -> tuple[str, str]:
    """Where ledger and claims are kept."""
    return f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"


def stored(gateway: System) -> int:
    """How many messages the ledger holds."""
    connection = sqlite3.connect(gateway.folder / "ledger.sqlite3")
    (count,) = connection.execute("SELECT count(*) FROM messages").fetchone()
    connection.close()
    return int(count)


def bytes_of(**changes: Any) -> bytes:
    """An e-mail with some fields changed, or left out where None, as JSON."""
    body = {**EMAIL, **changes}
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


BAD = {
    "no from": (bytes_of(**{"from": None}), "/from"),
    "no to": (bytes_of(to=None), "/to"),
    "no subject": (bytes_of(subject=None), "/subject"),
    "no body": (bytes_of(text=None), "/html"),
    "line feed in the subject": (bytes_of(subject="Hi\nBcc: x@example.com"), "/subject"),
    "carriage return in the subject": (bytes_of(subject="Hi\rBcc: x@example.com"), "/subject"),
    "NUL in the subject": (bytes_of(subject="Hi\0"), "/subject"),
    "line break in a display name": (bytes_of(**{"from": "A\r\nB <a@example.com>"}), "/from"),
    "NUL in an address": (bytes_of(to="a\0@example.com"), "/to"),
    "line break in a header": (bytes_of(headers={"X-A": "1\r\nBcc: x@example.com"}), "/headers/X-A"),
    "a header that is ours": (bytes_of(headers={"Bcc": "x@example.com"}), "/headers/Bcc"),
    "line break in a file name": (
        bytes_of(attachments=[{"filename": "a\nb", "content": "aGk="}]),
        "/attachments/0/filename",
    ),
    "NUL in the text": (bytes_of(text="a\0b"), "/text"),
    "no recipient": (bytes_of(to=[]), "/to"),
    "51 recipients": (bytes_of(to=[f"r{n}@example.com" for n in range(51)]), "/to"),
    "base64 that is none": (
        bytes_of(attachments=[{"filename": "a", "content": "!!"}]),
        "/attachments/0/content",
    ),
    "an unknown field": (bytes_of(surprise=1), "/surprise"),
    "a wrong type": (bytes_of(subject=7), "/subject"),
    "an address that is none": (bytes_of(to=["ok@example.com", "nonsense"]), "/to/1"),
    "an array": (b"[]", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_answered_by_naming_the_field(gateway: System, case: str) -> None:
    """A field that cannot be used is named in a 422, and nothing is stored."""
    body, pointer = BAD[case]
    before = stored(gateway)
    answer = gateway.client.post("/emails", content=body, headers={"Content-Type": "application/json"})
    pointers = [error["pointer"] for error in answer.json()["errors"]]

    assert (422, 422) == (answer.status_code, answer.json()["statusCode"])
    assert pointer in pointers
    assert before == stored(gateway)


NOT_JSON = {
    "nothing": b"",
    "half of it": b'{"from": "a@exam',
    "nested 10,000 deep": b'{"from":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "invalid UTF-8": b'{"subject": "\xff\xfe"}',
    "a lone surrogate": b'{"subject": "\\ud800"}',
    "a form": b"from=a@example.com",
}


@pytest.mark.parametrize("case", NOT_JSON)
def test_what_is_not_json_is_answered_400(gateway: System, case: str) -> None:
    """A body that is no JSON text is refused as such."""
    headers = {"Content-Type": "application/json"}
    answer = gateway.client.post("/emails", content=NOT_JSON[case], headers=headers)

    assert (400, "invalid_json") == (answer.status_code, answer.json()["name"])


def test_a_gzip_bomb_is_not_unpacked(gateway: System) -> None:
    """A compressed body is refused unread, however small it is."""
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    started = time.monotonic()
    answer = gateway.client.post("/emails", content=bomb, headers=headers)

    assert 415 == answer.status_code
    assert time.monotonic() - started < 5


def test_a_body_over_the_limit_is_refused(gateway: System) -> None:
    """413, whether its length is announced or comes in chunks."""
    body = bytes_of(text="x" * LIMIT)
    headers = {"Content-Type": "application/json"}

    def in_chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]

    answers = [
        gateway.client.post("/emails", content=content, headers=headers) for content in (body, in_chunks())
    ]

    assert [413, 413] == [answer.status_code for answer in answers]


def test_a_form_is_not_taken_for_json(gateway: System) -> None:
    """Without application/json the answer is 415, which tells what to send."""
    answer = gateway.client.post("/emails", data={"from": "a@example.com"})

    assert 415 == answer.status_code
    assert "application/json" in answer.json()["message"]


def test_a_body_that_never_ends_times_out(gateway: System) -> None:
    """A caller that stops in the middle of its body is answered 408."""
    assert b"408" in raw(gateway, _begun_post(gateway, 1000) + b'{"from":')[:20]


def test_two_lengths_are_one_too_many(gateway: System) -> None:
    """Content-Length beside Transfer-Encoding smells of smuggling, and is refused (RFC 9112, 6.1)."""
    request = (
        b"POST /emails HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )

    assert b" 400 " in raw(gateway, request)[:20]


def test_more_requests_than_the_limit_are_turned_away(gateway: System) -> None:
    """Over the in-flight limit the answer is 503 with Retry-After, before a body is read."""
    with _full(gateway) as answer:
        probe = gateway.client.get("/healthz")

    assert (503, "overloaded", "1") == (
        answer.status_code,
        answer.json()["name"],
        answer.headers["Retry-After"],
    )
    assert 200 == probe.status_code


def test_who_is_turned_away_keeps_the_connection(gateway: System) -> None:
    """As far as the body has come: to connect once more would cost a full gateway more than to refuse."""
    body = json.dumps(EMAIL).encode()
    whole = _begun_post(gateway, len(body)) + body
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as kept:
        with _full(gateway):
            kept.sendall(whole)
            refused = kept.recv(4096)
            unread = raw(gateway, _begun_post(gateway, 1000))
        until(lambda: gateway.post().status_code == 202, 5, "room")
        kept.sendall(whole)
        accepted = kept.recv(4096)

    assert b" 503 " in refused[:20]
    assert b"connection: close" not in refused.lower()
    assert b" 503 " in unread[:20]
    assert b"connection: close" in unread.lower()
    assert b" 202 " in accepted[:20]


def test_a_caller_that_hangs_up_harms_nobody(gateway: System) -> None:
    """Resets in the middle of a request leave the gateway as it was."""
    before = stored(gateway)
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", gateway.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(_begun_post(gateway, 500) + b'{"from": "a@example.com"')
        connection.close()

    until(lambda: gateway.post().status_code == 202, 5, "the gateway to have noticed")

    assert before + 1 == stored(gateway)


def test_what_cannot_be_parsed_is_not_logged(gateway: System) -> None:
    """A request that is no HTTP is refused without its contents in any log line."""
    header = b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer canary-key\x01\r\n\r\n"
    line = b"GET /emails?to=canary@example.com foo HTTP/1.1\r\nHost: x\r\n\r\n"

    assert [b" 400 ", b" 400 "] == [raw(gateway, request)[8:13] for request in (header, line)]
    assert "canary" not in gateway.gateway.log()


def test_errors_of_the_router_have_the_same_shape(gateway: System) -> None:
    """404 and 405 are answered in the documented error body."""
    missing, wrong = gateway.client.get("/nowhere"), gateway.client.delete("/emails")

    assert (404, "not_found") == (missing.status_code, missing.json()["name"])
    assert (405, "method_not_allowed", "GET, POST") == (
        wrong.status_code,
        wrong.json()["name"],
        wrong.headers["Allow"],
    )


def test_every_answer_has_a_request_id(gateway: System) -> None:
    """A usable X-Request-Id is kept, a strange one replaced, a missing one made."""
    given = gateway.client.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"]
    strange = gateway.client.get("/healthz", headers={"X-Request-Id": "a b"}).headers["X-Request-Id"]
    made = gateway.client.get("/nowhere").headers["X-Request-Id"]

    assert "abc-1" == given
    assert "a b" != strange
    assert len(made) == len(strange) == 32


def test_concurrent_posts_are_all_stored_once(gateway: System) -> None:
    """Requests that share a transaction each get an id of their own, and a row of their own."""
    before = stored(gateway)
    ids: list[str] = []

    def post() -> None:
        with httpx.Client(base_url=gateway.client.base_url, headers=gateway.headers()) as client:
            ids.extend(accepted(client) for _ in range(25))

    def accepted(client: httpx.Client) -> str:
        while (answer := client.post("/emails", json=EMAIL)).status_code == 503:
            time.sleep(0.05)  # it may not have noticed yet that others hung up
        return str(answer.json()["id"])

    callers = [threading.Thread(target=post) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert 100 == len(set(ids))
    assert before + 100 == stored(gateway)


def test_nothing_hostile_made_it_crash(gateway: System) -> None:
    """After all of the above no request of this module ended in a 5xx but the overload."""
    statuses = [
        json.loads(line).get("status") for line in gateway.gateway.log().splitlines() if line[:1] == "{"
    ]

    assert {503} >= {status for status in statuses if status and status >= 500}
    assert "request.crashed" not in gateway.gateway.log()


def raw(gateway: System, request: bytes) -> bytes:
    """Send bytes as they are and return what comes back until the gateway closes."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(4096):
            answer += part
            if b"\r\n\r\n" in answer:
                break
        return answer


@contextmanager
def _full(gateway: System) -> Iterator[httpx.Response]:
    """Callers who do not finish take all places; with what the gateway says to whoever comes then."""
    with ExitStack() as stack:
        slow: list[socket.socket] = []

        def refusal() -> httpx.Response | None:
            # Whoever came while the one who looks took a place was turned away.
            there = [caller for caller in slow if not select.select([caller], [], [], 0)[0]]
            slow[:] = there + [
                stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
                for _ in range(PLACES - len(there))
            ]
            for caller in slow[len(there) :]:
                caller.sendall(_begun_post(gateway, 1000))
            return answer if (answer := gateway.post()).status_code == 503 else None

        yield until(refusal, 10, "all places to be taken")


def _begun_post(gateway: System, length: int) -> bytes:
    lines = [
        "POST /emails HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {gateway.key}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "\r\n"]).encode()
