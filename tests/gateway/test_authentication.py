"""Who may call what: API keys as a stranger meets them, against a real gateway."""

from __future__ import annotations

import http.client
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from services.gateway.api.access import is_public, needed, needs, public
from services.gateway.api.authentication import authenticate
from services.gateway.api.middlewares import answer_problems
from services.gateway.api.rate_limit import RateLimit
from services.gateway.app import create_app
from services.gateway.identifiers import new_message_id
from services.gateway.settings import Settings
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission
from services.gateway.tenants.keyring import Keyring
from tests.flow.system import EMAIL, System, until

PUBLIC = ("/healthz", "/readyz", "/openapi.json", "/docs")
# Whoever calls these shows something else that is secret: a signature, or a token.
PUBLIC_CALLS = {
    *(f"GET {path}" for path in PUBLIC),
    *(f"{method} /provider-events/{{account}}" for method in ("GET", "HEAD", "POST")),
    *(f"{method} /unsubscribe/{{token}}" for method in ("GET", "POST")),
}
LIMIT_HEADERS = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, in the embedded mode."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    settings = {"PILLARBOX_API_KEY_USE_SECONDS": "0.2"}
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start(mailers=0)


@pytest.fixture(scope="module")
def made(gateway: System) -> dict[str, str]:
    """A key of each permission, by the name of the permission."""
    return {permission: make(gateway, permission=permission)["token"] for permission in Permission}


def make(gateway: System, key: str | None = None, **fields: Any) -> dict[str, str]:
    """Have a key made, by the owner of another one."""
    body = {"name": "a key", **fields}
    answer = gateway.client.post("/api-keys", json=body, headers=gateway.headers(key))
    assert 201 == answer.status_code, answer.text
    created: dict[str, str] = answer.json()
    return created


def get(gateway: System, key: str, path: str = "/emails/unknown") -> httpx.Response:
    """GET something with a key."""
    return gateway.client.get(path, headers=gateway.headers(key))


# Without a key


@pytest.mark.parametrize(
    "header",
    [None, "", " ", "Bearer", "Bearer ", "bearer", "Basic dXNlcjpwYXNz", "pb_0000000000", "Token x"],
    ids=repr,
)
def test_a_request_without_a_key_is_told_so(gateway: System, header: str | None) -> None:
    """401 missing_api_key, whichever way an SDK writes that it has none."""
    headers = {} if header is None else {"Authorization": header}
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
    connection.request("POST", "/emails", json.dumps(EMAIL), {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    name = json.load(answer)["name"]
    connection.close()

    assert (401, "missing_api_key") == (answer.status, name)
    assert "Bearer" == answer.getheader("WWW-Authenticate")


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}], ids=["none", "bad"])
def test_what_is_public_needs_no_key(gateway: System, path: str, headers: dict[str, str]) -> None:
    """Nor does a bad one stand in the way."""
    assert 200 == httpx.get(f"{gateway.client.base_url}{path}", headers=headers).status_code


def test_the_router_answers_before_anybody_is_asked(gateway: System) -> None:
    """An address without a call is 404, a wrong method 405, with a key or without."""
    base = gateway.client.base_url
    answers = [httpx.get(f"{base}/nowhere"), httpx.put(f"{base}/emails", json={})]

    assert [404, 405] == [answer.status_code for answer in answers]


# With a worthless one


@pytest.fixture(scope="module")
def worthless(gateway: System) -> dict[str, str]:
    """Every kind of key that is not worth anything."""
    living, revoked = make(gateway), make(gateway)
    token = living["token"]
    assert gateway.client.delete(f"/api-keys/{revoked['id']}").status_code == 200
    forged = keys.generate(new_message_id()).text
    return {
        "Python's idea of none": "None",
        "another service's": "re_12345678_abcdefgh",
        "misspelt": token[:40] + ("a" if token[40] != "a" else "b") + token[41:],
        "cut off": token[:-1],
        "never made": keys.generate(new_message_id()).text,
        "forged for a living one": keys.generate(keys.read(token) or uuid4()).text,
        "revoked": revoked["token"],
        "two": f"{token} {token}",
        "not ASCII": "pb_é",
        "endless": forged * 100,
    }


def test_worthless_keys_look_all_the_same(gateway: System, worthless: dict[str, str]) -> None:
    """403 invalid_api_key, word for word the same answer."""
    answers = {
        name: get(gateway, key, "/api-keys") if key.isascii() else _get_raw(gateway, key)
        for name, key in worthless.items()
    }
    told = {name: (answer.status_code, answer.text, _without_ids(answer)) for name, answer in answers.items()}

    assert 1 == len(set(told.values())), told
    assert (403, "invalid_api_key") == (
        answers["revoked"].status_code,
        answers["revoked"].json()["name"],
    )


def _get_raw(gateway: System, key: str) -> httpx.Response:
    headers = [(b"Authorization", f"Bearer {key}".encode())]
    return httpx.get(f"{gateway.client.base_url}/api-keys", headers=headers)


