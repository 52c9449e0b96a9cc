"""The Secrets that come with the overlays: an example nobody can start with, and one that fits together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.k8s.processes import processes
from tests.k8s.rendering import MANIFESTS, ROOT, TRIALS, example_secrets, render

COMMANDS = {
    "gateway": [sys.executable, "-m", "services.gateway"],
    "mailer": [str(Path(sys.executable).parent / "celery"), "-A", "services.mailer.worker", "worker"],
}


@pytest.mark.parametrize("service", COMMANDS)
def test_no_service_starts_on_the_example(service: str, tmp_path: Path) -> None:
    """As it is; and it names every value that has to be replaced."""
    (secret,) = [one for one in example_secrets() if one["metadata"]["name"] == f"{service}-secrets"]
    for name, text in secret["stringData"].items():
        (tmp_path / name).write_text(text)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PILLARBOX_")}
    result = subprocess.run(
        COMMANDS[service],
        cwd=ROOT,
        env=clean | {"PILLARBOX_SECRETS_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert result.returncode != 0
    assert sorted(secret["stringData"]) == [
        line.partition(":")[0] for line in result.stderr.splitlines() if line.endswith("of the example")
    ]


def test_passwords_of_the_development_overlay_agree(scratch: Path) -> None:
    """Of services, broker and databases."""
    folder = MANIFESTS / "overlays" / "dev" / "secrets"
    users = json.loads((folder / "rabbitmq-users.json").read_text())
    broker = {user["name"]: user["password"] for user in users}
    databases = dict(line.split("=", 1) for line in (folder / "postgres.env").read_text().split())
    management = urlsplit((folder / "keda.env").read_text().strip().removeprefix("host="))

    assert broker[management.username or ""] == management.password
    for process in processes(render(TRIALS[0], scratch)):
        for name, text in process.files.items():
            url = urlsplit(text)
            known = {"amqp": broker, "postgresql": databases}.get(url.scheme, {})
            if name.endswith("_URL"):
                assert known[url.username or ""] == url.password
                assert url.hostname in {"rabbitmq", "postgres"}


def test_the_services_of_the_development_overlay_know_each_others_seals(scratch: Path) -> None:
    """Or neither would believe the other."""
    keys = [
        process.files["PILLARBOX_SEAL_KEYS"]
        for process in processes(render(TRIALS[0], scratch))
        if "PILLARBOX_SEAL_KEYS" in process.files
    ]

    assert len(keys) >= 3
    assert 1 == len(set(keys))


def test_both_services_are_told_to_have_seals_in_production() -> None:
    """The example of their secrets does so."""
    told = {
        one["metadata"]["name"] for one in example_secrets() if "PILLARBOX_SEAL_KEYS" in one["stringData"]
    }

    assert {"gateway-secrets", "mailer-secrets"} == told


def test_users_of_the_broker_are_no_administrators() -> None:
    """One may look at its numbers."""
    path = MANIFESTS / "overlays" / "dev" / "secrets" / "rabbitmq-users.json"
    tags = {user["name"]: user["tags"] for user in json.loads(path.read_text())}

    assert {"gateway": [], "mailer": [], "watcher": ["monitoring"]} == tags
