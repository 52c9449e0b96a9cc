"""``python -m bench run [SCENARIO …]`` measures; ``list`` names scenarios; ``report`` writes the page."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import plot, report
from bench.contest import Scenario
from bench.result import Result, machine, saved
from bench.scenarios import SCENARIOS
from bench.stage import PEERS, Stage
from bench.table import goals, table, verdict

_COLOURS = {True: "green", False: "red", None: "yellow"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 done, 1 something was invalid, 2 called wrongly or not installed."""
    options = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 110)
    match options.command:
        case "list":
            for one in SCENARIOS.values():
                console.print(f"[bold]{one.name:16}[/bold] {one.about}", highlight=False, soft_wrap=True)
            return 0
        case "report":
            report.write(saved())
            return 0
    if not PEERS.exists():
        console.print("The peers are not installed: make bench does that")
        return 2
    results = [_run(SCENARIOS[name], options, console) for name in options.scenarios or SCENARIOS]
    return 0 if all(result.valid for result in results) else 1


def _run(scenario: Scenario, options: argparse.Namespace, console: Console) -> Result:
    """Measure one scenario, on servers of its own, and show and keep what came of it."""
    result = Result(scenario=scenario.name, rounds=options.rounds, seconds=options.seconds, machine=machine())
    wanted = [one for one in scenario.comparisons if options.only in one.name]
    with _progress(console) as progress, tempfile.TemporaryDirectory(prefix="pillarbox-bench-") as folder:
        total = sum(one.measurements(options.rounds) for one in wanted)
        task = progress.add_task(f"{scenario.name}: starting", total=total)
        begun = 0

        def watch(what: str) -> None:
            nonlocal begun
            progress.update(task, description=f"{scenario.name}: {what}", completed=begun)
            begun += 1

        with Stage(Path(folder), seconds=options.seconds, scale=options.scale) as stage:
            for one in wanted:
                result.compared.append(one.run(stage, options.rounds, watch))
                if not options.only:
                    result.save()  # a long run that is broken off has not been for nothing
            progress.update(task, description=f"{scenario.name}: measured", completed=total)
    _show(result, console)
    if options.plot and (path := plot.draw(result, report.PICTURES)):
        console.print(f"Drawn as {path}", highlight=False)
    return result


def _show(result: Result, console: Console) -> None:
    console.print(", ".join(result.machine.values()), style="dim", highlight=False)
    for compared in result.compared:
        console.print(table(compared))
        for pair in compared.pairs:
            for problem in pair.problems():
                console.print(f"  {'invalid':12} {pair.contender}: {problem}", style="red", highlight=False)
        for goal, value, met in goals(compared):
            told = f"  {verdict(met):12} {goal.contender}: {goal.words()}; came to {value}"
            console.print(told, style=_COLOURS[met], highlight=False)
    if not result.valid:
        console.print("Some measurements do not count, for the reasons above", style="bold red")


def _progress(console: Console) -> Progress:
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=console, transient=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure")
    run.add_argument("scenarios", nargs="*", type=_known, metavar="SCENARIO", help="default: all")
    run.add_argument("--rounds", type=_natural, default=5, help="of each pair (default: 5)")
    run.add_argument("--seconds", type=float, default=5.0, help="of load in a round (default: 5)")
    run.add_argument("--scale", type=_natural, default=1, help="multiplies fixed amounts of work")
    run.add_argument("--only", default="", help="these comparisons, by a part of their name; not kept")
    run.add_argument("--plot", action="store_true", help="draw docs/performance/<scenario>.svg")
    commands.add_parser("list", help="name the scenarios")
    commands.add_parser("report", help="write the last figures into docs/performance.md")
    return parser


def _known(name: str) -> str:
    if name not in SCENARIOS:
        raise argparse.ArgumentTypeError(f"none of {', '.join(SCENARIOS)}")
    return name


def _natural(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
