"""The pages about things, as programs and forgers see them; people see them in tests/browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.gateway.ledger.database import LedgerAddress, open_engine
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.sessions import Sessions
from services.gateway.tenants.callers import Permission
from tests.contract.ledgers import event
from tests.flow.system import EMAIL, System
from tests.gateway.tenants import client_of

MARKUP = "<script>alert(1)</script> & <b>bold</b>"
HTML = '<p style="color:red">Hello</p><img src="cid:stamp"><img src="https://evil.example/x.png">'
RECEIPT = {
    "html": HTML,
    "tags": [{"name": "kind", "value": "receipt"}],
    "attachments": [
        {"filename": "a.txt", "content": "aGVsbG8="},
        {"filename": "s.png", "content": "aGVsbG8=", "content_type": "image/png", "content_id": "stamp"},
    ],
}
NOWHERE = "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, which has an inbox."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "outbox").mkdir()
    broker = f"filesystem://{folder}/broker"
    databases = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    with System(folder, broker, broker, *databases) as system:
        yield system.start(mailers=0)


@dataclass
class Visitor:
    """Somebody who is logged in, and the same one as a caller of the API."""

    gateway: System
    api: httpx.Client
    browser: httpx.Client

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Look at a page."""
        return self.browser.get(f"/dashboard{path}", **more)

    def page(self, path: str) -> str:
        """Look at a page that there is."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form of the page."""
        token = re.search(r'name="csrf" value="(\w+)"', self.page("/messages"))
        assert token is not None
        return self.browser.post(f"/dashboard{path}", data={"csrf": token[1], **fields})

    def leave(self) -> None:
        """Go away."""
        self.api.close()
        self.browser.close()

    def send(self, **fields: Any) -> str:
        """Have a message accepted."""
        answer = self.api.post("/emails", json=EMAIL | fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def ended(self, word: str, **fields: Any) -> str:
        """A message that no mailer sees, and that came to an end."""
        message_id = self.send(scheduled_at="in 1 day", **fields)
        told = event(UUID(message_id), word, reason="given_up: it was too long", provider="main")

        async def record() -> None:
            engine = open_engine(LedgerAddress.parse(self.gateway.ledger_url), 5)
            await Ledger(Sessions(engine, writing=None), silent_after=60).record([told])
            await engine.dispose()

        asyncio.run(record())
        return message_id

    def status(self, message_id: str) -> str:
        """What the API says of a message."""
        return str(self.api.get(f"/emails/{message_id}").json()["status"])


def visit(gateway: System, tenant: str | None = None, permission: Permission = Permission.FULL) -> Visitor:
    """Log in, by default at a tenant that is new."""
    api = client_of(gateway, tenant, permission)
    browser = httpx.Client(base_url=api.base_url, timeout=10)
    key = api.headers["Authorization"].removeprefix("Bearer ")
    assert browser.post("/dashboard/login", data={"key": key}).status_code == 303
    return Visitor(gateway, api, browser)


@pytest.fixture(scope="module")
def ann(gateway: System) -> Iterator[Visitor]:
    """Somebody at a tenant of her own."""
    visitor = visit(gateway)
    yield visitor
    visitor.leave()


@pytest.fixture(scope="module")
def other(gateway: System) -> Iterator[dict[str, str]]:
    """What another tenant has, by the place it has in a path."""
    bob = visit(gateway, "bobs")
    message = bob.ended("failed", **RECEIPT)
    letter = gateway.folder / "outbox" / f"{message}.eml"
    letter.write_bytes(b"Subject: Bob's\r\n\r\nx")
    webhook = bob.api.post(
        "/webhooks", json={"endpoint": "https://example.com/x", "events": ["email.failed"]}
    )
    key = bob.api.get("/api-keys").json()["data"][0]["id"]
    template = bob.api.post("/templates", json={"name": "Bob's", "text": "Hi"}).json()["id"]
    suppression = bob.api.post("/suppressions", json={"email": "eva@example.org"}).json()["id"]
    yield {
        "messages": message,
        "inbox": message,
        "webhooks": webhook.json()["id"],
        "templates": template,
        "suppressions": suppression,
        "keys": key,
    }
    assert "failed" == bob.status(message)
    assert letter.exists()
    bob.leave()


SEEN = {
    "messages": ["", "/timeline", "/letter", "/source", "/attachments/0"],
    "inbox": ["", "/letter", "/source", "/attachments/0"],
    "webhooks": ["", "/events", f"/events/{NOWHERE}"],
    "templates": ["", "/letter?v=eJyrrgUAAXUA-Q=="],
}
DONE = {
    "messages": ["/replay", "/release", "/drop", "/cancel"],
    "inbox": ["/remove"],
    "webhooks": ["/change", "/rotate", "/delete", f"/events/{NOWHERE}/replay"],
    "templates": ["/preview", "/publish"],
    "suppressions": ["/remove"],
    "keys": ["/revoke"],
}


@pytest.mark.parametrize("kind", SEEN)
def test_what_is_another_tenants_does_not_exist(ann: Visitor, other: dict[str, str], kind: str) -> None:
    """It looks as if nothing had that id; nor is it in any list."""
    paths = [f"/{kind}/{other[kind]}{rest}" for rest in SEEN[kind]]

    assert [404] * len(paths) == [ann.get(path).status_code for path in paths]
    assert other[kind] not in ann.page(f"/{kind}")


@pytest.mark.parametrize("kind", DONE)
def test_nothing_can_be_done_to_what_is_another_tenants(
    ann: Visitor, other: dict[str, str], kind: str
) -> None:
    """Not even found out about."""
    fields = {"status": "disabled", "variables": "{}"}
    answers = [ann.post(f"/{kind}/{other[kind]}{deed}", **fields) for deed in DONE[kind]]

    assert {404} == {answer.status_code for answer in answers}


@pytest.mark.parametrize("kind", DONE)
def test_a_form_needs_the_sessions_token(ann: Visitor, kind: str) -> None:
    """And does nothing without."""
    answers = [
        ann.browser.post(f"/dashboard/{kind}/{NOWHERE}{deed}", data={"csrf": "0"}) for deed in DONE[kind]
    ]
    lists = [ann.browser.post(f"/dashboard/{path}") for path in ("keys", "webhooks", "dead-letters/replay")]

    assert {403} == {answer.status_code for answer in (*answers, *lists)}


def test_who_may_only_read_is_shown_no_forms(gateway: System, other: dict[str, str]) -> None:
    """And keys not at all."""
    reader = visit(gateway, "bobs", Permission.READING)
    pages = [reader.page(f"/{path}") for path in ("messages", "dead-letters", "suppressions", "webhooks")]
    page = reader.page(f"/messages/{other['messages']}")
    answer = reader.post(f"/messages/{other['messages']}/replay")
    keys = reader.get("/keys")
    reader.leave()

    assert not [form for text in (*pages, page) for form in re.findall('action="(?!/dashboard/logout)', text)]
    assert (401, 401) == (answer.status_code, keys.status_code)
    assert "/dashboard/keys" not in page


@pytest.mark.parametrize("path", ["messages", "dead-letters", "webhooks", "suppressions", "inbox", "keys"])
def test_a_cursor_that_is_none_is_refused(ann: Visitor, path: str) -> None:
    """As the API refuses it; the inbox counts pages."""
    expected = 200 if path == "inbox" else 422

    assert expected == ann.get(f"/{path}?after=x&page=x").status_code


# Messages


@pytest.mark.parametrize(
    "query",
    [
        "q=found@example.org",
        "q=kind:found",
        "q=found@example.org+kind:found",
        "status=scheduled",
        "priority=bulk",
        "since=2020-01-01T00:00",
        "until=2100-01-01T00:00&q=",
    ],
)
def test_messages_are_found(ann: Visitor, query: str) -> None:
    """By address, tag, state, lane and time, and what does not fit is not shown."""
    tags = [{"name": "kind", "value": "found"}]
    ann.send(to="found@example.org", tags=tags, priority="bulk", subject="Found", scheduled_at="in 1 day")
    page = ann.page(f"/messages?{query}")
    none = ann.page(f"/messages?{query}&provider=nobody")

    assert "Found" in page
    assert "No message fits." in none


def test_an_id_leads_to_its_message(ann: Visitor) -> None:
    """Whoever has one from a log need not look for it."""
    message_id = ann.send()

    assert f"/dashboard/messages/{message_id}" == ann.get(f"/messages?q={message_id}").headers["Location"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("q=nonsense", "q"), ("q=a@", "q"), ("since=x", "since"), ("status=x", "status")],
)
def test_what_cannot_be_looked_for_is_said_at_its_field(ann: Visitor, query: str, field: str) -> None:
    """And what was typed is still there."""
    answer = ann.get(f"/messages?{query}")

    assert 422 == answer.status_code
    assert re.search(rf'name="{field}"[^>]* aria-invalid="true"', answer.text)


