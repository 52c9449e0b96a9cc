"""The component rabbitmq gives its users the rights that ``deploy/rabbitmq/setup.sh`` gives them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.k8s.rendering import MANIFESTS, ROOT, TRIALS, render
from tests.k8s.workloads import pod_of

RIGHTS: dict[str, list[dict[str, Any]]] = json.loads(
    (MANIFESTS / "components" / "rabbitmq" / "rights.json").read_text()
)
ACTIONS = ("configure", "write", "read")
WATCHER = {"user": "watcher", "vhost": "pillarbox", **dict.fromkeys(ACTIONS, "^$")}


def calls(folder: Path) -> list[list[str]]:
    """What the script asks of ``rabbitmqctl``, without its options."""
    stub, log = folder / "rabbitmqctl", folder / "log"
    stub.write_text(f"#!/bin/sh\n{{ printf '%s\\t' \"$@\"; echo; }} >> {log}\n")
    stub.chmod(0o755)
    passwords = {"GATEWAY_PASSWORD": "0123456789abcdef0", "MAILER_PASSWORD": "0123456789abcdef1"}
    subprocess.run(
        [ROOT / "deploy" / "rabbitmq" / "setup.sh"],
        env=os.environ | passwords | {"RABBITMQCTL": str(stub)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return [line.removeprefix("--quiet\t").split("\t")[:-1] for line in log.read_text().splitlines()]


def test_rights_are_the_scripts(tmp_path: Path) -> None:
    """On names and on routing keys."""
    permissions, topics = [], []
    for call in calls(tmp_path):
        match call:
            case ["set_permissions", "--vhost", vhost, user, *rights]:
                permissions.append({"user": user, "vhost": vhost, **dict(zip(ACTIONS, rights, strict=True))})
            case ["set_topic_permissions", "--vhost", vhost, user, exchange, write, read]:
                topics.append(
                    {"user": user, "vhost": vhost, "exchange": exchange, "write": write, "read": read}
                )

    assert [*permissions, WATCHER] == RIGHTS["permissions"]
    assert topics == RIGHTS["topic_permissions"]
    assert [{"name": "pillarbox"}] == RIGHTS["vhosts"]


def test_the_pod_puts_one_file_together(tmp_path: Path, scratch: Path) -> None:
    """Of users and rights, as RabbitMQ reads it, with nobody who has rights and no password."""
    component = MANIFESTS / "components" / "rabbitmq"
    users = MANIFESTS / "overlays" / "dev" / "secrets" / "rabbitmq-users.json"
    (first,) = pod_of(render(TRIALS[0], scratch).one("StatefulSet", "rabbitmq"))["initContainers"]
    script = first["command"][-1]
    for path, place in (
        ("/users/users.json", users),
        ("/rights/rights.json", component / "rights.json"),
        ("/definitions/definitions.json", tmp_path / "definitions.json"),
    ):
        assert path in script
        script = script.replace(path, str(place))
    subprocess.run([*first["command"][:-1], script], check=True)
    definitions = json.loads((tmp_path / "definitions.json").read_text())

    assert {"users": json.loads(users.read_text()), **RIGHTS} == definitions
    assert {user["name"] for user in definitions["users"]} == {one["user"] for one in RIGHTS["permissions"]}
    assert "load_definitions = /definitions/definitions.json" in (component / "rabbitmq.conf").read_text()
