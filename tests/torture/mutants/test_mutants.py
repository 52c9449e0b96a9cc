"""The mutants fit the code as it is; that each is found out takes ``make torture-mutants``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.torture.faults import FAULTS
from tests.torture.invariants import INVARIANTS
from tests.torture.mutants.catalogue import MUTANTS
from tests.torture.mutants.mutant import Mutant, Patch, UnfitError
from tests.torture.plan import ROOT

RESTART = "I15"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_bred(mutant: Mutant) -> None:
    """Its patches find their places, and what comes of it is Python."""
    for patch in mutant.patches:
        changed = patch.changed((ROOT / patch.path).read_text())

        assert patch.new in changed
        assert not patch.path.endswith(".py") or ast.parse(changed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_provoked_and_judged(mutant: Mutant, tmp_path: Path) -> None:
    """By faults and an invariant that there are."""
    assert set(mutant.kinds) <= set(FAULTS)
    assert mutant.invariant in {RESTART, *(name.partition(" ")[0] for name in INVARIANTS)}
    assert mutant.plan(tmp_path, 1).messages


def test_there_are_eighteen() -> None:
    """In their order."""
    assert [f"M{number}" for number in range(1, 19)] == [mutant.name for mutant in MUTANTS]


@pytest.mark.parametrize("old", ["nowhere in it", "import "])
def test_a_patch_that_does_not_fit_says_so(tmp_path: Path, old: str) -> None:
    """The text is gone, or it is not the only one."""
    (tmp_path / "a.py").write_text("import os\nimport sys\n")

    with pytest.raises(UnfitError, match=r"a\.py"):
        Patch("a.py", old, "").apply(tmp_path)
