"""The services' own commands, where the services are installed; nothing of them is imported here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Final

from pillarbox.failures import MISUSED, Failure

SERVICES: Final = ("gateway", "mailer")


def is_installed(service: str) -> bool:
    """Whether a service could be started with this Python."""
    try:
        return find_spec(f"services.{service}") is not None
    except ModuleNotFoundError:
        return False


def run(service: str, *arguments: str) -> int:
    """Run a service's command under this terminal, and return its exit status.

    Raises:
        Failure: It is not installed here.
    """
    if not is_installed(service):
        raise Failure(
            f"The {service} is not installed here, only the command line. Run this in its image or checkout: "
            f"python -m services.{service} {' '.join(arguments)}",
            MISUSED,
        )
    command = _command(service, arguments)
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own services


def told(service: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run a service's command, and give the JSON objects that it prints as they come."""
    command = _command(service, arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - likewise
        assert process.stdout is not None  # noqa: S101 - a pipe
        for line in process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                continue  # a library's own words
            yield said


def _command(service: str, arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", f"services.{service}", *arguments]
