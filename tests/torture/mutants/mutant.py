"""A mutant: a copy of the services' code with one promise broken, and the run that has to notice."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture.plan import ROOT, Plan

_COPIED = ("services", "shared", "deploy/restore")


class UnfitError(Exception):
    """The source is not what the patch was written for."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A text that stands once in a file, and what stands there in the mutant."""

    path: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Change the file below *root*.

        Raises:
            UnfitError: The text is not there, or there more than once.
        """
        file = root / self.path
        file.write_text(self.changed(file.read_text() if file.is_file() else ""))

    def changed(self, source: str) -> str:
        """The file with the change.

        Raises:
            UnfitError: See :meth:`apply`.
        """
        if source.count(self.old) != 1:
            raise UnfitError(f"{self.path} has {source.count(self.old)} times: {self.old!r}")
        return source.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Mutant:
    """What is broken, what notices, and how it is provoked."""

    name: str
    words: str
    """The promise that is broken."""
    invariant: str
    """The beginning of the name of the one that must not hold."""
    patches: tuple[Patch, ...]
    kinds: tuple[str, ...]
    """Faults that matter to it."""
    run: dict[str, Any] = field(default_factory=dict)
    """What else its run is: fields of the plan."""

    def breed(self, root: Path) -> None:
        """Make a copy of the code at *root*, and change it.

        Raises:
            UnfitError: A patch does not fit.
        """
        shutil.rmtree(root, ignore_errors=True)
        for name in _COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        for patch in self.patches:
            patch.apply(root)

    def plan(self, folder: Path, seed: int) -> Plan:
        """A short run of it."""
        short: dict[str, Any] = {
            "messages": 60, "gap": 1.0, "storm": 12.0, "quiet": 25.0, "share": 0.0, "cold": False,
        }  # fmt: skip
        fields = {**short, **self.run, "kinds": self.kinds, "seed": seed}
        return Plan(**fields, code=folder / "code", folder=folder / "run")
