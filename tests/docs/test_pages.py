"""Whether a reader who types what the documents say sees what they show."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, Block, blocks, name
from tests.docs.reading import Reader, clone
from tests.servers.packages import UnavailableError, require

STARTS = re.compile(r"make (run|gateway)\b|python -m services\.gateway$", re.MULTILINE)
"""A page with this starts a gateway of its own; the others' readers have one."""


def runs_something(page: Path) -> bool:
    """Whether there is anything to do on it."""
    return any(
        block.language in {"console", "sh", "bash", "python"} and "not-run" not in block.marks
        for block in blocks(page)
    )


def starts_a_gateway(page: Path) -> bool:
    """Whether its reader needs none that runs already."""
    return any("background" in block.marks and STARTS.search(block.text) for block in blocks(page))


def require_programs(page: Path) -> None:
    """Have what a page's commands need and a minimal machine lacks; without it there is nothing to read."""
    text = "\n".join(block.text for block in blocks(page) if "not-run" not in block.marks)
    for package in ("curl", "redis-server"):
        if re.search(rf"^\$ .*{package}\b", text, re.MULTILINE):
            try:
                require(package)
            except UnavailableError as reason:
                if os.environ.get("CI") == "true":
                    raise
                pytest.skip(str(reason))


@pytest.fixture
def reader(page: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    """Somebody in a clone of their own; pages without a gateway of their own share one, and its tenant."""
    require_programs(page)
    folder = clone(tmp_path / "pillarbox")
    if starts_a_gateway(page):
        somebody = Reader(folder)
    else:
        home: Reader = request.getfixturevalue("at_home")
        (folder / "var").symlink_to(home.folder / "var")
        somebody = Reader(folder, ports=Reader.ports_beside(home), key=home.key)
    yield somebody
    somebody.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if runs_something(page)], ids=name)
def test_a_page_does_what_it_says(page: Path, reader: Reader) -> None:
    """All of its blocks, from the first to the last."""
    for block in blocks(page):
        reader.follow(block)


def test_the_readme_is_among_the_pages() -> None:
    """And has something to try."""
    there = {name(page) for page in PAGES if runs_something(page)}

    assert "README.md" in there


LANGUAGES = {"console", "sh", "bash", "python", "text", "json", "yaml", "toml", "mermaid"}
"""Those that these tests know how to run, to parse, or to leave alone."""


def unread(block: Block) -> bool:
    """Whether a block is in none of them."""
    return block.language not in LANGUAGES


def test_every_block_says_what_it_is() -> None:
    """A language that these tests know, and marks that they know."""
    marks = {"background", "not-run", "title", "fails", "output"}
    there = [block for page in PAGES for block in blocks(page)]

    assert [] == [str(block) for block in there if unread(block)]
    assert [] == [str(block) for block in there if set(block.marks) - marks]
    assert [] == [str(block) for block in there if block.marks.get("not-run", "why") == ""]
