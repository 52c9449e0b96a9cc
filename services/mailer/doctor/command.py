"""``python -m services.mailer doctor``: look at everything the mailer needs, and say what to do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

from services.mailer import embedded
from services.mailer.doctor.checks import account_checks, broker_checks, claims_checks, settings_checks
from services.mailer.doctor.finding import Finding
from services.mailer.settings import load


def doctor(*, as_json: bool) -> int:
    """Print a line for each finding; return the exit status: 1 if anything failed."""
    failed = False
    for finding in _findings():
        failed = failed or finding.status == "failed"
        sys.stdout.write((finding.as_json() if as_json else finding.as_text()) + "\n")
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
    embedded.install()
    yield from settings_checks(settings)
    yield from asyncio.run(claims_checks(settings))
    yield from broker_checks(settings)
    yield from asyncio.run(account_checks(settings))
