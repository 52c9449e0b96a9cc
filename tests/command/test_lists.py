"""What the command line keeps on a gateway: suppressions, keys, templates, and mail to many."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.command.conftest import API_KEY, Type
from tests.command.typing import typed
from tests.flow.system import BIN, ROOT, System, until
from tests.servers.server import free_port

SOURCES = {
    "welcome.subject.txt": "Welcome, {{ NAME }}\n",
    "welcome.html": "<p>Dear {{ NAME }}, {{ POINTS }}</p>",
    "welcome.json": json.dumps(
        {
            "from": "Shop <shop@example.com>",
            "variables": [{"key": "POINTS", "type": "number", "fallback_value": 0}],
        }
    ),
}


def written(folder: Path, **changed: str) -> Path:
    """A folder of templates."""
    folder.mkdir(exist_ok=True)
    for name, text in {**SOURCES, **changed}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def template(system: System, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The alias of a template that is published."""
    place = {"PILLARBOX_URL": f"http://127.0.0.1:{system.port}", "PILLARBOX_API_KEY": system.key}
    pushed = typed("templates", "push", str(written(tmp_path_factory.mktemp("sources"))), **place)
    assert pushed.status == 0, pushed.err
    return "welcome"


def test_addresses_are_suppressed_and_let_go(pillarbox: Type) -> None:
    """Named, or one a line; what was not suppressed is said."""
    added = pillarbox(
        "suppress", "add", "a@suppressed.example", "--file", "-", stdin="b@suppressed.example\n\n"
    )
    listed = [
        each["email"] for each in pillarbox("suppress", "list", "--origin", "manual", "--json").objects()
    ]
    removed = [
        pillarbox("suppress", "remove", "A@suppressed.example", *more)
        for more in ((), ("b@suppressed.example",))
    ]

    assert (0, "2 suppressed\n") == (added.status, added.out)
    assert {"a@suppressed.example", "b@suppressed.example"} <= set(listed)
    assert [0, 1] == [ended.status for ended in removed]


def test_a_key_is_made_used_and_revoked(pillarbox: Type) -> None:
    """The key alone stands on the standard output."""
    made = pillarbox("keys", "create", "ci", "--permission", "read_access", "--domain", "example.com")
    key = made.out.strip()
    used = pillarbox("list", PILLARBOX_API_KEY=key)
    may_not = pillarbox("suppress", "add", "x@example.org", PILLARBOX_API_KEY=key)
    (entry,) = [each for each in pillarbox("keys", "list", "--json").objects() if each["name"] == "ci"]
    revoked = [pillarbox("keys", "revoke", entry["id"]).status for _ in range(2)]

    assert (0, 5, [0, 1]) == (used.status, may_not.status, revoked)
    assert ("read_access", ["example.com"]) == (entry["permission"], entry["domains"])
    assert 5 == pillarbox("list", PILLARBOX_API_KEY=key).status


def test_templates_are_pushed_once(pillarbox: Type, template: str, tmp_path: Path) -> None:
    """What is the same stays as it is; a draft does not count before it is published."""
    folder = written(tmp_path / "sources")
    same = pillarbox("templates", "push", str(folder))
    written(folder, **{"welcome.subject.txt": "Hello, {{ NAME }}"})
    done = [
        pillarbox("templates", "push", *options, str(folder)).out
        for options in (["--dry-run"], ["--draft"], [])
    ]
    written(folder)

    assert f"{template}\tunchanged\n" == same.out
    assert [f"{template}\t{word}\n" for word in ("would be pushed", "draft", "published")] == done
    assert f"{template}\tpublished\n" == pillarbox("templates", "push", str(folder)).out


def test_templates_are_pulled_as_they_were_pushed(pillarbox: Type, template: str, tmp_path: Path) -> None:
    """And a file that differs is not overwritten without a word."""
    pulled = pillarbox("templates", "pull", str(tmp_path))
    again = pillarbox("templates", "push", str(tmp_path), "--only", template)
    (tmp_path / "welcome.html").write_text("mine")
    refused = pillarbox("templates", "pull", str(tmp_path))
    forced = pillarbox("templates", "pull", str(tmp_path), "--force")

    assert (0, f"{template}\tunchanged\n") == (pulled.status, again.out)
    assert (1, 0) == (refused.status, forced.status)
    assert SOURCES["welcome.html"] == (tmp_path / "welcome.html").read_text()


