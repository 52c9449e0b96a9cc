"""What whoever watches a run sees: a few live lines, and a table at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tests.torture.fleet import Fleet
from tests.torture.nemesis import Nemesis
from tests.torture.stage import Stage


class Progress:
    """Drawn anew whenever it is looked at."""

    def __init__(self, stage: Stage, fleet: Fleet, nemesis: Nemesis, console: Console) -> None:
        self._console = console
        self._stage, self._fleet, self._nemesis = stage, fleet, nemesis
        self._begun = time.monotonic()
        self.phase = "starting"

    def enter(self, phase: str) -> None:
        """Begin another part of the run; without a terminal that is all there is to see, so it is printed."""
        self.phase = phase
        if not self._console.is_terminal:
            happened, seconds = sum(self._nemesis.counts.values()), time.monotonic() - self._begun
            told = f"{seconds:6.0f} s  {phase}: {self._fleet.accepted} accepted, {happened} faults"
            self._console.print(told, highlight=False)

    def __rich__(self) -> RenderableType:
        plan, fleet = self._stage.plan, self._fleet
        taken = sum(len(fake.record) for fake in self._stage.fakes.values())
        requests = sum(len(fake.requests) for fake in self._stage.fakes.values())
        fell = sum(len(one.fell) for one in self._stage.parties)
        counts = self._nemesis.counts
        grid = Table.grid(padding=(0, 2))
        grid.add_row("", Text(f"{time.monotonic() - self._begun:6.0f} s  {self.phase}", style="bold"))
        grid.add_row("asked", ProgressBar(total=plan.messages, completed=len(fleet.orders), width=40))
        grid.add_row("", f"{fleet.accepted} accepted, {fleet.waiting} callers wait")
        grid.add_row("providers", f"{taken} taken, {requests} requests")
        grid.add_row(
            "faults", f"{sum(counts.values())} of {len(counts)} kinds; {fell} processes died of them"
        )
        grid.add_row("now", Text(", ".join(sorted(self._nemesis.underway)) or "calm", style="red"))
        return grid


def live(progress: Progress, console: Console) -> Live:
    """Show it twice a second, where there is a terminal."""
    return Live(progress, console=console, refresh_per_second=2, transient=True)


def verdict(console: Console, broken: Mapping[str, list[str]], facts: Mapping[str, object]) -> None:
    """Print what holds and what does not, and what was measured."""
    table = Table("invariant", "", "where it is broken")
    for name, where in broken.items():
        mark = Text("holds", style="green") if not where else Text(f"broken {len(where)} x", style="bold red")
        table.add_row(name, mark, Text("\n".join(where[:5])))
    measured = Table("measured", "")
    for name, value in facts.items():
        measured.add_row(name, str(value))
    console.print(Group(table, measured))
