"""Typing a command: what it says, and how it ends."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass
from typing import Any
from unittest import mock

from pillarbox.cli import cli
from pillarbox.failures import exit_status


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str

    def objects(self) -> list[dict[str, Any]]:
        """What was said to a program."""
        return [json.loads(line) for line in self.out.splitlines()]

    def object(self) -> dict[str, Any]:
        """The one thing that was said to a program."""
        (told,) = self.objects()
        return told


def typed(*arguments: str, stdin: str = "", **environment: str) -> Ended:
    """Do what the console script does, in this process, where nobody sits at a terminal."""
    streams = [io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8") for text in (stdin, "", "")]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PILLARBOX_")}
    with (
        mock.patch.dict(os.environ, {**clean, "PILLARBOX_CONFIG": "/nonexistent", **environment}, clear=True),
        mock.patch.multiple(sys, stdin=streams[0], stdout=streams[1], stderr=streams[2]),
    ):
        status = exit_status(lambda: cli.main(list(arguments), "pillarbox", standalone_mode=False))
    out, err = (_said(stream) for stream in streams[1:])
    return Ended(status, out, err)


def _said(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