def test_pages_of_messages_follow_each_other(ann: Visitor) -> None:
    """Back and forth, with what was looked for."""
    for number in range(27):
        ann.send(subject=f"No. {number}", to="many@example.org")
    first = ann.page("/messages?q=many@example.org")
    (older,) = re.findall(r'href="(\?[^"]*)" rel="next"', first)
    second = ann.page(f"/messages{older.replace('&amp;', '&')}")
    (newer,) = re.findall(r'href="(\?[^"]*)" rel="prev"', second)
    back = ann.page(f"/messages{newer.replace('&amp;', '&')}")

    assert (25, 2, 25) == tuple(len(re.findall(r"No\. \d+</a>", page)) for page in (first, second, back))
    assert "data-live" in first
    assert "data-live" not in second


def test_a_list_is_sent_again_only_if_there_is_something_new(ann: Visitor) -> None:
    """Otherwise the page is left as it is."""
    ann.send(to="live@example.org", scheduled_at="in 1 day")
    (lines,) = re.findall(
        r'hx-get="/dashboard(/messages/lines[^"]*)"', ann.page("/messages?q=live@example.org")
    )
    lines = lines.replace("&amp;", "&")
    same = ann.get(lines)
    ann.send(to="live@example.org", subject="Another", scheduled_at="in 1 day")
    new = ann.get(lines)

    assert (204, 200) == (same.status_code, new.status_code)
    assert "Another" in new.text


