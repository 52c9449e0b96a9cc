"""The component rabbitmq gives its users the rights that ``deploy/rabbitmq/setup.sh`` gives them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.k8s.rendering import MANIFESTS, ROOT

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
