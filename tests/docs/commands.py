"""A console block as its reader sees it: commands behind ``$``, and what each of them says."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field

_PLACEHOLDER = re.compile(r"^(\w+)=…(?:\s+#.*)?$")

# What differs from one run to the next; the page shows one of them.
_VARYING = (
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)?",
    r"\d\d:\d\d:\d\d(?:[.,]\d+)?",
    r"\d+\.\d+",
)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_ANY_OF_THEM = re.compile("|".join(f"({pattern})" for pattern in _VARYING))


@dataclass(slots=True)
class Command:
    """What is typed, over all its lines, and what the page says that it answers."""

    text: str
    output: list[str] = field(default_factory=list)

    @property
    def stands_for(self) -> str | None:
        """The variable of a line such as ``KEY=…``, whose value only the reader has."""
        found = _PLACEHOLDER.match(self.text.removeprefix("export "))
        return found[1] if found else None


def commands(text: str) -> list[Command]:
    """The commands of a console block."""
    found: list[Command] = []
    complete = True
    for line in text.splitlines():
        if not complete:
            found[-1].text += "\n" + line
            complete = is_complete(found[-1].text)
        elif line.startswith("$ "):
            found.append(Command(line[2:]))
            complete = is_complete(line[2:])
        elif found:
            found[-1].output.append(line)
        else:
            raise AssertionError(f"output stands before the first command: {line!r}")
    assert complete, f"a command has no end: {found[-1].text}"
    return found


def is_complete(command: str) -> bool:
    """Whether a shell would not ask for more."""
    if command.endswith("\\"):
        return False
    problem = syntax_error(command)
    return not any(word in problem for word in ("unexpected EOF", "unexpected end of file", "here-document"))


def syntax_error(script: str) -> str:
    """What bash finds wrong with a script without running it; empty if nothing."""
    if re.fullmatch(r"[\w./ =-]*", script):
        return ""  # plain words need no shell to look at them
    run = ["bash", "-n", "-c", script]
    return subprocess.run(run, capture_output=True, text=True, check=False).stderr


def missing_line(expected: list[str], output: str) -> str | None:
    """The first expected line that the output does not have, in this order; None if it has all.

    Blanks do not count, times and ids may be any, and ``…`` stands for whatever is there.
    Lines that the page leaves out may stand between them.
    """
    compact, place = "".join(_COLOUR.sub("", output).split()), 0
    for line in expected:
        found = _pattern(line).search(compact, place)
        if found is None:
            return line
        place = found.end()
    return None


def _pattern(line: str) -> re.Pattern[str]:
    parts = []
    for piece in re.split("(…)", line):
        if piece == "…":
            parts.append(".*?")
            continue
        place = 0
        for varying in _ANY_OF_THEM.finditer(piece):
            parts += [_literal(piece[place : varying.start()]), _compact(varying)]
            place = varying.end()
        parts.append(_literal(piece[place:]))
    return re.compile("".join(parts))


def _literal(text: str) -> str:
    return re.escape("".join(text.split()))


def _compact(varying: re.Match[str]) -> str:
    """The pattern that fitted, for text without blanks."""
    assert varying.lastindex is not None
    return _VARYING[varying.lastindex - 1].replace(" ", "")
