"""A shell and a Python that live as long as a page: what one block sets, the next one finds."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.flow.system import BIN
from tests.servers.proc import is_alive, send

LONGEST_SECONDS = 120
"""How long a command may take, or one in the background until it has said what the page shows."""

_READER = Path(__file__).with_name("python_reader.py")
_END = re.compile(rb"\n<end of command (\d+)>\n")


class Shell:
    """One bash, and what it left running in the background."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._logs = 0
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._say("shopt -s expand_aliases\n")

    def run(self, command: str) -> tuple[int, str]:
        """Run a command to its end; its exit status and all that it said."""
        script = self._written(command)
        self._say(f". {script} </dev/null\nprintf '\\n<end of command %d>\\n' $?\n")
        return self._answer()

    def start(self, command: str) -> Background:
        """Run a command beside everything else, in a process group of its own."""
        script = self._written(command)
        log = script.with_suffix(".log")
        self._say(f"set -m; (. {script}) >{log} 2>&1 </dev/null & printf '\\n%d\\n' $!; set +m\n")
        self._say("printf '\\n<end of command %d>\\n' $?\n")
        _, output = self._answer()
        return Background(int(output), log)

    def close(self) -> None:
        """End the shell itself."""
        assert self._bash.stdin is not None
        self._bash.stdin.close()
        self._bash.wait(10)
        assert self._bash.stdout is not None
        self._bash.stdout.close()

    def _written(self, command: str) -> Path:
        self._logs += 1
        script = self._folder / f".command-{self._logs}.sh"
        script.write_text(command + "\n")
        return script

    def _say(self, text: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(text.encode())
        self._bash.stdin.flush()

    def _answer(self) -> tuple[int, str]:
        assert self._bash.stdout is not None
        said, deadline = b"", time.monotonic() + LONGEST_SECONDS
        while (end := _END.search(said)) is None:
            ready, _, _ = select.select([self._bash.stdout], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(self._bash.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"no end after {LONGEST_SECONDS} s, or the shell is gone:\n{said.decode()}"
            said += chunk
        return int(end[1]), said[: end.start()].decode(errors="replace")


class Background:
    """A command that keeps running."""

    def __init__(self, pid: int, log: Path) -> None:
        self._pid, self._log = pid, log

    @property
    def output(self) -> str:
        """All that it has said so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stop(self, patience: float = 45) -> None:
        """End it as Ctrl-C would, and wait until nobody of its group is left."""
        deadline = time.monotonic() + patience
        send(self._members(), signal.SIGTERM)
        while members := self._members():
            if time.monotonic() > deadline:
                send(members, signal.SIGKILL)
            time.sleep(0.05)

    def _members(self) -> list[int]:
        return [pid for pid in processes() if is_alive(pid) and group_of(pid) == self._pid]


def processes() -> list[int]:
    """Everybody's ids."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def group_of(pid: int) -> int:
    """The process group of a process; 0 if there is no such process any more."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def folder_of(pid: int) -> Path:
    """Where a process works; nowhere if there is no such process any more."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return Path()


class Python:
    """One interpreter with one namespace."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [str(BIN / "python"), str(_READER)],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
        )

    def run(self, code: str, name: str, given: dict[str, str]) -> tuple[int, str]:
        """Run a block; 0 or 1, and what it printed, a traceback included."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"code": code, "name": name, "given": given}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer["status"], answer["output"]

    def close(self) -> None:
        """End it."""
        self._process.communicate()
