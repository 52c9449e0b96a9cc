"""Puts the last figures of every scenario into ``docs/performance.md``, between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.result import ROOT, Result
from bench.table import markdown

PAGE = ROOT / "docs" / "performance.md"
PICTURES = ROOT / "docs" / "performance"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def write(results: Sequence[Result], page: Path = PAGE, pictures: Path = PICTURES) -> None:
    """Replace what stands between the marks.

    Raises:
        ValueError: The page lacks one of them.
    """
    before, _, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{page} lacks {BEGIN} or {END}")
    sections = [f"{markdown(result)}{_picture(result, pictures)}" for result in results]
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(sections) + f"\n{END}{after}")


def _picture(result: Result, pictures: Path) -> str:
    name = f"{result.scenario}.svg"
    if not (pictures / name).exists():
        return ""
    return f"\n![{result.scenario}, as multiples of the reference]({pictures.name}/{name})\n"
