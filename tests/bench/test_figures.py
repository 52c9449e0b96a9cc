"""The figures of ``bench/`` are what they say: medians, ratios round by round, goals, honest accounts."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Self

import pytest
from rich.console import Console

from bench import report, wrk
from bench.contest import Comparison, Contender
from bench.delivering import rate
from bench.honesty import Account
from bench.pillarbox import defaults
from bench.result import Compared, Goal, Measurement, Pair, Result, saved
from bench.scenarios import SCENARIOS
from bench.scenarios.drain import growth
from bench.spread import Spread, percentile, ratios, reached, spread
from bench.stage import Stage
from bench.table import goals, markdown, number, table
from tests.flow.system import QUICK

RATE = "messages/s"


def rounds(*rates: float, problems: tuple[str, ...] = ()) -> list[Measurement]:
    """One measurement for each rate."""
    return [Measurement(figures={RATE: one}, problems=list(problems)) for one in rates]


def pair(contender: str, ours: list[Measurement], theirs: list[Measurement]) -> Pair:
    """Rounds of a contender beside those of the reference."""
    return Pair(contender=contender, measured=ours, reference=theirs)


def compared() -> Compared:
    """Pillarbox at 0.75 and Celery at 0.1 of the reference, which ran at another speed beside each."""
    return Compared(
        name="single",
        reference="bare",
        pairs=[
            pair("Pillarbox", rounds(600, 750, 900), rounds(800, 1000, 1200)),
            pair("Celery", rounds(200, 200, 200), rounds(2000, 2000, 2000)),
        ],
        goals=[
            Goal(contender="Pillarbox", figure=RATE, at_least=0.7, against="bare"),
            Goal(contender="Pillarbox", figure=RATE, at_least=8, against="Celery"),
            Goal(contender="Pillarbox", figure=RATE, at_most=1000),
            Goal(contender="arq", figure=RATE, at_least=4),
        ],
    )


# Figures


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([3.0], Spread(3, 3, 3, 1)),
        ([5.0, 1.0, 3.0, 2.0, 4.0], Spread(3, 2, 4, 5)),
        ([1.0, 1.0, 1.0, 1.0, 99.0], Spread(1, 1, 1, 5)),
    ],
)
def test_rounds_are_summed_up_by_median_and_quartiles(values: list[float], expected: Spread | None) -> None:
    """One disturbed round of five moves nothing."""
    assert expected == spread(values)


def test_a_ratio_is_taken_round_by_round() -> None:
    """What slows both sides of a round leaves its ratio alone."""
    assert [0.5, 0.5] == ratios(pair("ours", rounds(100, 10), rounds(200, 20)), RATE)


def test_an_invalid_round_counts_on_neither_side() -> None:
    """A run with any error is no measurement."""
    bad = rounds(1000, problems=("1 × timeout",))

    assert [0.5] == ratios(pair("ours", [*rounds(100), *bad], rounds(200, 200)), RATE)
    assert [] == ratios(pair("ours", rounds(100), bad), RATE)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (0, 1)])
def test_percentiles_are_values_that_were_measured(percent: float, expected: float) -> None:
    """By nearest rank."""
    assert expected == percentile([float(n) for n in range(100, 0, -1)], percent)


def test_a_rate_leaves_out_both_ends() -> None:
    """Slow first and last tenths of the arrivals do not count."""
    slow = [n * 5.0 for n in range(10)]
    steady = [100 + n / 50 for n in range(80)]
    arrivals = [*slow, *steady, *(200 + seconds for seconds in slow)]

    assert pytest.approx(50) == rate(arrivals)
    assert 0 == rate([1.0])


def test_growth_is_seen_in_the_middle() -> None:
    """Neither starting up nor the end are growth."""
    assert 3 == growth([(0, 50), (10, 80), (50, 82), (90, 83), (100, 20)], 100)


# Goals


def test_contenders_are_compared_by_way_of_their_reference() -> None:
    """Each by its own rounds of it, for the machine may have changed between them."""
    told = [(value, met) for _, value, met in goals(compared())]

    assert [("0.75", True), ("7.50", False), ("750", True), ("–", None)] == told


def test_a_goal_with_two_bounds_is_missed_on_either_side() -> None:
    """Memory that shrinks is as suspicious as memory that grows."""
    goal = Goal(contender="x", figure=RATE, at_least=-20, at_most=20)
    verdicts = [
        next(goals(Compared(name="", pairs=[pair("x", rounds(one), [])], goals=[goal])))[2]
        for one in (-21, -20, 20, 21)
    ]

    assert [False, True, True, False] == verdicts


def test_an_invalid_pair_reaches_no_goal() -> None:
    """There is no figure to speak of."""
    bad = Compared(name="", reference="bare", pairs=[pair("x", rounds(9, problems=("no",)), rounds(1))])

    assert None is reached(bad, Goal(contender="x", figure=RATE, at_least=1, against="bare"))


def test_goals_name_contenders_that_are_measured() -> None:
    """A goal that nothing is measured for could not be met."""
    for scenario in SCENARIOS.values():
        for one in scenario.comparisons:
            names = {contender.name for contender in one.contenders}
            others = names | {one.reference.name if one.reference else None, None}

            assert {goal.contender for goal in one.goals} <= names
            assert {goal.against for goal in one.goals} <= others


# Honesty


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (Account(5, {"timeout": 0}, ledger=5, broker=5, provider=5), []),
        (Account(5, {"timeout": 2, "HTTP 503": 1}), ["2 × timeout", "1 × HTTP 503"]),
        (Account(5, ledger=6), ["5 accepted, but 6 at the ledger"]),
        (Account(5, broker=4), ["5 accepted, but 4 at the broker"]),
        (
            Account(5, provider=4, doubled=1),
            ["5 accepted, but 4 at the provider", "1 arrived more than once"],
        ),
        (Account(0, ledger=0), ["nothing was accepted"]),
    ],
)
def test_whatever_does_not_add_up_is_told(account: Account, expected: list[str]) -> None:
    """What was answered, kept, queued and delivered must be the same number."""
    assert expected == account.problems()


def test_a_result_with_a_problem_is_invalid() -> None:
    """The runner then ends with an error."""
    good = Result(scenario="x", rounds=1, seconds=1, compared=[compared()])
    pairs = [pair("x", rounds(1), rounds(1, problems=("no",)))]
    bad = Result(scenario="x", rounds=1, seconds=1, compared=[Compared(name="", pairs=pairs)])

    assert (True, False) == (good.valid, bad.valid)


def test_pillarbox_is_measured_with_its_own_defaults() -> None:
    """Nothing of what whole-system tests shorten is left short, but for the logs' format."""
    given = defaults()

    assert set(QUICK) - {"PILLARBOX_LOG_FORMAT"} == set(given)
    assert "60.0" == given["PILLARBOX_SILENT_AFTER_SECONDS"]


