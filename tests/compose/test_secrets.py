"""What deploy/compose/secrets.sh makes: passwords of one stack, and of no other."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.compose.stack import ROOT, STACK, file_of, make_secrets


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder, as it is after the first run."""
    make_secrets(tmp_path / "compose")
    return tmp_path / "compose"


def test_every_secret_is_made(made: Path) -> None:
    """Those that compose.yaml names, and no others."""
    named = {file_of(secret, made) for secret in STACK["secrets"]}

    assert set(made.iterdir()) == named


def test_a_second_run_changes_nothing(made: Path) -> None:
    """The databases have the passwords already."""
    before = {path.name: path.read_text() for path in made.iterdir()}

    said = make_secrets(made)

    assert "is there already" in said
    assert before == {path.name: path.read_text() for path in made.iterdir()}


def test_nobody_else_can_read_them(made: Path) -> None:
    """The folder is closed; within containers their users can read the files."""
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {0o444} == {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()}


def test_passwords_are_long_and_each_is_another(made: Path, tmp_path: Path) -> None:
    """In one stack, and from one stack to the next."""
    make_secrets(tmp_path / "another")
    single = [
        path.read_text()
        for folder in (made, tmp_path / "another")
        for path in folder.iterdir()
        if path.name.endswith(("password", "key"))
    ]
    users = json.loads((made / "rabbitmq_definitions").read_text())["users"]
    passwords = [*single, *(user["password"] for user in users)]

    assert len(passwords) == len(set(passwords))
    assert all(len(password) == 48 for password in passwords)


def test_urls_have_the_passwords_that_the_servers_know(made: Path) -> None:
    """Broker and databases let the services in."""
    users = json.loads((made / "rabbitmq_definitions").read_text())["users"]
    known = {("rabbitmq", user["name"]): user["password"] for user in users}
    for user in ("gateway", "mailer"):
        known["postgres", user] = (made / f"postgres_{user}_password").read_text()
    urls = [urlsplit(path.read_text()) for path in made.iterdir() if path.name.endswith("_url")]

    assert len(urls) == 4
    assert [] == [url for url in urls if known[url.hostname or "", url.username or ""] != url.password]


def test_broker_users_have_the_rights_of_the_manifests(made: Path) -> None:
    """Which are those of deploy/rabbitmq/setup.sh, and no tag opens the management API to them."""
    definitions = json.loads((made / "rabbitmq_definitions").read_text())
    rights = json.loads((ROOT / "deploy/k8s/components/rabbitmq/rights.json").read_text())

    assert rights == {key: value for key, value in definitions.items() if key != "users"}
    assert all(user["tags"] == [] for user in definitions["users"])
    assert {user["name"] for user in definitions["users"]} == {one["user"] for one in rights["permissions"]}
