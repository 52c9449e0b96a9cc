"""``keys``: API keys of any tenant.

The first key of a tenant comes from here, since the API makes keys only for who has one.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, Final
from uuid import UUID

import structlog

from services.gateway.api.rate_limit import SLOWEST
from services.gateway.commands.running import BY, CommandError, command, opened, tenant, told
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.api_keys import ApiKeys, read_domains
from services.gateway.settings import Settings
from services.gateway.submission.api_key import NAME_LENGTH, read_domain
from services.gateway.submission.headers import one_line
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission

log = structlog.get_logger()

_COLUMNS: Final = ("id", "tenant", "name", "permission", "domains", "rate", "created_at", "last_used_at")


def api_keys(settings: Settings, arguments: Sequence[str]) -> Coroutine[Any, Any, None]:
    """Read the arguments of ``keys``: see :func:`~services.gateway.commands.running.command`."""
    return command(_parser(), settings, arguments)


async def _create(settings: Settings, options: argparse.Namespace) -> None:
    key = keys.generate(new_message_id())
    domains = frozenset(options.domain) if options.domain else None
    owner = Caller(options.tenant, key.id, Permission(options.permission), domains, options.rate)
    async with opened(settings) as sessions:
        await ApiKeys(sessions).create(owner, options.name, key.digest)
    log.info("api_key.created", tenant=owner.tenant, key_id=str(key.id), by=BY)
    sys.stdout.write(f"{key.text}\n")


async def _list(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as sessions:
        rows = await ApiKeys(sessions).overview(options.tenant)
    for line in (_COLUMNS, *map(_line, rows)):
        sys.stdout.write("\t".join(line) + "\n")


async def _revoke(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as sessions:
        table = ApiKeys(sessions)
        found = (await table.find([options.id])).get(options.id)
        if found is None or not await table.revoke(found.caller.tenant, options.id):
            raise CommandError("There is no such key, or it is revoked already.")
    log.info("api_key.revoked", tenant=found.caller.tenant, key_id=str(options.id), by=BY)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.gateway keys", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="create | list | revoke")
    create = commands.add_parser("create", help="make a key and print it; nobody can show it again")
    create.add_argument("--tenant", required=True, type=tenant)
    create.add_argument("--name", default=BY, type=_name, help="what it is for")
    create.add_argument("--permission", default=Permission.FULL.value, choices=[p.value for p in Permission])
    domain = told(read_domain)
    create.add_argument("--domain", action="append", type=domain, help="it may send from; repeat for more")
    create.add_argument("--rate", type=_rate, help="requests a second if not the gateway's; 0 is no limit")
    create.set_defaults(command=_create)
    listing = commands.add_parser("list", help="print what is known of all keys, columns parted by tabs")
    listing.add_argument("--tenant", type=tenant)
    listing.set_defaults(command=_list)
    revoke = commands.add_parser("revoke", help="make a key worthless, for ever")
    revoke.add_argument("id", type=UUID, help="from the list")
    revoke.set_defaults(command=_revoke)
    return parser


def _name(text: str) -> str:
    if not 1 <= len(text) <= NAME_LENGTH:
        raise argparse.ArgumentTypeError(f"must be 1 to {NAME_LENGTH} characters")
    return told(one_line)(text)


def _rate(text: str) -> float:
    rate = float(text)
    if not math.isfinite(rate) or (rate and rate < SLOWEST):
        raise argparse.ArgumentTypeError(f"must be 0, or at least {SLOWEST}")
    return rate


def _line(row: Any) -> list[str]:
    cells = row._asdict() | {"domains": ",".join(read_domains(row.domains) or ())}
    return ["" if cells[name] is None else str(cells[name]) for name in _COLUMNS]
