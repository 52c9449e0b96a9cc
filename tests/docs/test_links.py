"""Whether every link of the documents leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT, anchors, links, name, prose

EVERY_PAGE = (*PAGES, ROOT / "CHANGELOG.md")


def broken(page: Path) -> list[str]:
    """The page's links within the tree that lead nowhere, with what is missing."""
    found = []
    for line, target in links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, fragment = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.is_relative_to(ROOT) or not there.exists():
            found.append(f"{name(page)}:{line}: no {path}")
        elif fragment and there.suffix == ".md" and fragment not in anchors(there):
            found.append(f"{name(page)}:{line}: no #{fragment} in {name(there)}")
    return found


@pytest.mark.parametrize("page", EVERY_PAGE, ids=name)
def test_no_relative_link_is_broken(page: Path) -> None:
    """Files, folders, pictures and headings are there."""
    assert [] == broken(page)


def test_every_page_of_docs_is_reached_from_the_index() -> None:
    """In one step, but for decisions, whose folder is named."""
    index = ROOT / "docs" / "README.md"
    reached = {(index.parent / target.partition("#")[0]).resolve() for _, target in links(index)}
    pages = {page for page in PAGES if page.is_relative_to(index.parent) and "decisions" not in page.parts}

    assert set() == {name(page) for page in pages - reached - {index}}


def test_every_picture_says_what_it_shows() -> None:
    """To those who cannot see it."""
    without = [f"{name(page)}: {line}" for page in EVERY_PAGE for line in prose(page) if "![](" in line]

    assert [] == without