def test_what_somebody_wrote_is_text(ann: Visitor) -> None:
    """Markup in a subject, in metadata or in a sender's name is shown, not obeyed."""
    message_id = ann.send(subject=MARKUP, metadata={"order": "<i>"}, **{"from": '"<b>x</b>" <a@example.com>'})

    for page in (ann.page("/messages"), ann.page(f"/messages/{message_id}")):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert not re.search(r"<script>alert|<b>bold|<b>x|<i>", page)


def test_the_html_of_a_message_is_a_sandbox_of_its_own(ann: Visitor) -> None:
    """Framed by no other site, and with its own pictures inside."""
    message_id = ann.send(**RECEIPT)
    letter = ann.get(f"/messages/{message_id}/letter")
    page = ann.get(f"/messages/{message_id}")

    assert letter.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in letter.headers["Content-Security-Policy"]
    assert '<img src="data:image/png;base64,aGVsbG8="' in letter.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    assert (
        f'sandbox="" referrerpolicy="no-referrer" src="/dashboard/messages/{message_id}/letter"' in page.text
    )


def test_every_view_of_a_message(ann: Visitor) -> None:
    """Text, headers and source, and the files."""
    message_id = ann.send(**RECEIPT)
    text, headers, source = (
        ann.page(f"/messages/{message_id}?show={v}") for v in ("text", "headers", "source")
    )
    whole = ann.get(f"/messages/{message_id}/source")
    file, none = (ann.get(f"/messages/{message_id}/attachments/{n}") for n in (0, 7))

    assert "It works." in text
    assert f"&lt;{message_id}@example.com&gt;" in headers
    assert "characters of base64" in source
    assert ("text/plain", message_id) == (whole.headers["Content-Type"][:10], whole.json()["message_id"])
    assert (b"hello", 404) == (file.content, none.status_code)
    assert file.headers["Content-Disposition"].startswith("attachment;")


def test_a_welcome_message_says_who_knows_its_words(ann: Visitor) -> None:
    """Unless it was written to the outbox."""
    message_id = ann.api.post("/welcome-emails", json={"email": "ann@example.org"}).json()["id"]
    before = ann.page(f"/messages/{message_id}")
    letter = ann.gateway.folder / "outbox" / f"{message_id}.eml"
    letter.write_bytes(b"Subject: Welcome\r\n\r\nGood to have you here.\r\n")

    assert "Only the mailer knows" in before
    assert "Good to have you here." in ann.page(f"/messages/{message_id}")


