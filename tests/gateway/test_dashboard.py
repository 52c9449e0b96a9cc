"""The dashboard as programs and forgers see it; people see it in tests/browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.gateway.app import create_app
from services.gateway.settings import Settings
from services.gateway.tenants.callers import Permission
from tests.flow.system import System
from tests.gateway.tenants import client_of

LOGIN = "/dashboard/login"
PUBLIC = frozenset({"/", LOGIN, "/dashboard/static/{digest}/{name}"})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer."""
    folder = tmp_path_factory.mktemp("dashboard")
    broker = f"filesystem://{folder}/broker"
    databases = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {"PILLARBOX_API_KEY_CACHE_SECONDS": "0"}
    with System(folder, broker, broker, *databases, settings) as system:
        yield system.start(mailers=0)


@pytest.fixture
def visitor(gateway: System) -> Iterator[httpx.Client]:
    """Somebody with cookies of their own, and no key yet."""
    with httpx.Client(base_url=gateway.client.base_url, timeout=10) as client:
        yield client


def key_of(client: httpx.Client) -> str:
    """The API key that a client sends."""
    return client.headers["Authorization"].removeprefix("Bearer ")


def enter(visitor: httpx.Client, key: str, **fields: str) -> httpx.Response:
    """Send the form of the login."""
    return visitor.post(LOGIN, data={"key": key, **fields})


def test_a_program_finds_nothing_at_the_root(gateway: System) -> None:
    """As before there were pages: the same problem as at any other address."""
    answers = [gateway.client.request(method, "/") for method in ("GET", "POST", "HEAD")]

    assert [404, 404, 404] == [answer.status_code for answer in answers]
    assert "not_found" == answers[0].json()["name"]


def test_a_browser_is_sent_on(visitor: httpx.Client) -> None:
    """From the root to the overview, and from there to the login."""
    root = visitor.get("/", headers={"Accept": "text/html,*/*"})
    page = visitor.get(root.headers["Location"])

    assert (303, "/dashboard") == (root.status_code, root.headers["Location"])
    assert (303, f"{LOGIN}?next=/dashboard") == (page.status_code, page.headers["Location"])


@pytest.mark.parametrize("permission", [Permission.FULL, Permission.READING])
def test_a_key_that_may_look_opens_it(gateway: System, visitor: httpx.Client, permission: Permission) -> None:
    """Of whatever tenant, which is the one that the pages are about."""
    with client_of(gateway, "acme", permission) as owner:
        answer = enter(visitor, key_of(owner))
        page = visitor.get("/dashboard")

    assert (303, "/dashboard") == (answer.status_code, answer.headers["Location"])
    assert "<strong>acme</strong>" in page.text


def test_other_keys_do_not(gateway: System, visitor: httpx.Client) -> None:
    """One that may only send, one that nobody made, and none."""
    with client_of(gateway, "acme", Permission.SENDING) as owner:
        answers = [enter(visitor, key) for key in (key_of(owner), "pb_invented", "")]

    assert [403, 403, 403] == [answer.status_code for answer in answers]
    assert not visitor.cookies


def test_a_session_ends_with_its_key(gateway: System, visitor: httpx.Client) -> None:
    """At once, wherever the browser is."""
    with client_of(gateway) as owner:
        enter(visitor, key_of(owner))
        before = visitor.get("/dashboard").status_code
        (key,) = owner.get("/api-keys").json()["data"]
        owner.delete(f"/api-keys/{key['id']}")

    assert (200, 303) == (before, visitor.get("/dashboard").status_code)


