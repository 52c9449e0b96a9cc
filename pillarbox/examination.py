"""What can be seen of a gateway over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final

from pillarbox.failures import Failure
from pillarbox.gateway import Gateway
from pillarbox.version import version

_SKEW_SECONDS: Final = 5.0
_STATES: Final = {
    "ledger": "Nothing is accepted meanwhile. On its host: python -m services.gateway doctor.",
    "broker": "Messages are accepted, and wait. On its host: python -m services.gateway doctor.",
}


def from_afar(gateway: Gateway) -> Iterator[dict[str, Any]]:
    """Give findings; if nobody answers there is only one."""
    import httpx  # noqa: PLC0415 - help and mistakes must not wait for it

    url = gateway.place.url
    try:
        asked = time.time()
        health = gateway.client.get("/healthz")
        ready = gateway.client.get("/readyz")
    except httpx.TransportError as error:
        advice = "Is it running? Is this its address (--url, PILLARBOX_URL)?"
        yield _finding("gateway", "failed", f"{url} does not answer ({type(error).__name__})", advice)
        return
    if health.status_code != 200 or not _is_ours(ready):
        advice = "Something else listens there, or stands in between."
        yield _finding("gateway", "failed", f"{url} answers, but not as a gateway of Pillarbox does", advice)
        return
    yield _finding("gateway", "ok", f"{url} answers")
    for part, advice in _STATES.items():
        state = ready.json()[part]
        # Accepting needs no broker: it is a warning, as readiness has it.
        bad = "failed" if part == "ledger" else "warning"
        yield _finding(part, "ok" if state == "ok" else bad, state, "" if state == "ok" else advice)
    yield from _clock(health, asked)
    yield from _versions(gateway)
    yield from _key(gateway)


def _finding(check: str, status: str, found: str, advice: str = "") -> dict[str, Any]:
    return {"check": check, "status": status, "found": found, "advice": advice, "service": "from afar"}


def _is_ours(ready: Any) -> bool:
    try:
        return bool({"ledger", "broker"} <= ready.json().keys())
    except (ValueError, AttributeError):
        return False


def _clock(health: Any, asked: float) -> Iterator[dict[str, Any]]:
    try:
        there = parsedate_to_datetime(health.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return
    skew = there - asked
    if abs(skew) > _SKEW_SECONDS:
        advice = "Set both clocks by NTP: schedules and signatures rest on them."
        yield _finding("clock", "warning", f"the gateway's differs from ours by {skew:+.0f} s", advice)
    else:
        yield _finding("clock", "ok", f"within {_SKEW_SECONDS:g} s of ours")


def _versions(gateway: Gateway) -> Iterator[dict[str, Any]]:
    try:
        there = str(gateway.get("/openapi.json")["info"]["version"])
    except (Failure, KeyError, TypeError):
        yield _finding("version", "warning", "the gateway does not tell its version")
        return
    ours = version()
    if there.split(".")[:2] == ours.split(".")[:2]:
        yield _finding("version", "ok", f"gateway {there}, command line {ours}")
    else:
        advice = "Use a command line of the gateway's version: one may not know what the other does."
        yield _finding("version", "warning", f"gateway {there}, command line {ours}", advice)


def _key(gateway: Gateway) -> Iterator[dict[str, Any]]:
    if gateway.place.api_key is None:
        advice = "Set PILLARBOX_API_KEY; the first key is made with python -m services.gateway keys create."
        yield _finding("API key", "failed", "there is none", advice)
        return
    try:
        held = gateway.get("/emails", limit=1, status="held")["data"]
    except Failure as failure:
        if failure.details.get("name") == "restricted_api_key":
            yield _finding("API key", "ok", "it may send, and not read")
        else:
            advice = "Use another key; an operator lists and makes them: python -m services.gateway keys."
            yield _finding("API key", "failed", failure.message, advice)
        return
    yield _finding("API key", "ok", "it is good")
    if held:
        advice = "Decide: pillarbox hold list, then release or drop."
        yield _finding("held messages", "warning", "nobody can tell whether they were sent", advice)
