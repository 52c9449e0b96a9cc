"""Whom the gateway turns away before there is a request: whoever finds no room, or calls too often.

What most callers post takes that short way, and nobody can tell it from the ordinary one.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.test_utils import make_mocked_request

from services.gateway.api.in_flight import InFlight
from services.gateway.api.rate_limit import RateLimit
from services.gateway.api.turned_away import TurnedAway
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission
from services.gateway.tenants.keyring import Keyring
from tests.flow.system import EMAIL, System, until
from tests.servers.server import free_port

PATHS = ("/emails", "/emails/batch", "/v3/mail/send")
BODY = json.dumps(EMAIL).encode()
RARELY = "0.001"
"""Requests a second: one in a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A gateway that turns a caller away, and why."""

    gateway: System
    key: str
    problem: str
    status: int

    def post(self, path: str = "/emails", *headers: str) -> bytes:
        """A whole request of that caller."""
        return request(self.key, len(BODY), path, *headers) + BODY

    def count(self) -> float:
        """How many were turned away for that reason, by the gateway's own figures."""
        port = self.gateway.settings["PILLARBOX_METRICS_PORT"]
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        name = f'pillarbox_requests_refused_total{{problem="{self.problem}"}}'
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Turned]:
    """A gateway whose only place is taken, by a caller who does not get on."""
    settings = {"PILLARBOX_IN_FLIGHT_LIMIT": "1", "PILLARBOX_BODY_TIMEOUT_SECONDS": "300"}
    with gateway(tmp_path_factory.mktemp("full"), **settings) as system:
        system.start(mailers=0)
        turned = Turned(system, system.key, "overloaded", 503)
        with socket.create_connection(("127.0.0.1", system.port)) as slow:
            slow.sendall(request(system.key, 1000))
            until(lambda: b" 503 " in ask(system, turned.post())[:20], 5, "no room")
            yield turned


@pytest.fixture(scope="module")
def hammered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Turned]:
    """A gateway, and a caller who has posted all that he may for the next quarter of an hour."""
    with gateway(tmp_path_factory.mktemp("hammered")) as system:
        system.start(mailers=0)
        turned = Turned(
            system, system.create_key("--tenant", "default", "--rate", RARELY), "rate_limit_exceeded", 429
        )
        assert b" 202 " in ask(system, turned.post())[:20]
        yield turned


@pytest.fixture(params=["full", "hammered"])
def turned(request: pytest.FixtureRequest) -> Turned:
    """Either of them."""
    found: Turned = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("path", PATHS)
def test_who_is_turned_away_is_answered_as_everybody(turned: Turned, path: str) -> None:
    """With the same answer, log line and figures."""
    answers, counts = [], []
    for url, *lines in ([path], [f"{path}?a=1"], [path, "Connection: close"]):
        before = turned.count()
        answers.append(told(ask(turned.gateway, turned.post(url, "X-Request-Id: mine", *lines))))
        counts.append(turned.count() - before)

    heads = [without_moments(headers) for _, headers, _ in answers]
    assert {turned.status} == {int(status.split()[1]) for status, _, _ in answers}
    assert 1 == len({status for status, _, _ in answers})
    assert 1 == len({re.sub(rb"\d+ s", b"", body) for _, _, body in answers})
    assert heads == [heads[0]] * 3
    assert "mine" == heads[0]["x-request-id"]
    assert [None, None, "close"] == [headers.get("connection") for _, headers, _ in answers]
    assert [1, 1, 1] == counts
    log = [json.loads(line) for line in turned.gateway.gateway.log().splitlines() if '"mine"' in line]
    mine = [line for line in log if line["route"] == path]
    same = ("event", "status", "method", "tenant", "key_id")
    assert ("request.finished", turned.status, "POST") == tuple(mine[0][name] for name in same[:3])
    assert 3 == len(mine)
    assert 1 == len({tuple(line.get(name) for name in same) for line in mine})
    assert 1 == len({tuple(sorted(line)) for line in mine})


def test_who_may_call_again_much_later_is_told_so(hammered: Turned) -> None:
    """In Resend's words, and below /v3/ in SendGrid's too."""
    plain, sendgrid = (told(ask(hammered.gateway, hammered.post(path))) for path in (PATHS[0], PATHS[2]))

    assert ["1", "0"] == [plain[1]["ratelimit-limit"], plain[1]["ratelimit-remaining"]]
    assert 900 < int(plain[1]["retry-after"]) <= 1000
    assert plain[1]["ratelimit-reset"] == plain[1]["retry-after"]
    assert "rate_limit_exceeded" == json.loads(plain[2])["name"]
    assert "too many requests" == json.loads(sendgrid[2])["errors"][0]["message"]
    assert ["1", "0"] == [sendgrid[1]["x-ratelimit-limit"], sendgrid[1]["x-ratelimit-remaining"]]
    assert 900 < int(sendgrid[1]["x-ratelimit-reset"]) - time.time() <= 1001