def _without_ids(answer: httpx.Response) -> tuple[tuple[str, str], ...]:
    return tuple(item for item in answer.headers.items() if item[0] not in {"x-request-id", "date"})


# With a good one

CALLS = {
    "POST /emails": ("sending_access",),
    "POST /welcome-emails": ("sending_access",),
    "GET /emails/unknown": ("read_access",),
    "GET /emails/unknown/events": ("read_access",),
    "POST /api-keys": (),
    "GET /api-keys": (),
    "PATCH /api-keys/unknown": (),
    "DELETE /api-keys/unknown": (),
}


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("call", CALLS)
def test_a_key_does_what_its_permission_says(
    gateway: System, made: dict[str, str], call: str, permission: Permission
) -> None:
    """Anything else is 401 restricted_api_key, before a body is read; full access may do it all."""
    method, path = call.split()
    answer = gateway.client.request(method, path, content=b"{", headers=gateway.headers(made[permission]))
    expected = permission is Permission.FULL or permission in CALLS[call]
    refused = (401, "restricted_api_key")

    assert expected == ((answer.status_code, answer.json().get("name")) != refused)


def test_a_key_that_may_send_sends(gateway: System, made: dict[str, str]) -> None:
    """202, as with full access."""
    answers = [
        gateway.client.post("/emails", json=EMAIL, headers=gateway.headers(made[permission]))
        for permission in (Permission.FULL, Permission.SENDING)
    ]

    assert [202, 202] == [answer.status_code for answer in answers]


def test_the_scheme_s_case_does_not_matter(gateway: System, made: dict[str, str]) -> None:
    """As in every authentication scheme (RFC 9110, section 11.1); nor do further blanks."""
    headers = {"Authorization": f"bEARER   {made[Permission.FULL]}"}

    assert 200 == gateway.client.get("/api-keys", headers=headers).status_code


def test_a_message_belongs_to_its_tenant(gateway: System) -> None:
    """To another one it does not exist."""
    stranger = gateway.create_key("--tenant", "stranger")
    message_id = gateway.accept()
    path = f"/emails/{message_id}"

    assert 200 == get(gateway, gateway.key, path).status_code
    assert [404, 404] == [get(gateway, stranger, name).status_code for name in (path, f"{path}/events")]


@pytest.mark.parametrize("key", ["", "nonsense", None], ids=["missing", "invalid", "good"])
def test_an_unread_body_does_not_cost_the_connection(gateway: System, key: str | None) -> None:
    """Some SDKs send {} with every GET; what comes next on the connection is answered as well."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
    statuses, sockets = [], []
    for _ in range(3):
        connection.request("GET", "/api-keys", body=b"{}", headers=gateway.headers(key))
        sockets.append(connection.sock)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()

    assert 1 == len(set(statuses)) == len(set(sockets))


def test_log_lines_tell_the_tenant_and_the_key(gateway: System) -> None:
    """By its id, which is no secret."""
    key = make(gateway)
    request_id = get(gateway, key["token"]).headers["X-Request-Id"]
    (line,) = [line for line in _lines(gateway) if line.get("request_id") == request_id]

    assert ("default", key["id"]) == (line["tenant"], line["key_id"])


# Rate limit


def test_every_authenticated_answer_tells_the_limit(gateway: System, made: dict[str, str]) -> None:
    """Whatever its status; one that nobody was recognised for does not."""
    sending = gateway.headers(made[Permission.SENDING])
    known = [
        gateway.client.post("/emails", json=EMAIL),
        gateway.client.post("/emails", json={}),
        gateway.client.get("/emails/unknown"),
        gateway.client.post("/emails", content=b"x"),
        gateway.client.get("/api-keys", headers=sending),
    ]
    unknown = get(gateway, "nonsense")

    assert [202, 422, 404, 415, 401] == [answer.status_code for answer in known]
    assert {"10000"} == {answer.headers["ratelimit-limit"] for answer in known}
    assert {"1"} == {answer.headers["ratelimit-reset"] for answer in known}
    assert all(0 < int(answer.headers["ratelimit-remaining"]) < 10_000 for answer in known)
    assert not set(LIMIT_HEADERS) & set(unknown.headers)


def test_headers_are_in_lower_case(gateway: System) -> None:
    """As Resend's, because some clients look them up so."""
    key = gateway.create_key("--tenant", "slow", "--rate", "0.1")
    get(gateway, key)
    names = {name.decode() for name, _ in get(gateway, key).headers.raw}

    assert {*LIMIT_HEADERS, "retry-after"} <= names


def test_a_key_that_calls_too_often_has_to_wait(gateway: System) -> None:
    """429 until retry-after has passed; others are not held up."""
    key = gateway.create_key("--tenant", "hasty", "--rate", "2")
    answers = [get(gateway, key) for _ in range(3)]
    refused = answers[-1]
    other = gateway.post()
    time.sleep(int(refused.headers["retry-after"]))
    patient = get(gateway, key)

    assert [404, 404, 429] == [answer.status_code for answer in answers]
    assert ("rate_limit_exceeded", "2", "0") == (
        refused.json()["name"],
        refused.headers["ratelimit-limit"],
        refused.headers["ratelimit-remaining"],
    )
    assert (202, 404) == (other.status_code, patient.status_code)


