"""``pillarbox doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click

from pillarbox.examination import from_afar
from pillarbox.failures import DONE, PARTLY
from pillarbox.gateway import Gateway
from pillarbox.options import connected
from pillarbox.output import STYLES, Output, visible
from pillarbox.services import SERVICES, is_installed, told

_ELSEWHERE: Final = {
    "service": "services",
    "check": "services",
    "status": "ok",
    "found": "not installed here, so this is the view from afar",
    "advice": "In their images, python -m services.gateway doctor and services.mailer doctor see the rest.",
}


@click.command("doctor")
@click.option("--remote", is_flag=True, help="Only what can be seen over HTTP.")
@connected
def command(output: Output, gateway: Gateway, *, remote: bool) -> int:
    """Check a gateway over HTTP, and both services with the settings that are in the environment here.

    No e-mail is sent. The exit status is 1 if any check failed.
    """
    gateway.patience = gateway.reach = 0
    failed = False
    for finding in _findings(gateway, remote=remote):
        failed = failed or finding["status"] == "failed"
        output.object(finding, _text(finding))
    if not failed:
        output.note("Nothing is wrong, as far as can be seen from here.")
    return PARTLY if failed else DONE


def _findings(gateway: Gateway, *, remote: bool) -> Iterator[dict[str, Any]]:
    yield from from_afar(gateway)
    if remote:
        return
    here = [service for service in SERVICES if is_installed(service)]
    for service in here:
        findings = list(told(service, "doctor", "--json"))
        yield from findings or [_silent(service)]
    if not here:
        yield _ELSEWHERE


def _silent(service: str) -> dict[str, Any]:
    advice = f"Run python -m services.{service} doctor, and see why."
    found = "its own check did not come to its end"
    return {"service": service, "check": "doctor", "status": "failed", "found": found, "advice": advice}


def _text(finding: dict[str, Any]) -> str:
    word = click.style(f"{finding['status']:<8}", fg=STYLES.get(finding["status"]), bold=True)
    advice = f"\n{'':<8} → {visible(finding['advice'])}" if finding["advice"] else ""
    return f"{word} {finding['service']} · {visible(finding['check'])}: {visible(finding['found'])}{advice}"