def test_others_are_accepted_beside_whoever_calls_too_often(hammered: Turned) -> None:
    """And who has no key that is worth anything is told that, not how often he may call."""
    ask(hammered.gateway, hammered.post())
    system = hammered.gateway
    answers = [ask(system, request(key, len(BODY)) + BODY) for key in (system.key, "pb_nobody's", "")]

    assert [b"202", b"403", b"401"] == [answer.split()[1] for answer in answers]


def test_whoever_waits_long_enough_is_accepted(hammered: Turned) -> None:
    """Being turned away takes nothing from what he may post then."""
    key = hammered.gateway.create_key("--tenant", "default", "--rate", "2")
    post = request(key, len(BODY)) + BODY
    first = [ask(hammered.gateway, post).split()[1] for _ in range(20)]
    until(lambda: b" 202 " in ask(hammered.gateway, post)[:20], 2, "a request that is let through")

    assert {b"202", b"429"} == set(first)


def test_who_is_turned_away_may_have_asked_for_another_protocol(turned: Turned) -> None:
    """Which the connection does not change to: the next request on it is read as any other."""
    with socket.create_connection(("127.0.0.1", turned.gateway.port), timeout=5) as connection:
        connection.sendall(turned.post("/emails", "Connection: Upgrade", "Upgrade: websocket"))
        first = connection.recv(4096)
        connection.sendall(turned.post())
        second = connection.recv(4096)

    assert [turned.status] * 2 == [int(answer.split()[1]) for answer in (first, second)]


def test_each_of_several_requests_is_turned_away(turned: Turned) -> None:
    """On one connection, without waiting for the answers."""
    with socket.create_connection(("127.0.0.1", turned.gateway.port), timeout=5) as connection:
        connection.sendall(turned.post() * 5)
        answers = b""
        while answers.count(b'"errors":') < 5:
            answers += connection.recv(4096)

    assert 5 == answers.count(b"HTTP/1.1 %d " % turned.status)


GOOD = {"Authorization": "Bearer good"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "short"),
    [
        *(("POST", path, GOOD, True) for path in PATHS),
        ("POST", "/emails", {"Authorization": "bearer  good "}, True),
        ("GET", "/emails", GOOD, False),
        ("POST", "/emails?a=1", GOOD, False),
        ("POST", "/templates", GOOD, False),
        ("POST", "/emails", {**GOOD, "Upgrade": "websocket"}, False),
        ("POST", "/emails", {"Authorization": "Bearer unknown"}, False),
        ("POST", "/emails", {"Authorization": "Basic good"}, False),
        ("POST", "/emails", {}, False),
    ],
)
def test_who_takes_the_short_way(method: str, path: str, headers: dict[str, str], *, short: bool) -> None:
    """What most callers post, with a key that was seen lately; all else is left to the ordinary way."""
    caller = Caller("shop", UUID(int=1), Permission.SENDING, rate=1.0)
    keyring = Keyring(None, max_age=1, fixed={keys.digest("good"): caller})  # type: ignore[arg-type]
    in_flight, rate_limit, told = InFlight(10, 1000, 100), RateLimit(0), []
    turned_away = TurnedAway(
        in_flight, keyring, rate_limit, answered=lambda *what: told.append(what[0]), refused=told.append
    )
    asked = make_mocked_request(method, path, headers, payload=EMPTY_PAYLOAD)
    before = turned_away.answer(asked)
    rate_limit.take(caller.key_id, caller.rate)
    after = turned_away.answer(asked)

    assert before is None
    assert short == (after is not None)
    assert (["rate_limit_exceeded", f"POST {path}"] if short else []) == told


def gateway(folder: Path, **settings: str) -> System:
    """A gateway that shows its figures, on the embedded broker; it has not started yet."""
    broker = f"filesystem://{folder}/broker"
    databases = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings["PILLARBOX_METRICS_PORT"] = str(free_port())
    return System(folder, broker, broker, *databases, settings)


def request(key: str, length: int, path: str = "/emails", *headers: str) -> bytes:
    """The head of a request whose body has so many bytes."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def ask(gateway: System, whole: bytes) -> bytes:
    """Send a request in one piece and return the whole answer."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as connection:
        connection.sendall(whole)
        answer = connection.recv(4096)
        while not answer.endswith(b"}"):
            answer += connection.recv(4096)
    return answer


def told(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    """The status line, headers and body of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.lower().split(": ", 1) for line in lines), body


def without_moments(headers: dict[str, str]) -> dict[str, str]:
    """The headers of an answer, but for what the time and the connection make of them."""
    fleeting = {"date", "connection", "retry-after", "ratelimit-reset", "x-ratelimit-reset", "content-length"}
    return {name: "" if name in fleeting else text for name, text in {"connection": "", **headers}.items()}
