"""Templates as a caller meets them: a real gateway, and Resend's own SDK where it has a word for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import resend

from services.gateway.tenants.callers import Permission
from tests.flow.system import System
from tests.gateway.tenants import client_of

HELLO: dict[str, Any] = {"name": "Hello", "html": "<p>Hello {{ name }}</p>"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker, with a folder of templates."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    templates = folder / "templates"
    templates.mkdir()
    (templates / "reset.subject.txt").write_text("Reset, {{ name }}\n")
    (templates / "reset.html").write_text("<a href='{{ link }}'>Reset</a>")
    (templates / "reset.txt").write_text("Reset: {{ link }}")
    (templates / "reset.json").write_text('{"name": "Password reset", "from": "Shop <shop@example.com>"}')
    settings = {"PILLARBOX_TEMPLATES_FOLDER": str(templates)}
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start(mailers=0)


@pytest.fixture
def client(gateway: System) -> Iterator[httpx.Client]:
    """A caller of a tenant that has no templates of its own yet."""
    with client_of(gateway) as client:
        yield client


@pytest.fixture
def sdk(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resend's SDK, for the same tenant."""
    monkeypatch.setattr(resend, "api_key", client.headers["Authorization"].removeprefix("Bearer "))
    monkeypatch.setattr(resend, "api_url", str(client.base_url).removesuffix("/"))


def create(client: httpx.Client, **changes: Any) -> str:
    """Make a template, and return its id."""
    answer = client.post("/templates", json={**HELLO, **changes})
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == {"object", "id"}
    return str(answer.json()["id"])


def change(client: httpx.Client, which: str, **changes: Any) -> None:
    """Change a template."""
    answer = client.patch(f"/templates/{which}", json=changes)
    assert answer.status_code == 200, answer.text


def publish(client: httpx.Client, which: str) -> None:
    """Publish a template."""
    answer = client.post(f"/templates/{which}/publish")
    assert answer.status_code == 200, answer.text


def show(client: httpx.Client, which: str) -> dict[str, Any]:
    """GET a template."""
    answer = client.get(f"/templates/{which}")
    assert answer.status_code == 200, answer.text
    template: dict[str, Any] = answer.json()
    return template


def own(client: httpx.Client) -> list[dict[str, Any]]:
    """The tenant's own templates."""
    items = client.get("/templates", params={"limit": 100}).json()["data"]
    return [item for item in items if not item["read_only"]]


def preview(client: httpx.Client, which: str, **variables: Any) -> httpx.Response:
    """Render a template."""
    return client.post(f"/templates/{which}/preview", json={"variables": variables})


def send(client: httpx.Client, which: str, **fields: Any) -> httpx.Response:
    """Send a message that is made from a template."""
    variables = fields.pop("variables", {"name": "Ana"})
    body = {"from": "a@example.com", "to": "b@example.com", "subject": "Hello", **fields}
    return client.post("/emails", json={**body, "template": {"id": which, "variables": variables}})