# Rounds


def test_rounds_are_interleaved_and_change_who_begins(tmp_path: Path) -> None:
    """Reference and contender take turns; each pair is opened and closed once."""
    said: list[str] = []

    def contender(name: str) -> Contender:
        return Contender(name, lambda _: _Opened(name, said))

    comparison = Comparison("turns", (contender("ours"),), contender("theirs"))
    with Stage(tmp_path, seconds=1) as stage:
        result = comparison.run(stage, 3, lambda _: None)

    assert 6 == comparison.measurements(3)
    assert ["open ours", "open theirs", *["theirs", "ours", "ours", "theirs", "theirs", "ours"]] == said[:8]
    assert ["close theirs", "close ours"] == said[8:]
    assert (3, 3) == (len(result.pairs[0].measured), len(result.pairs[0].reference))


class _Opened:
    def __init__(self, name: str, said: list[str]) -> None:
        self.name, self.said = name, said

    def __enter__(self) -> Self:
        self.said.append(f"open {self.name}")
        return self

    def __exit__(self, *_: object) -> None:
        self.said.append(f"close {self.name}")

    def __call__(self) -> Measurement:
        self.said.append(self.name)
        return Measurement(figures={RATE: 1.0})


# What is shown and kept


def shown(one: Compared) -> str:
    """The table, as a terminal shows it."""
    screen = StringIO()
    Console(width=120, file=screen).print(table(one))
    return screen.getvalue()


def test_the_table_shows_medians_and_ratios() -> None:
    """The reference stands first, over all of its rounds."""
    lines = [" ".join(line.split()) for line in shown(compared()).splitlines()]

    assert "bare messages/s 1,600 1,050 – 2,000" in lines
    assert "Pillarbox messages/s 750 675 – 825 0.75 0.75 – 0.75" in lines


def test_the_table_says_why_a_figure_is_missing() -> None:
    """An invalid measurement is not passed over in silence."""
    bad = Compared(name="x", pairs=[pair("ours", rounds(1, problems=("2 × timeout",)), [])])

    assert "invalid" in shown(bad)
    assert "2 × timeout" in shown(bad)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(12_345.6, "12,346"), (99.96, "100.0"), (12.34, "12.3"), (1.234, "1.23"), (0, "0.00")],
)
def test_numbers_have_the_digits_that_matter(value: float, expected: str) -> None:
    """Three of them, or all before the point."""
    assert expected == number(value)


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    """As JSON, one file for a scenario."""
    result = Result(scenario="accept", rounds=3, seconds=5, compared=[compared()])
    result.save(tmp_path)

    assert [result] == saved(tmp_path)


def test_the_page_gets_the_figures_between_its_marks(tmp_path: Path) -> None:
    """What stands around them stays; writing twice is writing once."""
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    result = Result(scenario="accept", rounds=3, seconds=5, compared=[compared()])
    for _ in range(2):
        report.write([result], page, tmp_path)
    text = page.read_text()

    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert 1 == text.count(markdown(result))
    assert "old" not in text
    assert "| Pillarbox | messages/s ≥ 8 × Celery | 7.50 | missed |" in text


def test_the_page_in_the_tree_has_the_marks() -> None:
    """So that the command can fill it."""
    text = report.PAGE.read_text()

    assert text.index(report.BEGIN) < text.index(report.END)


def test_what_wrk_says_is_read() -> None:
    """Its own table stands before our line, times are in microseconds."""
    load = wrk.read(
        "Running 1s test\n  2 requests in 1.00s\n\n"
        '{"accepted": 90, "refused": 1, "seconds": 1.500000, "p50": 1500, "p90": 2000, "p99": 40000, '
        '"connect": 0, "read": 2, "write": 0, "timeout": 3}\n'
    )

    assert (90, 1.5, 1.5, 40.0) == (load.accepted, load.seconds, load.p50_ms, load.p99_ms)
    assert {"refused": 1, "connect": 0, "read": 2, "write": 0, "timeout": 3} == load.errors
