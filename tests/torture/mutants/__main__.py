"""``python -m tests.torture.mutants``: what ``make torture-mutants`` runs.  Exit status: 0 all are caught."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from tests.torture.mutants.catalogue import MUTANTS
from tests.torture.mutants.mutant import Mutant
from tests.torture.plan import ROOT, Plan
from tests.torture.run import own_servers, torture
from tests.torture.stage import Servers

_TRIES = 2
"""With other seeds: a short run may miss by bad luck what a long one would not."""


@dataclass(frozen=True)
class _Judging:
    """What all runs have in common: the servers, which are started once."""

    servers: Servers
    folder: Path
    control: bool
    console: Console

    def caught(self, mutant: Mutant) -> tuple[bool, str]:
        """Run a mutant until its invariant is broken, or it has survived; and say what was seen."""
        seen: set[str] = set()
        for seed in range(1, 2 if self.control else _TRIES + 1):
            plan = mutant.plan(self.folder / mutant.name, seed)
            if self.control:
                plan = replace(plan, code=ROOT)
            else:
                mutant.breed(plan.code)
            broken = asyncio.run(self._broken(plan))
            seen |= broken
            if any(name.partition(" ")[0] == mutant.invariant for name in broken):
                return True, ", ".join(sorted(broken))
        return False, ", ".join(sorted(seen)) or "nothing"

    async def _broken(self, plan: Plan) -> set[str]:
        database = self.servers.database if plan.database == "postgresql" else None
        result = await torture(plan, Servers(self.servers.broker, database), self.console)
        return {name for name, where in result.broken.items() if where}


def main(arguments: list[str]) -> int:
    """Run them, or some, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.mutants", description="Judge the judge.")
    parser.add_argument("--only", default="", help="names with commas; all, if empty")
    parser.add_argument("--control", action="store_true", help="the same runs, of the code as it is")
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "torture" / "mutants")
    given = parser.parse_args(arguments)
    by_name = {mutant.name: mutant for mutant in MUTANTS}
    chosen = [by_name[name] for name in given.only.split(",") if name] or MUTANTS
    unexpected = []
    with contextlib.ExitStack() as stopping:
        servers = own_servers(Plan())
        for server in (servers.broker, servers.database):
            assert server is not None
            stopping.enter_context(server)
        judging = _Judging(servers, given.folder.absolute(), given.control, Console(quiet=True))
        for mutant in chosen:
            begun = time.monotonic()
            is_caught, seen = judging.caught(mutant)
            word = "caught" if is_caught else "not caught" if given.control else "SURVIVED"
            seconds = f"{time.monotonic() - begun:.0f} s"
            print(f"{mutant.name:4} {word:10} by {seen} ({seconds}): {mutant.words}", flush=True)
            if is_caught == given.control:
                unexpected.append(mutant.name)
    print(f"otherwise than expected: {', '.join(unexpected) or 'none'}")
    return int(bool(unexpected))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