def test_the_link_of_development_logs_in(gateway: System, visitor: httpx.Client) -> None:
    """And works with no other key, however good."""
    with client_of(gateway) as owner:
        other = visitor.get(LOGIN, params={"key": key_of(owner)})
    answer = visitor.get(LOGIN, params={"key": gateway.key})

    assert (200, 303) == (other.status_code, answer.status_code)
    assert 200 == visitor.get("/dashboard").status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_another_site_cannot_log_anybody_in(
    gateway: System, visitor: httpx.Client, headers: dict[str, str]
) -> None:
    """Or people would work in a stranger's account without knowing."""
    answer = visitor.post(LOGIN, data={"key": gateway.key}, headers=headers)

    assert 403 == answer.status_code
    assert not visitor.cookies


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_a_form_without_the_sessions_token_does_nothing(
    gateway: System, visitor: httpx.Client, token: str
) -> None:
    """Not even with the cookie."""
    enter(visitor, gateway.key)
    answer = visitor.post("/dashboard/logout", data={"csrf": token})

    assert 403 == answer.status_code
    assert 200 == visitor.get("/dashboard").status_code


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("/dashboard/messages?status=failed&limit=20", "/dashboard/messages?status=failed&limit=20"),
        ("https://evil.example/dashboard", "/dashboard"),
        ("//evil.example", "/dashboard"),
        ("/dashboard@evil.example", "/dashboard"),
        ("/dashboard/\r\nSet-Cookie: a=b", "/dashboard"),
        ("/emails", "/dashboard"),
    ],
)
def test_the_login_leads_to_no_other_site(
    gateway: System, visitor: httpx.Client, place: str, expected: str
) -> None:
    """Whatever a link to it says."""
    assert expected == enter(visitor, gateway.key, next=place).headers["Location"]


def test_a_part_of_a_page_leads_all_of_it_to_the_login(visitor: httpx.Client) -> None:
    """When the session has ended while the page was open."""
    answer = visitor.get("/dashboard", headers={"HX-Request": "true"})

    assert (401, LOGIN) == (answer.status_code, answer.headers["HX-Redirect"])


def test_the_api_takes_no_cookie(gateway: System, visitor: httpx.Client) -> None:
    """A session opens pages, and nothing else."""
    enter(visitor, gateway.key)
    (cookie,) = visitor.cookies.jar
    answer = visitor.get("/emails", headers={"Cookie": f"{cookie.name}={cookie.value}"})

    assert "missing_api_key" == answer.json()["name"]


def test_a_cookie_from_https_stays_there(gateway: System, visitor: httpx.Client) -> None:
    """Behind a proxy that ends TLS, too."""
    plain = enter(visitor, gateway.key).headers["Set-Cookie"]
    behind = visitor.post(LOGIN, data={"key": gateway.key}, headers={"X-Forwarded-Proto": "https"})

    assert "Secure" not in plain
    assert "Secure" in behind.headers["Set-Cookie"]


def test_files_are_remembered_for_ever(visitor: httpx.Client) -> None:
    """Under the hash of what is in them, and under no other."""
    page = visitor.get(LOGIN).text
    url = page.split('rel="stylesheet" href="')[1].split('"')[0]
    file, other = visitor.get(url), visitor.get(f"/dashboard/static/{'0' * 16}/style.css")

    assert "public, max-age=31536000, immutable" == file.headers["Cache-Control"]
    assert ("no-store", file.text) == (other.headers["Cache-Control"], other.text)
    assert 404 == visitor.get("/dashboard/static/x/settings.py").status_code


def routes(folder: Path, *, dashboard: bool) -> list[tuple[str, str]]:
    """Methods and paths of all pages."""
    urls = {"broker_url": f"filesystem://{folder}/broker", "ledger_url": f"sqlite:///{folder}/ledger"}
    app = create_app(Settings.model_validate({**urls, "dashboard": dashboard}))
    every = [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource]
    return [(method, path) for method, path in every if path == "/" or path.startswith("/dashboard")]


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    """For a gateway that only programs reach."""
    assert not routes(tmp_path, dashboard=False)


def test_no_page_opens_without_a_session(tmp_path: Path, visitor: httpx.Client) -> None:
    """Nor does any form do anything: whoever is not logged in is sent to the login."""
    pages = [(method, path) for method, path in routes(tmp_path, dashboard=True) if path not in PUBLIC]
    answers = {
        (method, path): visitor.request(method, re.sub("{.*?}", "x", path)).headers.get("Location", "")
        for method, path in pages
    }

    assert ("GET", "/dashboard") in answers
    assert [] == [page for page, place in answers.items() if not place.startswith(LOGIN)]
