"""What the documents hold: fenced blocks with their marks, links, and headings."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = tuple(
    sorted(
        path
        for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md")
        for path in ROOT.glob(pattern)
        if path.name != "CHANGELOG.md"
    )
)
"""Every page that a reader may take a command from."""

_FENCE = re.compile(r"^( *)(`{3,})(.*)$")
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$")
_LINK = re.compile(r"!?\[(?:[^][]|\[[^][]*\])*\]\(([^()\s]+(?:\([^()]*\))?)(?: +\"[^\"]*\")?\)")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: what its first line says of it, and its text."""

    page: Path
    line: int
    section: int
    """Which heading of the page it stands under, counted from 0."""
    language: str
    marks: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line}"


def name(page: Path) -> str:
    """The page as people call it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The page's blocks, in order."""
    found, section, opened = [], 0, None
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if opened is not None:
            start, indent, ticks, info = opened
            if fence and len(fence[2]) >= len(ticks) and not fence[3].strip():
                body = [text.removeprefix(indent) for text in lines[start : number - 1]]
                found.append(_block(page, start, section, info, "\n".join(body)))
                opened = None
        elif fence:
            opened = (number, fence[1], fence[2], fence[3])
        elif _HEADING.match(line):
            section += 1
    assert opened is None, f"{name(page)}: a block is never closed"
    return found


def _block(page: Path, line: int, section: int, info: str, text: str) -> Block:
    """Read ``language mark mark="value"``."""
    language, *words = shlex.split(info) or [""]
    marks = {mark: value for mark, _, value in (word.partition("=") for word in words)}
    return Block(page, line, section, language, marks, text)


def prose(page: Path) -> list[str]:
    """The page's lines, those inside of blocks left empty."""
    lines, opened = [], ""
    for line in page.read_text().splitlines():
        fence = _FENCE.match(line)
        if opened:
            lines.append("")
            opened = "" if fence and len(fence[2]) >= len(opened) and not fence[3].strip() else opened
        elif fence:
            opened = fence[2]
            lines.append("")
        else:
            lines.append(line)
    return lines


def links(page: Path) -> list[tuple[int, str]]:
    """Where every link and picture of the page leads, with its line."""
    return [
        (number, target)
        for number, line in enumerate(prose(page), 1)
        for target in _LINK.findall(_CODE.sub(lambda code: "x" * len(code[0]), line))
    ]


def anchors(page: Path) -> set[str]:
    """The fragments that the page's headings can be reached by, as GitHub makes them."""
    seen: dict[str, int] = {}
    found = set()
    for line in prose(page):
        if heading := _HEADING.match(line):
            text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[2]).lower()
            slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
            times = seen.get(slug, 0)
            seen[slug] = times + 1
            found.add(f"{slug}-{times}" if times else slug)
    return found