def test_a_template_is_tried_without_sending(pillarbox: Type, template: str) -> None:
    """A part of it, or all; a variable that is missing is named."""
    shown = pillarbox("templates", "preview", template, "--var", "NAME=Ann <b>", "--part", "html")
    missing = pillarbox("templates", "preview", template)

    assert "<p>Dear Ann &lt;b&gt;, 0</p>\n" == shown.out
    assert (3, True) == (missing.status, "/variables/NAME" in missing.err)


@pytest.mark.parametrize("content", ["{", "[]", '{"alias": "x"}'])
def test_files_that_are_no_templates_are_named(tmp_path: Path, content: str) -> None:
    """Before anybody is asked."""
    ended = typed("templates", "push", str(written(tmp_path, **{"welcome.json": content})))

    assert (2, True) == (ended.status, f"{tmp_path}/welcome.json: " in ended.err)


def test_everybody_in_a_file_gets_one_message(
    pillarbox: Type, system: System, template: str, tmp_path: Path
) -> None:
    """Bad rows are named by their lines, and stop nobody; a second time nothing is sent."""
    people = tmp_path / "people.csv"
    rows = [
        "ann@import.example,Ann,3",
        "nonsense,Bob,",
        ",Cem,",
        "ANN@import.example,again,",
        "eve@import.example,,",
    ]
    people.write_text(
        "\n".join(["email,NAME,POINTS", *rows, 'dan@import.example,"Dan\nD.",', "fay@import.example,Fay,x"])
    )
    command = (
        "import",
        str(people),
        "--template",
        template,
        "--batch",
        "2",
        "--tag",
        "campaign=test",
        "--json",
    )
    *bad, first = pillarbox(*command).objects()
    second = pillarbox(*command).objects()[-1]
    sent = pillarbox("list", "--tag", "campaign:test", "--json").objects()
    report = list(csv.DictReader(Path(first["report"]).read_text().splitlines()))

    assert {4: "email is empty", 5: "the same address as line 2", 9: "POINTS must be a number"}.items() <= (
        complaints := {each["line"]: each["reason"] for each in bad}
    ).items()
    assert complaints[3].startswith("/to: must look like")
    assert complaints[6].startswith("/template/variables/NAME: ")
    assert (2, 4, 1) == (first["accepted"], first["refused"], first["repeated"])
    assert (2, True) == (second["accepted earlier"], "accepted" not in second)
    assert {"ann@import.example", "dan@import.example"} == {each["to"][0] for each in sent}
    assert {"bulk"} == {each["priority"] for each in sent}
    assert 7 == len(report)
    assert 3 == system.email(sent[-1]["id"])["template"]["variables"]["POINTS"]


def test_ndjson_brings_values_of_any_type(
    pillarbox: Type, system: System, template: str, tmp_path: Path
) -> None:
    """And lines that are none of it are named."""
    people = tmp_path / "people.ndjson"
    good = {"to": "ned@import.example", "NAME": "Ned", "POINTS": 7}
    people.write_text("\n".join([json.dumps(good), "{", "[]", "", '{"NAME": "x"}']))
    ended = pillarbox("import", str(people), "--template", template, "--column", "to", "--json")
    *bad, summary = ended.objects()
    (sent,) = pillarbox("list", "--to", "ned@import.example", "--json").objects()

    assert (1, [2, 3, 5]) == (ended.status, [each["line"] for each in bad])
    assert (1, 3) == (summary["accepted"], summary["refused"])
    assert {"NAME": "Ned", "POINTS": 7} == system.email(sent["id"])["template"]["variables"]


