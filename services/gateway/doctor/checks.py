"""The checks of the gateway, one after the other; a failed one stops none of the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from services.gateway import __version__
from services.gateway.broker import broker
from services.gateway.doctor.disk import room
from services.gateway.doctor.finding import Finding, Status
from services.gateway.ledger.database import LedgerAddress
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.examination import Examination, examine
from services.gateway.relay.rights import BrokerAwayError, try_rights
from services.gateway.settings import Settings

_TIMEOUT_SECONDS: Final = 5.0
_SKEW_SECONDS: Final = 2.0


def settings_checks(settings: Settings) -> Iterator[Finding]:
    """What the settings say by themselves."""
    changed = len(settings.changed())
    yield Finding("settings", "ok", f"all can be used; {changed} differ from the defaults")
    yield Finding("version", "ok", __version__)
    if settings.development_key is not None:
        yield Finding("development key", "ok", "set: embedded mode on loopback, for development only")
    if settings.unsubscribe_keys and settings.public_url is None:
        advice = "Set PILLARBOX_PUBLIC_URL, or leave out PILLARBOX_UNSUBSCRIBE_KEYS."
        yield Finding("links to unsubscribe", "warning", "there are keys, but no address for links", advice)


async def ledger_checks(settings: Settings) -> list[Finding]:
    """Whether the ledger answers, has the schema and the right time."""
    try:
        address = LedgerAddress.parse(settings.ledger_url.get_secret_value())
        seen = await examine(address, _TIMEOUT_SECONDS)
    except ValueError as error:
        return [Finding("ledger", "failed", str(error), "Set PILLARBOX_LEDGER_URL.")]
    except LedgerUnavailableError as error:
        cause = type(error.__cause__).__name__
        advice = "Is the database running, and do PILLARBOX_LEDGER_URL's host, user and password fit?"
        return [Finding("ledger", "failed", f"it does not answer ({cause})", advice)]
    findings = [Finding("ledger", "ok", "it answers"), _schema(address, seen)]
    if address.is_sqlite:
        findings.append(room("ledger's disk", Path(address.dsn).parent))
    elif abs(seen.skew_seconds) > _SKEW_SECONDS:
        advice = "Set both clocks by NTP: what is due is told by the database's."
        findings.append(Finding("clock", "warning", f"{seen.skew_seconds:+.1f} s at the ledger", advice))
    else:
        findings.append(Finding("clock", "ok", f"within {_SKEW_SECONDS:g} s of the ledger's"))
    return findings


def broker_checks(settings: Settings) -> Iterator[Finding]:
    """Whether the broker can be reached, and lets the gateway do its work."""
    try:
        where = broker(settings.broker_url.get_secret_value())
        for right in try_rights(where):
            status: Status = "ok" if right.problem is None else "failed" if right.is_grave else "warning"
            said = right.what if right.problem is None else f"{right.what}: {right.problem}"
            yield Finding("broker", status, said, right.advice)
    except ValueError as error:
        yield Finding("broker", "failed", str(error), "Set PILLARBOX_BROKER_URL.")
    except BrokerAwayError as error:
        advice = "Is it running, and do PILLARBOX_BROKER_URL's host, user, password and virtual host fit?"
        yield Finding("broker", "failed", f"it cannot be reached: {error}", advice)


def _schema(address: LedgerAddress, seen: Examination) -> Finding:
    if seen.revision == seen.newest:
        return Finding("schema", "ok", f"revision {seen.revision}")
    if not seen.revision or seen.revision < seen.newest:  # they are numbered
        said = f"revision {seen.revision or 'none'}, and this version needs {seen.newest}"
        if address.is_sqlite:
            return Finding("schema", "ok", f"{said}, to which the gateway brings a file when it starts")
        return Finding("schema", "failed", said, "Run python -m services.gateway migrate.")
    return Finding("schema", "ok", f"revision {seen.revision}, newer than this version's {seen.newest}")
