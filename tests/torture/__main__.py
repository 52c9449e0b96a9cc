"""``python -m tests.torture``: what ``make torture`` runs.  Exit status: 0 green, 1 red, 3 invalid."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import signal
import sys
from pathlib import Path

from rich.console import Console

from tests.torture.plan import ROOT, Plan
from tests.torture.run import Result, own_servers, torture
from tests.torture.stage import Servers

_TOLD_TO_END = 128 + signal.SIGTERM


def _plan(arguments: list[str]) -> Plan:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="A storm of faults.")
    parser.add_argument("--seed", type=int, default=1, help="decides everything that is drawn")
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--profile", choices=["idempotent", "search", "none"], default="idempotent")
    parser.add_argument("--on-uncertain", choices=["resend", "hold"], default="resend")
    parser.add_argument("--broker", choices=["rabbitmq", "redis"], default="rabbitmq")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--pace", choices=["quick", "production"], default="quick")
    parser.add_argument("--rate", type=float, default=15.0, help="requests a second")
    parser.add_argument("--gap", type=float, default=3.0, help="seconds between faults, on average")
    parser.add_argument("--storm", type=float, default=30.0, help="seconds of faults before a rest")
    parser.add_argument("--each", type=int, default=1, help="how often every kind has to happen")
    parser.add_argument("--kinds", default="", help="faults to draw from, with commas; all, if empty")
    parser.add_argument("--code", type=Path, default=ROOT, help="where the services' code is")
    parser.add_argument("--folder", type=Path, help="for logs, journal and verdict (default: var/torture/…)")
    options = vars(parser.parse_args(arguments))
    options["kinds"] = tuple(filter(None, options["kinds"].split(",")))
    name = f"{options['profile']}-{options['broker']}-{options['database']}-{options['seed']}"
    options["folder"] = (options["folder"] or ROOT / "var" / "torture" / name).absolute()
    options["code"] = options["code"].absolute()
    return dataclasses.replace(Plan(), **options)


async def _until_told_to_end(plan: Plan, servers: Servers, console: Console) -> Result:
    """End what was started also when this process is told to end: services outlive their parent."""
    run = asyncio.create_task(torture(plan, servers, console))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, run.cancel)
    return await run


def main(arguments: list[str]) -> int:
    """Run one plan on servers of its own."""
    plan, console = _plan(arguments), Console()
    console.print(f"seed {plan.seed}; logs, journal, schedule and verdict: {plan.folder}", highlight=False)
    servers = own_servers(plan)
    with contextlib.ExitStack() as stopping:
        for server in (servers.broker, servers.database):
            if server is not None:
                stopping.enter_context(server)
        try:
            result = asyncio.run(_until_told_to_end(plan, servers, console))
        except (asyncio.CancelledError, KeyboardInterrupt):
            console.print("told to end; no verdict")
            return _TOLD_TO_END
    console.print(result.told, highlight=False)
    console.print(f"{result.status.name}   {plan.words}", highlight=False)
    return result.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
