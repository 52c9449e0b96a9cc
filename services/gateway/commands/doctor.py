"""``doctor``: look at everything the gateway needs, and say what to do."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence

from services.gateway.doctor.checks import broker_checks, ledger_checks, settings_checks
from services.gateway.doctor.finding import Finding
from services.gateway.settings import load


def doctor(arguments: Sequence[str]) -> int:
    """Print a line for each finding; return the exit status: 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m services.gateway doctor", allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="one JSON object on each line")
    options = parser.parse_args(arguments)
    failed = False
    for finding in _findings():
        failed = failed or finding.status == "failed"
        sys.stdout.write((finding.as_json() if options.json else finding.as_text()) + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


def _findings() -> Iterator[Finding]:
    try:
        settings = load()
    except SystemExit as told:
        for line in str(told).splitlines():
            yield Finding(
                "settings", "failed", line, "Mend this variable: nothing else can be looked at before."
            )
        return
    yield from settings_checks(settings)
    yield from asyncio.run(ledger_checks(settings))
    yield from broker_checks(settings)
