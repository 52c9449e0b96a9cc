"""A reader: types what a page says, in order, and looks whether it happens.

The first line of a block may say more than its language:

- ``background``: the command keeps running to the end of the page, ``background=section`` to the next
  heading; it has to say what the page shows.
- ``not-run="why"``: nobody can run it here; its syntax, paths, targets and packages are looked at all the
  same.
- ``title=name``: a file of that name with this text.
- ``fails``: every command of the block ends with an error, or the Python raises.
- ``output=sample``: what it answers depends on data that the reader has and we have not.
- ``output`` on a block of text: what the Python before it prints.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.commands import Command, commands, missing_line
from tests.docs.markdown import ROOT, Block
from tests.docs.shell import LONGEST_SECONDS, Background, Python, Shell, folder_of, processes
from tests.flow.system import BIN
from tests.servers.server import free_port

PORTS = ("8080", "9025", "9026", "6379", "9000")
"""Ports that pages speak of: the gateway's, two fake providers', Redis', and a server of the reader's own."""

PRINTED_KEY = re.compile(r"^API key: +(\S+)$", re.MULTILINE)


@dataclass(slots=True)
class Reader:
    """Somebody with a clone, a shell, an interpreter and perhaps a Pillarbox that runs already."""

    folder: Path
    ports: dict[str, str] = field(default_factory=lambda: {port: str(free_port()) for port in PORTS})
    running: list[tuple[Background, int | None]] = field(default_factory=list)
    """What runs in the background, and the section that it ends with."""
    printed: str = ""
    key: str = ""
    """The API key that ``make run`` has printed."""
    _shell: Shell = field(init=False)
    _python: Python = field(init=False)

    def __post_init__(self) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PILLARBOX_")},
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONWARNINGS": "ignore",
            "PYTHONUNBUFFERED": "1",
            "PILLARBOX_LOG_FORMAT": "columns",
            "PILLARBOX_PORT": self.ports["8080"],
            "PORT": self.ports["8080"],
            **({"KEY": self.key} if self.key else {}),
        }
        self._shell = Shell(self.folder, environment)
        self._python = Python(self.folder, environment)

    @staticmethod
    def ports_beside(home: Reader) -> dict[str, str]:
        """The gateway of somebody else, and ports of one's own for everything else."""
        return {port: home.ports[port] if port == "8080" else str(free_port()) for port in PORTS}

    def close(self) -> None:
        """Leave nothing running."""
        self._end(None)
        self._shell.close()
        self._python.close()
        left = [pid for pid in processes() if folder_of(pid).is_relative_to(self.folder)]
        assert [] == left, "a page leaves processes behind"

    def follow(self, block: Block) -> None:
        """Do what the block says."""
        self._end(block.section)
        if "not-run" in block.marks:
            return
        text = self._here(block.text)
        if "title" in block.marks:
            path = self.folder / block.marks["title"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        elif block.language == "console":
            self._type(block, text)
        elif block.language in {"sh", "bash"}:
            self._expect(block, Command(text), *self._shell.run(text))
        elif block.language == "python":
            status, self.printed = self._python.run(text, str(block), {"KEY": self.key})
            assert status == int("fails" in block.marks), f"{block}\n{self.printed}"
        elif "output" in block.marks:
            missing = missing_line(text.splitlines(), self.printed)
            assert missing is None, f"{block} prints no {missing!r}, but\n{self.printed}"

    def _type(self, block: Block, text: str) -> None:
        for command in commands(text):
            if command.stands_for:
                assert command.stands_for == "KEY", f"{block}: nobody knows {command.stands_for}"
                self._shell.run(f"KEY={self.key}")
            elif "background" in block.marks:
                self._leave_running(block, command)
            else:
                self._expect(block, command, *self._shell.run(command.text))

    def _expect(self, block: Block, command: Command, status: int, output: str) -> None:
        said = f"{block}: status {status}\n{command.text}\n{output}"
        assert ("fails" in block.marks) == (status != 0), said
        if block.marks.get("output") != "sample":
            missing = missing_line(command.output, output)
            assert missing is None, f"{block}\n{command.text}\nsays no {missing!r}, but\n{output}"

    def _leave_running(self, block: Block, command: Command) -> None:
        background = self._shell.start(command.text)
        ends = block.section if block.marks["background"] == "section" else None
        self.running.append((background, ends))
        deadline = time.monotonic() + LONGEST_SECONDS
        while (missing := missing_line(command.output, background.output)) is not None:
            said = f"{block}\n{command.text}\nsays no {missing!r}, but\n{background.output}"
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        if printed := PRINTED_KEY.search(background.output):
            self.key = printed[1]
            self._shell.run(f"KEY={self.key}")

    def _end(self, section: int | None) -> None:
        """End what runs until the section before this one; all of it if None."""
        ended = [one for one in self.running if section is None or one[1] not in {None, section}]
        self.running = [one for one in self.running if one not in ended]
        for background, _ in reversed(ended):
            background.stop()

    def _here(self, text: str) -> str:
        """The text with the ports of this machine in place of those that everybody has."""
        for port, here in self.ports.items():
            text = re.sub(rf"(?<=[:= ]){port}(?!\d)", here, text)
        return re.sub(r"(python -m tests\.fakes \w+)", rf"\1 --port {self.ports['9025']}", text)


def clone(folder: Path) -> Path:
    """A copy of the tree, in which a page may do what it likes; the environment is the tests' own."""
    left_out = shutil.ignore_patterns(".git", ".venv", "var", "node_modules", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=left_out, symlinks=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder
