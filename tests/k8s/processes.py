"""What a container's process is told: its command, its environment, and the files of its secrets."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from celery.bin.worker import worker

from services.gateway import settings as gateway
from services.mailer import settings as mailer
from services.mailer.secret_files import PLACEHOLDER
from shared.signatures import MAILER_QUEUES
from tests.k8s.rendering import Document, Rendered
from tests.k8s.workloads import containers, environment, pod_of, secrets, sources

MODULES: dict[str, ModuleType] = {"gateway": gateway, "mailer": mailer}


@dataclass(frozen=True)
class Process:
    """One of our two services in a container."""

    service: str
    workload: Document
    container: Any
    environment: dict[str, str]
    files: dict[str, str]
    """Of the folder that PILLARBOX_SECRETS_DIRECTORY names."""

    @property
    def command(self) -> list[str]:
        """As it is started."""
        words: list[str] = self.container["command"]
        return words

    @property
    def options(self) -> dict[str, Any]:
        """What Celery reads in a worker's command."""
        arguments = self.command[self.command.index("worker") + 1 :]
        parser = worker.make_parser(click.Context(worker))
        options, rest, _ = parser.parse_args(arguments)
        assert not rest
        return dict(options)

    @property
    def consumes(self) -> set[str]:
        """The mailer's queues that it takes messages from."""
        included, excluded = (self.options.get(word) for word in ("queues", "exclude_queues"))
        lanes = set(included.split(",") if included else MAILER_QUEUES)
        return lanes - set(excluded.split(",") if excluded else ())

    @property
    def mounts(self) -> dict[str, Any]:
        """Volumes by the place where they are."""
        volumes = {volume["name"]: volume for volume in pod_of(self.workload).get("volumes", ())}
        return {
            mount["mountPath"]: volumes.get(mount["name"], {"persistent": True})
            for mount in self.container["volumeMounts"]
        }

    def settings(self, patch: pytest.MonkeyPatch, folder: Path) -> Any:
        """What the service makes of it all."""
        for name in [name for name in os.environ if name.startswith("PILLARBOX_")]:
            patch.delenv(name)
        folder.mkdir()
        for name, text in self.files.items():
            (folder / name).write_text(text.replace(PLACEHOLDER, "correct-horse-battery-staple-in-a-stable"))
        for name, value in self.environment.items():
            patch.setenv(name, str(folder) if name == "PILLARBOX_SECRETS_DIRECTORY" else value)
        return MODULES[self.service].load()


def processes(rendered: Rendered) -> Iterator[Process]:
    """Every process of ours that serves or migrates."""
    known = secrets(rendered)
    for workload, container in containers(rendered):
        service = container["image"].rpartition("/")[2].partition(":")[0].removeprefix("pillarbox-")
        if service not in MODULES:
            continue
        found: dict[str, str] = {}
        told = environment(rendered, container)
        volumes = {volume["name"]: volume for volume in pod_of(workload).get("volumes", ())}
        for mount in container["volumeMounts"]:
            if mount["mountPath"] == told.get("PILLARBOX_SECRETS_DIRECTORY"):
                for _, name, keys in sources(volumes[mount["name"]]):
                    found |= {key: _text(known[name][key]) for key in keys or known[name]}
        yield Process(service, workload, container, told, found)


def _text(value: str) -> str:
    """Of a Secret, whether it stands there as it is or in base64."""
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode()
    except ValueError:
        return value


def ours(rendered: Rendered, service: str) -> list[Process]:
    """The processes of a service that serve."""
    return [one for one in processes(rendered) if one.service == service and one.workload["kind"] != "Job"]
