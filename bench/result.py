"""What a run of a scenario has measured, in memory and as JSON under ``var/bench/``."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, Field

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "var" / "bench"


class Measurement(BaseModel):
    """One measurement of one contender: figures by their name, which ends in the unit."""

    figures: dict[str, float]
    problems: list[str] = []
    """Why it does not count; empty if it does."""


class Pair(BaseModel):
    """The rounds of one contender, each beside a round of the reference."""

    contender: str
    measured: list[Measurement] = []
    reference: list[Measurement] = []
    """As many, in the same order; none where nothing is compared."""

    def problems(self) -> list[str]:
        """Give what spoils the pair, each problem once."""
        every = [problem for one in (*self.reference, *self.measured) for problem in one.problems]
        return list(dict.fromkeys(every))

    def figures(self) -> list[str]:
        """The names of what was measured, in the order of measuring."""
        return list(dict.fromkeys(name for one in self.measured for name in one.figures))


class Goal(BaseModel):
    """What a figure must come to: by itself, or as a ratio to another contender's."""

    contender: str
    figure: str
    at_least: float | None = None
    at_most: float | None = None
    against: str | None = None
    """The reference, or another contender of the comparison; None for the plain figure."""

    def words(self) -> str:
        """``messages/s ≥ 0.7 × bare aiohttp``."""
        bounds = [("≥", self.at_least), ("≤", self.at_most)]
        times = f" × {self.against}" if self.against else ""
        told = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
        return f"{self.figure} {told}{times}"


class Compared(BaseModel):
    """Contenders that did the same thing."""

    name: str
    reference: str | None = None
    pairs: list[Pair] = []
    goals: list[Goal] = []

    def pair(self, contender: str) -> Pair | None:
        """The rounds of a contender, if it was measured."""
        return next((pair for pair in self.pairs if pair.contender == contender), None)


def _now() -> datetime:
    return datetime.now(UTC)


class Result(BaseModel):
    """A whole scenario."""

    scenario: str
    rounds: int
    seconds: float
    begun: datetime = Field(default_factory=_now)
    machine: dict[str, str] = {}
    compared: list[Compared] = []

    @property
    def valid(self) -> bool:
        """Whether no measurement had a problem."""
        return not any(pair.problems() for one in self.compared for pair in one.pairs)

    def save(self, folder: Path = FOLDER) -> Path:
        """Write ``<scenario>.json``, in place of the run before."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.scenario}.json"
        path.write_text(self.model_dump_json(indent=1) + "\n")
        return path


def saved(folder: Path = FOLDER) -> list[Result]:
    """The last run of every scenario that has been run here, by name."""
    return [Result.model_validate_json(path.read_text()) for path in sorted(folder.glob("*.json"))]


def machine() -> dict[str, str]:
    """What the figures depend on: processors, kernel, Python, the source, and what else was running."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - the developer's own git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "processors": f"{os.cpu_count()} × {_processor()}",
        "kernel": platform.system(),
        "python": platform.python_version(),
        "revision": described.stdout.strip() or "unknown",
        # Before any server is started here: well above 0, somebody else is at work.
        "load before": f"load {os.getloadavg()[0]:.1f} before",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
