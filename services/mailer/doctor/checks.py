"""The checks of the mailer, one after the other; a failed one stops none of the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from services.mailer import __version__
from services.mailer.broker import broker
from services.mailer.broker_rights import BrokerAwayError, try_rights
from services.mailer.database.looking import AwayError, look
from services.mailer.doctor.accounts import account_check
from services.mailer.doctor.disk import room
from services.mailer.doctor.finding import Finding, Status
from services.mailer.settings import Settings
from shared.signatures import Lane

_SKEW_SECONDS: Final = 2.0


def settings_checks(settings: Settings) -> Iterator[Finding]:
    """What the settings say by themselves."""
    changed = len(settings.changed())
    yield Finding("settings", "ok", f"all can be used; {changed} differ from the defaults")
    yield Finding("version", "ok", __version__)


async def claims_checks(settings: Settings) -> list[Finding]:
    """Whether the database of the claims answers, and has the right time."""
    url = settings.claims_url.get_secret_value()
    try:
        seen = await look(url)
    except ValueError as error:
        return [Finding("claims", "failed", str(error), "Set PILLARBOX_CLAIMS_URL.")]
    except AwayError as error:
        advice = "Is the database running, and do PILLARBOX_CLAIMS_URL's host, user and password fit?"
        return [Finding("claims", "failed", f"it does not answer ({error})", advice)]
    made = "with its table" if "claims" in seen.tables else "without its table, which the first mailer makes"
    findings = [Finding("claims", "ok", f"it answers, {made}")]
    if url.startswith("sqlite"):
        findings.append(room("claims' disk", Path(url.removeprefix("sqlite:///")).parent))
    elif abs(seen.skew_seconds) > _SKEW_SECONDS:
        advice = "Set both clocks by NTP."
        findings.append(Finding("clock", "warning", f"{seen.skew_seconds:+.1f} s at the claims", advice))
    else:
        findings.append(Finding("clock", "ok", f"within {_SKEW_SECONDS:g} s of the claims'"))
    return findings


def broker_checks(settings: Settings) -> Iterator[Finding]:
    """Whether the broker can be reached, and lets the mailer do its work."""
    try:
        for right in try_rights(broker(settings.broker_url.get_secret_value())):
            status: Status = "ok" if right.problem is None else "failed" if right.is_grave else "warning"
            said = right.what if right.problem is None else f"{right.what}: {right.problem}"
            yield Finding("broker", status, said, right.advice)
    except ValueError as error:
        yield Finding("broker", "failed", str(error), "Set PILLARBOX_BROKER_URL.")
    except BrokerAwayError as error:
        advice = "Is it running, and do PILLARBOX_BROKER_URL's host, user, password and virtual host fit?"
        yield Finding("broker", "failed", f"it cannot be reached: {error}", advice)


async def account_checks(settings: Settings) -> list[Finding]:
    """Whether each account that mail may take is let in by its provider."""
    accounts = {name: account for lane in Lane for name, account in settings.accounts(lane).items()}
    return [await account_check(name, account) for name, account in accounts.items()]