def error(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Status, name and pointers of an error."""
    body = answer.json()
    assert body["statusCode"] == answer.status_code
    return answer.status_code, body["name"], [item["pointer"] for item in body["errors"]]


# As the SDK has it


@pytest.mark.usefixtures("sdk")
def test_the_sdk_writes_publishes_and_removes() -> None:
    """Each call is answered in the shape that Resend's SDK reads."""
    made = resend.Templates.create(
        {
            "name": "Wëlcome",
            "alias": "welcome",
            "from": "Zoë <zoe@example.com>",
            "subject": "Hello {{{NAME}}}",
            "reply_to": ["help@example.com"],
            "html": "<p>Hello {{{NAME}}} 🎉</p>",
            "text": "Hello {{NAME}}",
            "variables": [{"key": "NAME", "type": "string", "fallback_value": "yöu"}],
        }
    )
    draft: Any = resend.Templates.get("welcome")
    published = resend.Templates.publish("welcome")
    shown: Any = resend.Templates.get(made["id"])
    copy = resend.Templates.duplicate("welcome")
    updated = resend.Templates.update({"id": "welcome", "name": "Another"})
    listed = resend.Templates.list({"limit": 2})
    removed = resend.Templates.remove("welcome")

    assert {("template", made["id"])} == {(item["object"], item["id"]) for item in (made, published, updated)}
    assert ("draft", None, True) == (
        *(draft["status"], draft["published_at"]),
        draft["has_unpublished_versions"],
    )
    assert ("published", False) == (shown["status"], shown["has_unpublished_versions"])
    assert {
        "object": "template",
        "id": made["id"],
        "name": "Wëlcome",
        "alias": "welcome",
        "from": "Zoë <zoe@example.com>",
        "reply_to": ["help@example.com"],
        "subject": "Hello {{{NAME}}}",
        "html": "<p>Hello {{{NAME}}} 🎉</p>",
        "text": "Hello {{NAME}}",
    }.items() <= shown.items()
    (variable,) = shown["variables"]
    assert {"key": "NAME", "type": "string", "fallback_value": "yöu"}.items() <= variable.items()
    assert str(UUID(shown["current_version_id"])) == shown["current_version_id"]
    assert ("list", True, ["Wëlcome (copy)", "Another"]) == (
        *(listed["object"], listed["has_more"]),
        [item["name"] for item in listed["data"]],
    )
    assert {"id", "name", "status", "published_at", "created_at", "updated_at", "alias"} <= set(
        listed["data"][0]
    )
    assert copy["id"] == listed["data"][0]["id"] != made["id"]
    assert ("template", made["id"], True) == (removed["object"], removed["id"], removed["deleted"])
    with pytest.raises(resend.exceptions.ResendError) as missing:
        resend.Templates.get("welcome")
    assert (404, "not_found") == (missing.value.code, missing.value.error_type)


def test_what_is_not_given_is_null(client: httpx.Client) -> None:
    """As Resend's types have it."""
    template = show(client, create(client, subject=None, text="", variables=None, reply_to=None))
    expected = dict.fromkeys(("alias", "from", "reply_to", "subject", "text", "variables", "published_at"))

    assert expected == {name: template[name] for name in expected}


# Writing


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": None}, "/name"),
    "an empty name": ({"name": ""}, "/name"),
    "a name of two lines": ({"name": "a\nb"}, "/name"),
    "no body": ({"html": None}, "/html"),
    "empty bodies": ({"html": "", "text": ""}, "/html"),
    "an alias with a blank": ({"alias": "a b"}, "/alias"),
    "an alias with a slash": ({"alias": "a/b"}, "/alias"),
    "an alias that is an id": ({"alias": str(uuid4())}, "/alias"),
    "an alias that is an id without hyphens": ({"alias": uuid4().hex}, "/alias"),
    "an alias that is too long": ({"alias": "x" * 129}, "/alias"),
    "a sender that is none": ({"from": "nonsense"}, "/from"),
    "a line break in the sender": ({"from": "A\r\nBcc: x@example.com <a@example.com>"}, "/from"),
    "a subject of two lines": ({"subject": "a\r\nBcc: x@example.com"}, "/subject"),
    "a broken subject": ({"subject": "{{ name"}, "/subject"),
    "NUL in the text": ({"text": "a\0b"}, "/text"),
    "a field that is unknown": ({"htlm": "x"}, "/htlm"),
    "a number as HTML": ({"html": 7}, "/html"),
    "variables that are none": ({"variables": {"name": "x"}}, "/variables"),
    "a variable without a key": ({"variables": [{"type": "string"}]}, "/variables/0/key"),
    "a key that is none": ({"variables": [{"key": "a b"}]}, "/variables/0/key"),
    "a key twice": ({"variables": [{"key": "a"}, {"key": "a"}]}, "/variables"),
    "a type that is none": ({"variables": [{"key": "a", "type": "date"}]}, "/variables/0/type"),
    "101 variables": ({"variables": [{"key": f"a{number}"} for number in range(101)]}, "/variables"),
    "a fallback of another type": (
        {"variables": [{"key": "a", "type": "number", "fallback_value": "1"}]},
        "/variables/0/fallback_value",
    ),
    "true for a number": (
        {"variables": [{"key": "a", "type": "number", "fallback_value": True}]},
        "/variables/0/fallback_value",
    ),
    "a fallback that is too large": (
        {"variables": [{"key": "a", "fallback_value": "x" * 70_000}]},
        "/variables",
    ),
    "a source that is too long": ({"html": "x" * 300_000}, "/html"),
    "too much in braces": ({"html": "{{ a }}" * 20_000}, "/html"),
    "an include": ({"html": "{% include 'secret' %}"}, "/html"),
    "a filter that is none": ({"html": "{{ name | shout }}"}, "/html"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_a_template_is_refused_when_it_is_saved(client: httpx.Client, case: str) -> None:
    """By the name of the field, new or changed; nothing is stored."""
    changes, pointer = BAD[case]
    made = client.post("/templates", json={**HELLO, **changes})
    template_id = create(client)
    before = show(client, template_id)
    changed = client.patch(f"/templates/{template_id}", json=changes)

    assert (422, [pointer]) == error(made)[::2]
    if case != "no name":  # in a change it is left out
        assert (422, [pointer]) == error(changed)[::2]
    assert [template_id] == [item["id"] for item in own(client)]
    assert before == {**show(client, template_id), "updated_at": before["updated_at"]}


def test_the_line_of_an_error_is_named(client: httpx.Client) -> None:
    """Every source's first error; what else is wrong shows once these are mended."""
    body = {**HELLO, "subject": "{{", "html": "<p>\n\n{% if name %}</p>", "text": "a\n{{ name | shout }}"}
    errors = client.post("/templates", json=body).json()["errors"]

    assert ["/subject", "/html", "/text"] == [item["pointer"] for item in errors]
    assert ["line 1: ", "line 3: ", "line 2: "] == [item["message"][:8] for item in errors]


def test_an_alias_is_taken_once(client: httpx.Client) -> None:
    """By one template of the tenant, new or changed."""
    create(client, alias="hello")
    other = create(client)
    refused = [
        client.post("/templates", json={**HELLO, "alias": "hello"}),
        client.patch(f"/templates/{other}", json={"alias": "hello"}),
    ]
    change(client, "hello", alias="hello")

    assert [(422, "validation_error", ["/alias"])] * 2 == [error(answer) for answer in refused]
    assert 2 == len(own(client))


def test_a_change_leaves_the_rest(client: httpx.Client) -> None:
    """What is not named stays, and null takes a thing away."""
    variables = [{"key": "name", "type": "string", "fallback_value": "you"}]
    template_id = create(client, alias="hello", subject="Hi", text="Hello", variables=variables)
    change(client, "hello", html="<b>{{ name }}</b>", subject=None, alias=None)
    template = show(client, template_id)

    assert ("<b>{{ name }}</b>", None, None, "Hello", "you", 2) == (
        *(template["html"], template["subject"], template["alias"], template["text"]),
        *(template["variables"][0]["fallback_value"], template["version"]),
    )
    assert (422, "missing_required_field", ["/html"]) == error(
        client.patch(f"/templates/{template_id}", json={"html": None, "text": None})
    )


def test_only_another_content_is_another_version(client: httpx.Client) -> None:
    """Neither a new name nor the same content again is one."""
    template_id = create(client)
    change(client, template_id, name="Another")
    change(client, template_id, **HELLO)
    change(client, template_id)
    change(client, template_id, html="<p>Bye</p>")
    publish(client, template_id)
    versions = client.get(f"/templates/{template_id}/versions").json()

    assert ("list", False, [(2, True), (1, False)]) == (
        *(versions["object"], versions["has_more"]),
        [(item["version"], item["published"]) for item in versions["data"]],
    )
    assert show(client, template_id)["current_version_id"] == versions["data"][0]["id"]


def test_concurrent_changes_are_all_made(client: httpx.Client) -> None:
    """Each on top of the one before; none overwrites a field that it does not name."""
    template_id = create(client, subject="0", text="0")

    def write(part: str) -> list[int]:
        with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=30) as author:
            return [
                author.patch(f"/templates/{template_id}", json={part: f"{number}"}).status_code
                for number in range(1, 4)
            ]

    with ThreadPoolExecutor(3) as pool:
        statuses = list(pool.map(write, ("subject", "html", "text")))
    template = show(client, template_id)

    assert [[200] * 3] * 3 == statuses
    assert (["3"] * 3, 10) == ([template[part] for part in ("subject", "html", "text")], template["version"])


# Previews


def test_a_preview_is_what_would_be_sent(client: httpx.Client) -> None:
    """Of the latest version, published or not; in HTML values are escaped."""
    variables = [{"key": "day", "fallback_value": "todäy"}]
    create(client, alias="hello", subject="For {{ name }}", text="{{ name }}, {{ day }}", variables=variables)
    publish(client, "hello")
    change(client, "hello", html="<i>{{ name }}</i>")
    answer = preview(client, "hello", name="<Ana & 李>")

    assert 200 == answer.status_code
    assert {
        "subject": "For <Ana & 李>",
        "html": "<i>&lt;Ana &amp; 李&gt;</i>",
        "text": "<Ana & 李>, todäy",
    } == answer.json()


def test_a_preview_has_what_the_template_has(client: httpx.Client) -> None:
    """A subject that is left to the message is null."""
    template_id = create(client, html=None, text="Hello")

    assert {"subject": None, "html": None, "text": "Hello"} == preview(client, template_id).json()
    assert 200 == client.post(f"/templates/{template_id}/preview", json={}).status_code


def test_a_missing_variable_is_named(client: httpx.Client) -> None:
    """Each of them; one with a fallback, or a default in the source, is not missing."""
    html = "{{ name }} {{ day }} {{ when | default: 'now' }} {{ user.name }}"
    template_id = create(client, html=html, variables=[{"key": "day", "fallback_value": "today"}])
    missing = ["/variables/name", "/variables/user"]
    deep = preview(client, template_id, name="Ana", user={})

    assert (422, "missing_required_field", missing) == error(preview(client, template_id))
    assert (422, "validation_error", ["/variables"]) == error(deep)
    assert "line 1" in deep.json()["message"]


def test_a_variable_is_of_its_type(client: httpx.Client) -> None:
    """A number may stand for a text, and null for anything; but no text for a number."""
    variables = [{"key": "count", "type": "number", "fallback_value": 3}, {"key": "name", "type": "string"}]
    template_id = create(client, html="{{ count | plus: 1 }} {{ name }}", variables=variables)
    wrong = preview(client, template_id, count="2", name=["a"])

    assert "6 7" == preview(client, template_id, count=5, name=7).json()["html"]
    assert "4 " == preview(client, template_id, count=None, name=None).json()["html"]
    assert (422, "validation_error", ["/variables/count", "/variables/name"]) == error(wrong)


HOSTILE: dict[str, Any] = {
    "a list for an object": [],
    "too deep": json.loads('{"a":' * 50 + "1" + "}" * 50),
    "too large": {"a": "x" * 70_000},
    "a number that is too large": {"a": 10**40},
    "NUL": {"a": "x\0"},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_variables_are_refused(client: httpx.Client, case: str) -> None:
    """Before anything is rendered."""
    template_id = create(client, html="{{ a }}")
    status, _, pointers = error(
        client.post(f"/templates/{template_id}/preview", json={"variables": HOSTILE[case]})
    )

    assert 422 == status
    assert all(pointer.startswith("/variables") for pointer in pointers)


def test_a_template_that_works_for_ever_is_stopped(gateway: System, client: httpx.Client) -> None:
    """And meanwhile everybody else is answered."""
    loops = f"{'{% for a in (1..1000) %}' * 3}{{{{ a }}}}{'{% endfor %}' * 3}"
    template_id = create(client, html=loops)
    waits = []
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(preview, client, template_id)
        while not slow.done():
            asked = time.monotonic()
            assert 200 == gateway.client.get("/healthz").status_code
            waits.append(time.monotonic() - asked)

    assert (422, "validation_error", ["/variables"]) == error(slow.result())
    assert max(waits, default=0) < 1


def test_values_are_not_rendered_again(client: httpx.Client) -> None:
    """A variable that looks like source is only text, and is never repeated in an error."""
    template_id = create(client, html="{{ name }}", subject="{{ name }}")
    answer = preview(client, template_id, name="{{ 7 | times: 6 }}{% include 'x' %}")
    broken = preview(client, template_id, name="canary\r\nBcc: x@example.com")

    assert "{{ 7 | times: 6 }}" in answer.json()["subject"]
    assert "42" not in answer.text
    assert (422, "validation_error", ["/variables"]) == error(broken)
    assert "canary" not in broken.text


# Sending


def test_messages_are_made_from_what_was_published(client: httpx.Client) -> None:
    """Not from a draft; at once from what has just been published, and no more once it is removed."""
    create(client, alias="hello")
    draft = send(client, "hello")
    publish(client, "hello")
    accepted = send(client, "hello")
    change(client, "hello", html="{{ name }} {{ surname }}")
    unchanged = send(client, "hello")
    publish(client, "hello")
    changed = send(client, "hello")
    client.delete("/templates/hello")
    removed = send(client, "hello")

    assert (422, "validation_error", ["/template/id"]) == error(draft) == error(removed)
    assert [202, 202] == [accepted.status_code, unchanged.status_code]
    assert (422, "missing_required_field", ["/template/variables/surname"]) == error(changed)


@pytest.mark.parametrize("which", ["nobody", "a b", "' OR 1=1", "é", "\0", "*"])
def test_an_unknown_template_is_told_when_sending(client: httpx.Client, which: str) -> None:
    """Whatever its name."""
    assert (422, "validation_error", ["/template/id"]) == error(send(client, which))


# The operator's folder


def test_a_folder_is_there_for_every_tenant(client: httpx.Client) -> None:
    """To look at, to try, to send from and to copy."""
    template = show(client, "reset")
    sent = send(client, "reset", variables={"name": "Ana", "link": "https://example.com"})
    copied = client.post("/templates/reset/duplicate").json()["id"]

    assert ("Password reset", "Shop <shop@example.com>", "Reset, {{ name }}", True, "published") == (
        *(template["name"], template["from"], template["subject"]),
        *(template["read_only"], template["status"]),
    )
    assert "Reset, Ana" == preview(client, "reset", name="Ana", link="x").json()["subject"]
    assert 202 == sent.status_code
    assert (False, template["html"], None) == tuple(
        show(client, copied)[name] for name in ("read_only", "html", "alias")
    )


def test_nobody_changes_the_operators_templates(client: httpx.Client) -> None:
    """Over the API they can be looked at only."""
    before = show(client, "reset")
    for which in ("reset", before["id"]):
        answers = [
            client.patch(f"/templates/{which}", json={"html": "mine"}),
            client.post(f"/templates/{which}/publish"),
            client.delete(f"/templates/{which}"),
        ]

        assert [(403, "read_only", [])] * 3 == [error(answer) for answer in answers]
        assert "folder" in answers[0].json()["message"]
    assert before == show(client, "reset")


def test_a_tenants_own_alias_goes_first(gateway: System, client: httpx.Client) -> None:
    """From its publishing on, for that tenant alone."""
    create(client, alias="reset", html="Mine")
    publish(client, "reset")

    assert "Mine" == show(client, "reset")["html"]
    assert 202 == send(client, "reset", variables={}).status_code
    with client_of(gateway) as other:
        assert "Mine" != show(other, "reset")["html"]


BROKEN: dict[str, tuple[dict[str, bytes], str]] = {
    "a source": ({"a.html": b"<p>\n{{ name"}, "a.html, line 2: "),
    "a subject": ({"a.html": b"x", "a.subject.txt": b"{% if %}\n"}, "a.subject.txt, line 1: "),
    "a subject of two lines": ({"a.html": b"x", "a.subject.txt": b"a\nb\n"}, "a.subject.txt, line 2: "),
    "no UTF-8": ({"a.txt": b"one\ntwo\nthr\xe9e"}, "a.txt, line 3: "),
    "no JSON": ({"a.txt": b"x", "a.json": b'{\n"name": }'}, "a.json: is not valid JSON"),
    "another field": ({"a.txt": b"x", "a.json": b'{"html": "x"}'}, "a.json: may hold"),
    "a sender that is none": ({"a.txt": b"x", "a.json": b'{"from": "nonsense"}'}, "a.json: /from "),
    "no body": ({"a.subject.txt": b"x"}, "a.html: "),
    "a file that is none": ({"a.txt": b"x", "a.htm": b"x"}, "a.htm: a template's files are "),
    "two files": ({"a.txt": b"{{", "b.txt": b"{{"}, "b.txt, line 1: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_stops_the_start(gateway: System, case: str) -> None:
    """The log names the file, and the line where there is one."""
    files, expected = BROKEN[case]
    folder = gateway.folder / case.replace(" ", "-")
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    status, log = start(gateway, str(folder))

    assert 1 == status
    assert f"{folder}/{expected}" in log
    assert "Traceback" not in log


def test_a_folder_that_is_not_there_stops_the_start(gateway: System) -> None:
    """Rather than have messages refused later."""
    status, log = start(gateway, str(gateway.folder / "nowhere"))

    assert 1 == status
    assert "nowhere" in log


def start(gateway: System, folder: str) -> tuple[int, str]:
    """Start another gateway that is to fail; return its exit status and its log."""
    other = gateway._service("gateway", gateway.gateway.command)
    other.environment |= {"PILLARBOX_TEMPLATES_FOLDER": folder, "PILLARBOX_PORT": "0"}
    other.log_path = gateway.folder / f"gateway-{uuid4()}.log"
    other.start()
    return other.wait(20), other.log()


# Who may


def test_tenants_do_not_see_each_other(gateway: System, client: httpx.Client) -> None:
    """Neither by id nor by alias, in no call."""
    template_id = create(client, alias="hello")
    publish(client, "hello")
    with client_of(gateway) as other:
        for which in (template_id, "hello"):
            answers = [
                other.get(f"/templates/{which}"),
                other.patch(f"/templates/{which}", json={"name": "Mine"}),
                other.delete(f"/templates/{which}"),
                other.post(f"/templates/{which}/publish"),
                other.post(f"/templates/{which}/duplicate"),
                other.get(f"/templates/{which}/versions"),
                preview(other, which),
            ]

            assert [(404, "not_found", [])] * 7 == [error(answer) for answer in answers]
            assert (422, "validation_error", ["/template/id"]) == error(send(other, which))
        assert not own(other)
    assert "Hello" == show(client, template_id)["name"]


def test_a_key_for_reading_looks_and_tries(gateway: System) -> None:
    """It changes nothing; a key for sending does neither."""
    with client_of(gateway, permission=Permission.READING) as reader:
        looks = [
            reader.get("/templates"),
            reader.get("/templates/reset"),
            reader.get("/templates/reset/versions"),
        ]
        tries = preview(reader, "reset", name="Ana", link="x")
        changes = [
            reader.post("/templates", json=HELLO),
            reader.patch("/templates/reset", json={}),
            reader.delete("/templates/reset"),
            reader.post("/templates/reset/publish"),
            reader.post("/templates/reset/duplicate"),
        ]

        assert [200] * 4 == [answer.status_code for answer in (*looks, tries)]
        assert ["restricted_api_key"] * 5 == [answer.json()["name"] for answer in changes]
    with client_of(gateway, permission=Permission.SENDING) as sender:
        assert 401 == sender.get("/templates").status_code == preview(sender, "reset").status_code


def test_lists_come_in_pages(client: httpx.Client) -> None:
    """The newest first, from one cursor to the next."""
    for number in range(5):
        create(client, name=f"Template {number}")
    first = client.get("/templates", params={"limit": 3}).json()
    second = client.get("/templates", params={"limit": 3, "after": first["data"][-1]["id"]}).json()
    names = [item["name"] for item in first["data"] + second["data"]]

    assert [*(f"Template {number}" for number in (4, 3, 2, 1, 0)), "Password reset"] == names
    assert [True, False] == [first["has_more"], second["has_more"]]
    assert (422, "validation_error", ["/limit"]) == error(client.get("/templates?limit=101"))
    assert (422, "validation_error", ["/after"]) == error(client.get("/templates/reset/versions?after=x"))


@pytest.mark.parametrize("which", ["nobody", "a%20b", "%00", "%ED%A0%80", "a%2Fb", "'", "%", "*", "x" * 5000])
def test_what_names_nothing_is_not_found(client: httpx.Client, which: str) -> None:
    """Whatever it is."""
    answers = [
        client.get(f"/templates/{which}"),
        client.delete(f"/templates/{which}"),
        client.patch(f"/templates/{which}", json={}),
        client.post(f"/templates/{which}/publish"),
    ]

    assert [(404, "not_found", [])] * 4 == [error(answer) for answer in answers]


def test_nothing_made_it_crash(gateway: System) -> None:
    """After all of the above; and what was loaded is in the log, without its content."""
    log = gateway.gateway.log()
    (loaded,) = [json.loads(line) for line in log.splitlines() if '"templates.loaded"' in line]

    assert (1, ["reset"], []) == (loaded["templates"], loaded["published"], loaded["absent"])
    assert "request.crashed" not in log
    assert "canary\\r" not in log
