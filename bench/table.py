"""Results as people read them: tables on the terminal, and the same in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from bench.result import Compared, Goal, Pair, Result
from bench.spread import Spread, is_met, ratios, reached, spread, values

HEADINGS = ("", "figure", "median", "quartiles", "× reference", "quartiles")
MISSING = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one contender."""

    contender: str
    figure: str
    value: Spread | None
    ratio: Spread | None
    problems: tuple[str, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """What stands in the table."""
        if self.value is None:
            return self.contender, self.figure, "invalid", "; ".join(self.problems), "", ""
        return (
            self.contender,
            self.figure,
            *_cells(self.value, number),
            *(_cells(self.ratio, ratio) if self.ratio else ("", "")),
        )


def rows(compared: Compared) -> Iterator[Row]:
    """Give the reference first, over all of its rounds, then each contender."""
    if compared.reference is not None and compared.pairs:
        every = [one for pair in compared.pairs for one in pair.reference]
        yield from _rows(Pair(contender=compared.reference, measured=every))
    for pair in compared.pairs:
        yield from _rows(pair)


def table(compared: Compared) -> Table:
    """Give a table for the terminal."""
    shown = Table(title=compared.name, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in HEADINGS:
        shown.add_column(heading, no_wrap=True, justify="left" if heading in HEADINGS[:2] else "right")
    before = ""
    for row in rows(compared):
        cells = row.cells()
        shown.add_row(
            cells[0] if cells[0] != before else "", *cells[1:], style="red" if row.problems else None
        )
        before = cells[0]
    return shown


def goals(compared: Compared) -> Iterator[tuple[Goal, str, bool | None]]:
    """Give each goal, what it came to, and whether that is enough; None if it cannot be told."""
    for goal in compared.goals:
        value = reached(compared, goal)
        if value is None:
            yield goal, MISSING, None
        else:
            yield goal, ratio(value) if goal.against else number(value), is_met(goal, value)


def markdown(result: Result) -> str:
    """Give the scenario as a section of a Markdown page."""
    of = f"{result.rounds} rounds of {result.seconds:g} s, {result.begun:%Y-%m-%d}"
    machine = ", ".join(result.machine[name] for name in sorted(result.machine))
    lines = [f"### {result.scenario}", "", f"{of}; {machine}."]
    for compared in result.compared:
        lines += ["", f"**{compared.name}**", "", *_lines(HEADINGS, [row.cells() for row in rows(compared)])]
        told = [(goal.contender, goal.words(), value, verdict(met)) for goal, value, met in goals(compared)]
        lines += [
            f"\nNot counted: {pair.contender}: {problem}."
            for pair in compared.pairs
            for problem in pair.problems()
        ]
        if told:
            lines += ["", *_lines(("", "goal", "came to", ""), told)]
    return "\n".join(lines) + "\n"


def verdict(met: bool | None) -> str:  # noqa: FBT001 - the one thing that it is about
    """Say whether a goal is met."""
    return {True: "met", False: "missed", None: "not measured"}[met]


def number(value: float) -> str:
    """Three digits that matter, with thousands apart."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def ratio(value: float) -> str:
    """A multiple."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _rows(pair: Pair) -> Iterator[Row]:
    problems = tuple(pair.problems())
    for figure in pair.figures() or [MISSING]:
        yield Row(
            pair.contender,
            figure,
            spread(values(pair.measured, figure)),
            spread(ratios(pair, figure)),
            problems,
        )


def _cells(value: Spread, write: Callable[[float], str]) -> tuple[str, str]:
    return write(value.median), f"{write(value.low)} – {write(value.high)}"


def _lines(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(headings)} |",
        f"|{'---|' * len(headings)}",
        *(f"| {' | '.join(row)} |" for row in cells),
    ]
