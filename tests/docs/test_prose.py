"""Whether the documents speak of the project, and of nothing that its readers do not have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT, name, prose

ELSEWHERE = {
    "a path of somebody's machine": re.compile(r"(?<![\w.<-])/(?:home|root|work|Users|tmp/\w+_)/?\w*"),
    "a list of tasks that readers cannot see": re.compile(r"\b(?:issue|ticket) #?\d+\b", re.IGNORECASE),
    "work that is not done": re.compile(r"\b(?:TODO|FIXME|TBD|XXX)\b|\bcoming soon\b", re.IGNORECASE),
    "whoever wrote it, or with what": re.compile(
        r"\b(?:claude|chatgpt|copilot|gpt-\d|llm|language model|as an ai|this session)\b", re.IGNORECASE
    ),
}


def strays(page: Path) -> list[str]:
    """Lines of a page that speak of something else, with what it is."""
    return [
        f"{name(page)}:{number}: {what}: {found[0]}"
        for number, line in enumerate(page.read_text().splitlines(), 1)
        for what, pattern in ELSEWHERE.items()
        if (found := pattern.search(line))
    ]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name)
def test_the_project_speaks_of_itself_only(page: Path) -> None:
    """Of what it does and why, in words that stand for themselves."""
    assert [] == strays(page)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_has_one_title(page: Path) -> None:
    """In its first line."""
    lines = prose(page)

    assert lines[0].startswith("# ")
    assert 1 == sum(line.startswith("# ") for line in lines)