DEEDS = {
    "replay": ("failed", "Replayed"),
    "release": ("held", "Released"),
    "drop": ("held", "Dropped"),
    "cancel": (None, "Canceled"),
    "reschedule": (None, "another time"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_the_api_can_do_the_page_can_do(ann: Visitor, deed: str) -> None:
    """Once; the second time it says why not."""
    word, said = DEEDS[deed]
    message_id = ann.ended(word) if word else ann.send(scheduled_at="in 1 day")
    later = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    before = ann.page(f"/messages/{message_id}")
    answer = ann.post(f"/messages/{message_id}/{deed}", scheduled_at=later)
    after = ann.page(answer.headers["Location"].removeprefix("/dashboard"))
    again = ann.post(f"/messages/{message_id}/{deed}", scheduled_at="nonsense")

    assert f'action="/dashboard/messages/{message_id}/{deed}"' in before
    assert said in after
    assert (422 if deed == "reschedule" else 409) == again.status_code
    assert 'role="alert"' in again.text


def test_the_timeline_follows(ann: Visitor) -> None:
    """And the page is loaded again when there are other things to do."""
    message_id = ann.send(scheduled_at="in 1 day")
    (path,) = re.findall(r'hx-get="/dashboard(/messages/[^"]*)"', ann.page(f"/messages/{message_id}"))
    path = path.replace("&amp;", "&")
    same = ann.get(path)
    ann.api.post(f"/emails/{message_id}/cancel")
    new = ann.get(path)

    assert 204 == same.status_code
    assert "Canceled before it was sent." in new.text
    assert "true" == new.headers["HX-Refresh"]


# Dead letters


def test_dead_letters_are_replayed_after_their_number_was_shown(ann: Visitor) -> None:
    """All that fit, and no other."""
    mine = [ann.ended("failed", to="dead@example.org") for _ in range(2)]
    rest = ann.ended("failed", to="bob@example.org")
    listed = ann.page("/dead-letters?q=dead@example.org")
    asked = ann.page("/dead-letters/replay?status=failed&q=dead@example.org&reason=given_up")
    done = ann.post("/dead-letters/replay", status="failed", q="dead@example.org", reason="given_up")

    assert 2 == listed.count("given_up: it was too long")
    assert "Replay 2 messages?" in asked
    assert "2 replayed" in done.text
    assert [False, False, True] == [ann.status(one) == "failed" for one in (*mine, rest)]


# Suppressions, webhooks, templates, keys


def test_an_address_is_suppressed_and_let_go(ann: Visitor) -> None:
    """What is no address is said at the field."""
    bad, good = (ann.post("/suppressions", email=text) for text in ("<b>", "Eva@Example.org"))
    found, none = (ann.page(f"/suppressions?q={who}@example.org") for who in ("eva", "bob"))
    (path,) = re.findall(r'action="/dashboard(/suppressions/[^"]*/remove)"', found)
    gone = ann.post(path)

    assert (422, 303, 303) == (bad.status_code, good.status_code, gone.status_code)
    assert 'value="&lt;b&gt;"' in bad.text
    assert "Mail may go there." in none
    assert [] == ann.api.get("/suppressions").json()["data"]


def test_a_webhook_is_made_changed_and_removed(ann: Visitor) -> None:
    """By the same rules as in the API."""
    bad = ann.post("/webhooks", endpoint="http://127.0.0.1/", events="email.sent")
    made = ann.post("/webhooks", endpoint="https://example.com/x", events=["email.sent", "email.failed"])
    path = made.headers["Location"].removeprefix("/dashboard")
    webhook = f"/webhooks/{path.rpartition('/')[2]}"
    secret = ann.api.get(webhook).json()["signing_secret"]
    ann.post(f"{path}/change", status="disabled")
    ann.post(f"{path}/rotate")
    ann.post(f"{path}/change", endpoint="https://example.com/y", events="email.sent")
    after = ann.api.get(webhook).json()

    assert (422, 303) == (bad.status_code, made.status_code)
    assert 'id="endpoint-wrong"' in bad.text
    assert ("disabled", "https://example.com/y", ["email.sent"]) == (
        after["status"],
        after["endpoint"],
        after["events"],
    )
    assert secret != after["signing_secret"]
    assert after["signing_secret"] in ann.page(path)
    assert 303 == ann.post(f"{path}/delete").status_code
    assert 404 == ann.get(path).status_code


TEMPLATE = {"name": "Hi", "subject": "For {{ name }}", "html": "<b>{{ name }}</b>", "text": "{{ name }}"}


def test_a_template_is_previewed_as_it_is_typed(ann: Visitor) -> None:
    """Rendered by our own language, in a frame."""
    path = f"/templates/{ann.api.post('/templates', json=TEMPLATE).json()['id']}"
    first = ann.page(path)
    part = ann.post(f"{path}/preview", variables='{"name": "<i>Ann</i>"}').text
    (letter,) = re.findall(r'<iframe[^>]* src="/dashboard([^"]*)"', part.replace("&amp;", "&"))

    assert "For name" in first
    assert "For &lt;i&gt;Ann&lt;/i&gt;" in part
    assert ann.page(letter).startswith("<b>&lt;i&gt;Ann&lt;/i&gt;</b>")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("{", "no JSON"), ("[]", "Must be an object"), ("{}", "name"), ('{"name": {}}', "name")],
)
def test_variables_that_do_not_fit_are_said_at_the_field(ann: Visitor, typed: str, said: str) -> None:
    """With what was typed."""
    declared = {**TEMPLATE, "variables": [{"key": "name", "type": "string"}]}
    path = f"/templates/{ann.api.post('/templates', json=declared).json()['id']}"
    answer = ann.post(f"{path}/preview", variables=typed)
    (wrong,) = re.findall(r'id="variables-wrong" class="wrong" role="alert">([^<]*)', answer.text)

    assert 422 == answer.status_code
    assert said in wrong


