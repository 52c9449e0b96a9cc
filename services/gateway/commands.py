"""What an operator does at the command line, beside serving: API keys of any tenant.

The first key of a tenant comes from here, since the API makes keys only for who has one.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import structlog

from services.gateway.api.rate_limit import SLOWEST
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.api_keys import ApiKeys, read_domains
from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.sessions import Sessions
from services.gateway.settings import Settings
from services.gateway.submission.api_key import NAME_LENGTH, read_domain
from services.gateway.submission.headers import one_line
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission

log = structlog.get_logger()

_TIMEOUT_SECONDS: Final = 10
_TENANT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_COLUMNS: Final = ("id", "tenant", "name", "permission", "domains", "rate", "created_at", "last_used_at")
_BY: Final = "command line"


class CommandError(Exception):
    """A command could not be carried out; says why."""


def api_keys(settings: Settings, arguments: Sequence[str]) -> Coroutine[Any, Any, None]:
    """Read the arguments of ``keys``, and return what they ask for, ready to run.

    Running it raises :class:`CommandError` if it cannot be done.

    Raises:
        SystemExit: They make no command, or ask for help.
    """
    options = _parser().parse_args(arguments)
    command: Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, None]] = options.command
    return command(settings, options)


async def _create(settings: Settings, options: argparse.Namespace) -> None:
    key = keys.generate(new_message_id())
    domains = frozenset(options.domain) if options.domain else None
    owner = Caller(options.tenant, key.id, Permission(options.permission), domains, options.rate)
    async with _table(settings) as table:
        await table.create(owner, options.name, key.digest)
    log.info("api_key.created", tenant=owner.tenant, key_id=str(key.id), by=_BY)
    sys.stdout.write(f"{key.text}\n")


async def _list(settings: Settings, options: argparse.Namespace) -> None:
    async with _table(settings) as table:
        rows = await table.overview(options.tenant)
    for line in (_COLUMNS, *map(_line, rows)):
        sys.stdout.write("\t".join(line) + "\n")


async def _revoke(settings: Settings, options: argparse.Namespace) -> None:
    async with _table(settings) as table:
        found = (await table.find([options.id])).get(options.id)
        if found is None or not await table.revoke(found.caller.tenant, options.id):
            raise CommandError("There is no such key, or it is revoked already.")
    log.info("api_key.revoked", tenant=found.caller.tenant, key_id=str(options.id), by=_BY)


@asynccontextmanager
async def _table(settings: Settings) -> AsyncIterator[ApiKeys]:
    """Open the ledger's table of keys.

    Raises:
        CommandError: The ledger does not answer, or was never migrated.
    """
    address = LedgerAddress.parse(settings.ledger_url.get_secret_value())
    engine = open_engine(address, _TIMEOUT_SECONDS)
    table = ApiKeys(Sessions(engine, writing=None, timeout=_TIMEOUT_SECONDS))
    try:
        if address.is_sqlite:
            await migrate(engine)
        elif not await table.exists():
            raise CommandError("The ledger has no API keys yet: run python -m services.gateway migrate")
        yield table
    except LedgerUnavailableError as error:
        cause = type(error.__cause__).__name__
        raise CommandError(f"The ledger cannot be used (PILLARBOX_LEDGER_URL): {cause}.") from error
    finally:
        await engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.gateway keys", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="create | list | revoke")
    create = commands.add_parser("create", help="make a key and print it; nobody can show it again")
    create.add_argument("--tenant", required=True, type=_tenant)
    create.add_argument("--name", default=_BY, type=_name, help="what it is for")
    create.add_argument("--permission", default=Permission.FULL.value, choices=[p.value for p in Permission])
    create.add_argument("--domain", action="append", type=_domain, help="it may send from; repeat for more")
    create.add_argument("--rate", type=_rate, help="requests a second if not the gateway's; 0 is no limit")
    create.set_defaults(command=_create)
    listing = commands.add_parser("list", help="print what is known of all keys, columns parted by tabs")
    listing.add_argument("--tenant", type=_tenant)
    listing.set_defaults(command=_list)
    revoke = commands.add_parser("revoke", help="make a key worthless, for ever")
    revoke.add_argument("id", type=UUID, help="from the list")
    revoke.set_defaults(command=_revoke)
    return parser


def _tenant(text: str) -> str:
    if not _TENANT.fullmatch(text):
        raise argparse.ArgumentTypeError("must be 1 to 63 of a-z, 0-9 and -, not beginning with -")
    return text


def _name(text: str) -> str:
    if not 1 <= len(text) <= NAME_LENGTH:
        raise argparse.ArgumentTypeError(f"must be 1 to {NAME_LENGTH} characters")
    return _told(one_line, text)


def _domain(text: str) -> str:
    return _told(read_domain, text)


def _rate(text: str) -> float:
    rate = float(text)
    if not math.isfinite(rate) or (rate and rate < SLOWEST):
        raise argparse.ArgumentTypeError(f"must be 0, or at least {SLOWEST}")
    return rate


def _told(check: Callable[[str], str], text: str) -> str:
    """Have argparse say what the check says."""
    try:
        return check(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _line(row: Any) -> list[str]:
    cells = row._asdict() | {"domains": ",".join(read_domains(row.domains) or ())}
    return ["" if cells[name] is None else str(cells[name]) for name in _COLUMNS]
