"""What can be typed wrongly, where the gateway and its key are found, and what a shell completes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pillarbox.cli import COMMANDS
from pillarbox.place import Place, find_place
from tests.command.conftest import run
from tests.command.typing import typed
from tests.flow.system import BIN

LETTER = ("send", "--from", "a@example.com", "--to", "b@example.com", "--subject", "s")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in which nothing can be found, and no environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PILLARBOX_CONFIG", str(tmp_path / "config.toml"))
    for name in ("PILLARBOX_URL", "PILLARBOX_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("sned",), "No such command 'sned'"),
        (("send",), "Missing option '--to'"),
        ((*LETTER, "--body", "x", "--text", "f"), "--body and --text are two ways"),
        ((*LETTER, "--text", "-", "--html", "-"), "not both"),
        ((*LETTER, "--text", "missing.txt"), "missing.txt: No such file"),
        ((*LETTER, "--body", "x", "--attach", "."), ".: Is a directory"),
        ((*LETTER, "--body", "x", "--tag", "receipt"), "must look like name=value"),
        ((*LETTER, "--body", "x", "--header", "X-A=b"), "must look like name:value"),
        ((*LETTER, "--body", "x", "--var", "a=b"), "are for a --template"),
        ((*LETTER, "--body", "x", "--expires-at", "soon"), "must look like 2026-"),
        ((*LETTER, "--body", "x", "--idempotency-key", "ü"), "printable ASCII"),
        ((*LETTER, "--body", "x", "--url", "ftp://x"), "must look like https://"),
        ((*LETTER, "--body", "x", "--url", "http://user:canary@x"), "must look like https://"),
        (("list", "--since", "99999999999999w"), "too long ago"),
        (("list", "--limit", "0"), "--limit"),
        (("replay",), "Name messages by their ids"),
        (("replay", "1", "--status", "failed"), "Name messages by their ids"),
        (("replay", "--tag", "a:b"), "--status says what has become of them"),
        (("hold", "release"), "Name messages by their ids"),
        (("suppress", "add"), "Name addresses"),
        (("completion", "tcsh"), "is not one of"),
        (("templates", "push", "missing"), "missing: No such file"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], complaint: str) -> None:
    """And status 2, without a request and without a traceback."""
    ended = typed(*arguments)

    assert (2, "") == (ended.status, ended.out)
    assert complaint in ended.err
    assert "Traceback" not in ended.err
    assert "canary" not in ended.err


def test_every_command_has_help() -> None:
    """And the first list names them all."""
    shown = typed("--help").out

    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert [0] * len(COMMANDS) == [typed(name, "--help").status for name in COMMANDS]


def test_every_command_speaks_to_programs() -> None:
    """But for those that groups hold, and for what a shell reads."""
    silent = {"hold", "suppress", "templates", "keys", "completion"}

    assert {name for name in COMMANDS if "--json" not in typed(name, "--help").out} == silent


def test_the_place_is_told_configured_or_found(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In that order."""
    (nowhere / "var").mkdir()
    (nowhere / "var" / "run.json").write_text(json.dumps({"url": "http://127.0.0.1:1", "api_key": "running"}))
    (nowhere / "below").mkdir()
    monkeypatch.chdir(nowhere / "below")
    found = find_place(None, None)
    (nowhere / "config.toml").write_text('url = "https://mail.example.com/"\napi_key = "configured"\n')
    configured = find_place(None, None)
    monkeypatch.setenv("PILLARBOX_URL", "https://other.example.com")
    told = find_place(None, None)

    assert Place("http://127.0.0.1:1", "running") == found
    assert Place("https://mail.example.com", "configured") == configured
    assert Place("https://other.example.com", None) == told
    assert Place("https://mail.example.com", "configured") == find_place("https://mail.example.com", None)
    assert Place("https://x.example", "typed") == find_place("https://x.example", "typed")


def test_a_run_file_leads_nowhere_but_to_this_machine(nowhere: Path) -> None:
    """Whoever may write into a folder must not get our mail, or a key."""
    (nowhere / "var").mkdir()
    (nowhere / "var" / "run.json").write_text(json.dumps({"url": "https://evil.example", "api_key": "x"}))

    assert Place("http://127.0.0.1:8080", None) == find_place(None, None)


@pytest.mark.parametrize("content", ["url = 1", "key = 'x'", "nonsense"])
def test_a_configuration_that_cannot_be_read_is_named(nowhere: Path, content: str) -> None:
    """By its file."""
    (nowhere / "config.toml").write_text(content)
    ended = typed("list", PILLARBOX_CONFIG=str(nowhere / "config.toml"))

    assert (2, True) == (ended.status, f"{nowhere}/config.toml: " in ended.err)


def test_shells_complete_commands_and_options() -> None:
    """As bash asks for it; each shell has its script."""
    asked = {"_PILLARBOX_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    commands = run(BIN / "pillarbox", COMP_WORDS="pillarbox s", **asked).stdout.split()
    options = run(
        BIN / "pillarbox", COMP_WORDS="pillarbox keys create --perm", **{**asked, "COMP_CWORD": "3"}
    )

    assert ["plain,send", "plain,show", "plain,suppress"] == commands
    assert ["plain,--permission"] == options.stdout.split()
    assert all("_PILLARBOX_COMPLETE" in typed("completion", shell).out for shell in ("bash", "zsh", "fish"))


def test_a_reader_that_has_enough_is_no_error(nowhere: Path) -> None:
    """``pillarbox … | head -1`` says nothing more."""
    command = f"{BIN}/pillarbox completion bash | head -c 1"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=nowhere, capture_output=True, check=False
    )

    assert (0, b"") == (ended.returncode, ended.stderr)


def test_colours_are_for_terminals_that_want_them() -> None:
    """And not for those with NO_COLOR."""
    command = f"{BIN}/pillarbox list --url nonsense"
    said = [
        subprocess.run(
            ["script", "-qec", command, "/dev/null"], env=environment, capture_output=True, check=False
        )
        for environment in ({"PATH": "/bin"}, {"PATH": "/bin", "NO_COLOR": "1"})
    ]

    assert [True, False] == [b"\x1b[31mError" in ended.stdout for ended in said]
    assert [2, 2] == [ended.returncode for ended in said]
    assert "\x1b" not in typed("list", "--url", "nonsense").err