@pytest.mark.parametrize("packed", ["", "x", "eJw=", "%00", "eJyrrgUAAXUA-Q==" * 500])
def test_nonsense_in_the_address_of_a_preview_is_nothing(ann: Visitor, packed: str) -> None:
    """Neither a crash nor a page."""
    path = f"/templates/{ann.api.post('/templates', json=TEMPLATE).json()['id']}/letter"

    assert ann.get(path, params={"v": packed}).status_code in {404, 422, 400, 414}


def test_a_new_key_is_shown_once(ann: Visitor) -> None:
    """It works, until it is revoked."""
    bad = ann.post("/keys", name="", permission="sending_access")
    made = ann.post("/keys", name="Shop", permission="sending_access", domains="example.com")
    (key,) = re.findall(r">(pb_\w+)<", made.text)
    (path,) = re.findall(
        r'action="/dashboard(/keys/[^"]*/revoke)" data-ask="Revoke “Shop”', ann.page("/keys")
    )
    use = {"headers": {"Authorization": f"Bearer {key}"}, "json": EMAIL}
    before = httpx.post(f"{ann.api.base_url}/emails", **use).status_code  # type: ignore[arg-type]
    ann.post(path)
    after = httpx.post(f"{ann.api.base_url}/emails", **use).status_code  # type: ignore[arg-type]

    assert (422, 201) == (bad.status_code, made.status_code)
    assert key not in ann.page("/keys")
    assert (202, 403) == (before, after)


# The inbox


def test_the_inbox_shows_what_the_mailer_wrote(ann: Visitor) -> None:
    """Found by its words, and removed."""
    message_id = ann.send()
    file = ann.gateway.folder / "outbox" / f"{message_id}.eml"
    file.write_bytes(f"Subject: {MARKUP}\r\nTo: ann@example.org\r\n\r\nNice words\r\n".encode())
    found, none = (ann.page(f"/inbox?q={words}") for words in ("nice+ANN", "nice+bob"))
    letter = ann.page(f"/inbox/{message_id}")
    source = ann.get(f"/inbox/{message_id}/source")
    removed = ann.post(f"/inbox/{message_id}/remove")

    assert f"/dashboard/inbox/{message_id}" in found
    assert f"/dashboard/inbox/{message_id}" not in none
    assert "<script>alert" not in found + letter
    assert "Nice words" in letter
    assert file.name in source.headers["Content-Disposition"]
    assert 303 == removed.status_code
    assert not file.exists()


def test_removing_all_leaves_what_is_others(ann: Visitor, other: dict[str, str]) -> None:
    """Also files that are no letters."""
    folder = ann.gateway.folder / "outbox"
    mine = folder / f"{ann.send()}.eml"
    mine.write_bytes(b"Subject: Mine\r\n\r\nx")
    (folder / "notes.txt").write_text("x")
    ann.post("/inbox/clear")

    assert not mine.exists()
    assert (folder / f"{other['inbox']}.eml").exists()
    assert (folder / "notes.txt").exists()


def test_the_development_key_sees_what_no_gateway_knows_of(gateway: System, ann: Visitor) -> None:
    """As what was sent by a task of one's own; nobody else does."""
    (gateway.folder / "outbox" / f"{NOWHERE}.eml").write_bytes(b"Subject: Past the gateway\r\n\r\nx")
    with httpx.Client(base_url=ann.api.base_url) as developer:
        developer.get("/dashboard/login", params={"key": gateway.key})
        seen = developer.get(f"/dashboard/inbox/{NOWHERE}").status_code

    assert (200, 404) == (seen, ann.get(f"/inbox/{NOWHERE}").status_code)


@pytest.mark.parametrize("name", ["..%2Fledger.sqlite3", "%2e%2e", "..%2f..%2fetc%2fpasswd", "x.eml", "%00"])
def test_no_name_leads_out_of_the_folder(ann: Visitor, name: str) -> None:
    """Since none becomes a path but by way of a UUID."""
    answers = [ann.get(f"/inbox/{name}{rest}") for rest in ("", "/source", "/letter")]

    assert {404} == {answer.status_code for answer in answers}