def test_an_import_that_is_killed_goes_on(
    pillarbox: Type, system: System, template: str, tmp_path: Path
) -> None:
    """Whatever the gateway had accepted by then: everybody gets one message in the end."""
    people = tmp_path / "many.csv"
    people.write_text("email,NAME\n" + "".join(f"user{i}@killed.example,User {i}\n" for i in range(600)))
    command = [str(BIN / "pillarbox"), "import", str(people), "--template", template, "--batch", "20"]
    place = {"PILLARBOX_URL": f"http://127.0.0.1:{system.port}", "PILLARBOX_API_KEY": system.key}
    journal = tmp_path / f"many.csv.{template}.journal"
    with subprocess.Popen(
        [*command, "--tag", "run=killed"], env={**os.environ, **place}, cwd=ROOT
    ) as running:
        until(
            lambda: journal.exists() and journal.read_bytes().count(b'{"accepted"') >= 2, 30, "some batches"
        )
        running.send_signal(signal.SIGKILL)
    before = journal.read_bytes().count(b'{"accepted"')
    with journal.open("ab") as torn:
        torn.write(b'{"accepted":{"import')
    summary = pillarbox(*command[1:], "--tag", "run=killed", "--json").object()
    again = pillarbox(*command[1:], "--tag", "run=killed", "--json").object()
    recipients = [
        each["to"][0] for each in pillarbox("list", "--tag", "run:killed", "--all", "--json").objects()
    ]

    assert before * 20 < 600
    assert 600 == summary["accepted"] + summary["accepted earlier"]
    assert before * 20 <= summary["accepted earlier"]
    assert (600, False) == (again["accepted earlier"], "accepted" in again)
    assert (600, 600) == (len(recipients), len(set(recipients)))


def test_a_file_that_cannot_be_imported_is_named(pillarbox: Type, template: str, tmp_path: Path) -> None:
    """With what is wrong, before anything is sent."""
    (tmp_path / "a.csv").write_text("name,address\nAnn,ann@example.org\n")
    (tmp_path / "b.csv").write_bytes(b"email\n\xff\xfe\n")
    (tmp_path / "c.csv").write_text("email,a,a\n")
    complaints = {
        "a.csv": "no column 'email'",
        "b.csv": "is not UTF-8",
        "c.csv": "same name",
        "d.csv": "No such file",
    }
    ended = {name: pillarbox("import", str(tmp_path / name), "--template", template) for name in complaints}
    nothing = pillarbox("import", str(tmp_path / "a.csv"), "--template", "missing")

    assert {2} == {each.status for each in ended.values()}
    assert complaints == {name: text for name, text in complaints.items() if text in ended[name].err}
    assert (3, True) == (nothing.status, "no template 'missing'" in nothing.err)


def test_a_healthy_system_is_healthy(
    system: System, pillarbox: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From afar, at the gateway and at the mailer; the provider takes the key, and nothing is sent."""
    for name, value in system.mailers[0].environment.items():
        monkeypatch.setenv(name, value)
    settings = {name: value for name, value in system.mailers[0].environment.items() if "PILLARBOX_" in name}
    ended = pillarbox("doctor", "--json", **settings)
    findings = ended.objects()

    assert (0, set()) == (ended.status, {each["found"] for each in findings if each["status"] != "ok"})
    assert {"from afar", "gateway", "mailer"} == {each["service"] for each in findings}
    assert {
        "gateway",
        "ledger",
        "broker",
        "clock",
        "version",
        "API key",
        "schema",
        "claims",
        "account sendgrid",
    } <= {each["check"] for each in findings}
    assert system.key not in ended.out
    assert API_KEY not in ended.out


def test_from_afar_what_is_wrong_comes_with_advice(pillarbox: Type) -> None:
    """A key that is none, a gateway that is none."""
    wrong_key = pillarbox("doctor", "--remote", PILLARBOX_API_KEY="pb_wrong")
    nobody = typed("doctor", "--remote", "--url", f"http://127.0.0.1:{free_port()}", "--json").object()

    assert 1 == wrong_key.status
    assert "failed   from afar · API key: 403 invalid_api_key" in wrong_key.out
    assert ("failed", True) == (nobody["status"], "PILLARBOX_URL" in nobody["advice"])
