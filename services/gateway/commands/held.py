"""``held``: messages of which nobody can tell whether they were sent, and that wait for a decision."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, Final
from uuid import UUID

import structlog

from services.gateway.commands.running import BY, CommandError, command, opened, tenant
from services.gateway.ledger.replays import Replays
from services.gateway.ledger.sessions import Sessions
from services.gateway.settings import Settings
from services.gateway.states import DROPPED, RELEASED

log = structlog.get_logger()

_COLUMNS: Final = ("id", "accepted_at", "attempts", "provider", "reason")


def held(settings: Settings, arguments: Sequence[str]) -> Coroutine[Any, Any, None]:
    """Read the arguments of ``held``: see :func:`~services.gateway.commands.running.command`."""
    return command(_parser(), settings, arguments)


async def _list(settings: Settings, options: argparse.Namespace) -> None:
    async with opened(settings) as sessions:
        rows = await _replays(sessions).held(options.tenant)
    sys.stdout.write("\t".join(_COLUMNS) + "\n")
    for row in rows:
        cells = (getattr(row, name) for name in _COLUMNS)
        sys.stdout.write("\t".join("" if cell is None else str(cell) for cell in cells) + "\n")


async def _release(settings: Settings, options: argparse.Namespace) -> None:
    left = 0
    async with opened(settings) as sessions:
        for message_id in options.ids:
            again = await _replays(sessions).again(options.tenant, [message_id], RELEASED)
            for entry in again.entries:
                log.info("message.released", tenant=options.tenant, by=BY, message_id=str(entry.id))
            left += _tell(message_id, RELEASED, [skipped.obstacle for skipped in again.skipped])
    _complain(left)


async def _drop(settings: Settings, options: argparse.Namespace) -> None:
    left = 0
    async with opened(settings) as sessions:
        for message_id in options.ids:
            skipped = await _replays(sessions).drop(options.tenant, message_id)
            if skipped is None:
                log.info("message.dropped", tenant=options.tenant, by=BY, message_id=str(message_id))
            left += _tell(message_id, DROPPED, [skipped.obstacle] if skipped else [])
    _complain(left)


def _replays(sessions: Sessions) -> Replays:
    # The gateways' sweepers publish what is due.
    return Replays(sessions, lease=0, on_committed=lambda _: None)


def _tell(message_id: UUID, done: str, obstacles: Sequence[str]) -> int:
    """Say what became of a message; return how many stay as they are."""
    sys.stdout.write(f"{message_id}\t{', '.join(obstacles) or done}\n")
    return len(obstacles)


def _complain(left: int) -> None:
    if left:
        raise CommandError(f"Left as they are: {left}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.gateway held", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="list | release | drop")
    listing = commands.add_parser("list", help="print the tenant's held messages, columns parted by tabs")
    listing.set_defaults(command=_list)
    release = commands.add_parser("release", help="send them once more, although they may have been sent")
    release.set_defaults(command=_release)
    drop = commands.add_parser("drop", help="give them up")
    drop.set_defaults(command=_drop)
    for each in (listing, release, drop):
        each.add_argument("--tenant", required=True, type=tenant)
    for each in (release, drop):
        each.add_argument("ids", nargs="+", type=UUID, metavar="id", help="from the list")
    return parser