# The ledger


def test_without_the_ledger_nobody_is_told_that_a_key_is_bad(gateway: System) -> None:
    """503 with Retry-After for a good key and for any other, until the ledger is back."""
    good, bad = make(gateway)["token"], keys.generate(new_message_id()).text
    with sqlite3.connect(gateway.folder / "ledger.sqlite3") as ledger:
        ledger.execute("ALTER TABLE api_keys RENAME TO away")
    answers = [get(gateway, key) for key in (good, bad)]
    with sqlite3.connect(gateway.folder / "ledger.sqlite3") as ledger:
        ledger.execute("ALTER TABLE away RENAME TO api_keys")
    ledger.close()
    back = [get(gateway, key).status_code for key in (good, bad)]

    assert [(503, "unavailable")] * 2 == [(answer.status_code, answer.json()["name"]) for answer in answers]
    assert {"2"} == {answer.headers["Retry-After"] for answer in answers}
    assert [404, 403] == back


def test_a_key_revoked_elsewhere_is_soon_refused(gateway: System) -> None:
    """Within the second that a gateway may believe what it knows."""
    key = make(gateway)
    before = get(gateway, key["token"]).status_code
    with sqlite3.connect(gateway.folder / "ledger.sqlite3") as ledger:
        ledger.execute("UPDATE api_keys SET revoked_at = created_at WHERE name = 'a key'")
    ledger.close()
    revoked = time.monotonic()
    until(lambda: get(gateway, key["token"]).status_code == 403, 5, "the refusal")

    assert 404 == before
    assert time.monotonic() - revoked < 1.5


def test_no_log_shows_a_key(gateway: System, made: dict[str, str], worthless: dict[str, str]) -> None:
    """Nor half of one, after all of the above."""
    log = gateway.gateway.log()
    secrets = [key[26:] for key in (*made.values(), *worthless.values()) if key.startswith("pb_0")]
    parts = [secret[place : place + 10] for secret in secrets for place in (0, 10, 20, 30)]

    assert len(secrets) >= 8
    assert [] == [part for part in (*parts, gateway.key) if part and part in log]


# The application


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, web.AbstractRoute]:
    """All calls of the API; tests/gateway/test_dashboard.py has the pages."""
    folder = tmp_path_factory.mktemp("routes")
    urls = {"broker_url": f"filesystem://{folder}/broker", "ledger_url": f"sqlite:///{folder}/ledger"}
    app = create_app(Settings.model_validate({**urls, "dashboard": False}))
    return {
        f"{route.method} {route.resource.canonical}": route
        for route in app.router.routes()
        if route.resource is not None
    }


def test_every_route_says_who_may_call_it(routes: dict[str, web.AbstractRoute]) -> None:
    """What is public is listed here, so that nothing becomes so by mistake."""
    public_calls = {call for call, route in routes.items() if is_public(route.handler)}
    marked_calls = {call for call, route in routes.items() if needed(route.handler) is not None}

    assert PUBLIC_CALLS == public_calls
    assert set(routes) == public_calls | marked_calls


def test_no_call_but_the_public_ones_works_without_a_key(
    gateway: System, routes: dict[str, web.AbstractRoute]
) -> None:
    """401, whatever the dialect of its errors."""
    base = gateway.client.base_url
    statuses = {}
    for call in routes:
        method, path = call.split()
        statuses[call] = httpx.request(method, f"{base}{re.sub('{.*?}', 'x', path)}").status_code

    assert set(routes) - PUBLIC_CALLS == {call for call, status in statuses.items() if status == 401}


async def test_a_route_without_a_mark_is_refused() -> None:
    """500 for everybody, and loud, whatever key comes along."""
    caller = Caller("default", uuid4(), Permission.FULL)
    keyring = Keyring(None, max_age=1, fixed={keys.digest("good"): caller})  # type: ignore[arg-type]

    async def forgotten(_: web.Request) -> web.Response:
        return web.Response()

    @needs(Permission.FULL)
    async def marked(_: web.Request) -> web.Response:
        return web.Response()

    @public
    async def open_to_all(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[answer_problems(), authenticate(keyring, RateLimit(0))])
    app.add_routes(
        [web.get("/forgotten", forgotten), web.get("/marked", marked), web.get("/public", open_to_all)]
    )
    headers = {"Authorization": "Bearer good"}
    with capture_logs() as lines:
        async with TestClient(TestServer(app)) as client:
            paths = ("/forgotten", "/marked", "/public")
            statuses = [(await client.get(path, headers=headers)).status for path in paths]

    assert [500, 200, 200] == statuses
    assert [{"event": "route.unmarked", "route": "/forgotten", "log_level": "error"}] == lines


def _lines(gateway: System) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gateway.gateway.log().splitlines() if line[:1] == "{"]
