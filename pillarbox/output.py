"""What a command says on the standard output: for people, or for programs.

People get tables and colours on a terminal, and columns parted by tabs where the output goes on to
another program.  With ``--json`` there is one JSON object on each line, in the API's own words.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import Console


_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

STYLES: Final = MappingProxyType(
    {
        **dict.fromkeys(("sent", "delivered", "ok"), "green"),
        **dict.fromkeys(("failed", "bounced", "complained", "expired"), "red"),
        **dict.fromkeys(("held", "uncertain", "deferred", "suppressed", "canceled", "warning"), "yellow"),
    }
)
"""Words that stand out on a terminal, and their colours."""


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's answer goes."""

    as_json: bool = False

    def object(self, told: Mapping[str, Any], text: str) -> None:
        """Say one thing: as it is, or as *text*."""
        if self.as_json:
            self.line(told)
        else:
            click.echo(text)

    def line(self, told: Mapping[str, Any]) -> None:
        """Say one thing to a program, at once."""
        click.echo(json.dumps(told, ensure_ascii=False, separators=(",", ":")))
        sys.stdout.flush()

    def rows(self, items: Iterable[Mapping[str, Any]], columns: Sequence[str], *, nothing: str) -> None:
        """Say what a list holds; to people only the *columns*, or *nothing* if it is empty."""
        if self.as_json:
            for item in items:
                self.line(item)
            return
        cells = [[_cell(item.get(column)) for column in columns] for item in items]
        if not cells:
            click.echo(nothing, err=True)
        elif sys.stdout.isatty():
            self._table(columns, cells)
        else:
            for line in (columns, *cells):
                click.echo("\t".join(" ".join(cell.split()) for cell in line))

    def note(self, text: str) -> None:
        """Say something beside the answer, to people only."""
        if not self.as_json:
            click.echo(text, err=True)

    def _table(self, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
        from rich.table import Table  # noqa: PLC0415 - it takes a while, and scripts do without
        from rich.text import Text  # noqa: PLC0415 - likewise

        table = Table(box=None, header_style="bold", pad_edge=False)
        shown = [[_at_a_glance(cell) for cell in row] for row in cells]
        for place, column in enumerate(columns):
            # What one copies is never cut, the rest is where the terminal is narrow.
            whole = column in {"id", "status", "origin"} or column.endswith("_at")
            width = max(len(row[place]) for row in shown) if whole else None
            table.add_column(column, no_wrap=True, overflow="ellipsis", min_width=width)
        for row in shown:
            table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
        console().print(table)


def console(*, on_error: bool = False) -> Console:
    """What draws tables and progress on a terminal."""
    from rich.console import Console  # noqa: PLC0415 - as above

    return Console(stderr=on_error, highlight=False)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_cell, value))
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return visible(str(value))


def _at_a_glance(cell: str) -> str:
    """A moment in local time, to the second; anything else as it is."""
    if not _MOMENT.fullmatch(cell):
        return cell
    return f"{datetime.fromisoformat(cell).astimezone():%Y-%m-%d %H:%M:%S}"


def visible(text: str) -> str:
    """Leave out what a terminal would obey: a subject may hold anything."""
    return "".join(character for character in text if character in "\n\t" or character.isprintable())
