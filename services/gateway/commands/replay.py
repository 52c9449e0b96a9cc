"""``replay``: sends a tenant's failed messages once more, many at a time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import structlog

from services.gateway.bulk_replay import BulkReplay, Done, Preview
from services.gateway.commands.running import BY, CommandError, command, opened, tenant, told
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.listing import Listing
from services.gateway.ledger.replays import Replays
from services.gateway.settings import Settings
from services.gateway.submission import filters
from services.gateway.submission.replay import ENDED

log = structlog.get_logger()

_AT_ONCE: Final = 200


def replay(settings: Settings, arguments: Sequence[str]) -> Coroutine[Any, Any, None]:
    """Read the arguments of ``replay``: see :func:`~services.gateway.commands.running.command`."""
    return command(_parser(), settings, arguments)


async def _replay(settings: Settings, options: argparse.Namespace) -> None:
    wanted = Filters(
        options.status, options.recipient, options.tag, options.since, options.until, options.reason
    )
    async with opened(settings) as sessions:
        # The gateways' sweepers publish what is due; there is no relay here to be quicker.
        replays = Replays(sessions, lease=0, on_committed=lambda _: None)
        bulk = BulkReplay(Listing(sessions), replays)
        preview = await bulk.preview(options.tenant, wanted)
        if options.dry_run or not preview.count:
            _show(preview)
        else:
            if not options.yes:
                _confirm(preview.count)
            await _loop(bulk, options.tenant, wanted, preview.count)


async def _loop(bulk: BulkReplay, owner: str, wanted: Filters, count: int) -> None:
    total, seen = Done(), 0
    while True:
        part = await bulk.page(owner, wanted, limit=_AT_ONCE, after=total.next)
        total.replayed += part.replayed
        total.skipped += part.skipped
        total.next = part.next
        seen += part.replayed + len(part.skipped)
        sys.stderr.write(f"{seen} of {max(seen, count)}\n")
        if part.next is None:
            break
    log.info("message.replayed", tenant=owner, by=BY, messages=total.replayed, skipped=len(total.skipped))
    sys.stdout.write(f"replayed {total.replayed}, skipped {len(total.skipped)}\n")
    for skipped in total.skipped:
        sys.stdout.write(f"{skipped.id}\t{skipped.obstacle}\n")


def _show(preview: Preview) -> None:
    sys.stdout.write(f"{preview.count} messages\n")
    for message_id in preview.sample:
        sys.stdout.write(f"{message_id}\n")


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise CommandError(f"{count} messages would be sent once more: say --yes, or look with --dry-run.")
    sys.stderr.write(f"Send {count} messages once more? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was sent.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.gateway replay",
        description="Send once more what has failed, was suppressed, or is held.",
        allow_abbrev=False,
    )
    moment, example = told(filters.moment), "such as 2026-01-02T15:04:05Z"
    parser.add_argument("--tenant", required=True, type=tenant)
    parser.add_argument("--status", default="failed", choices=ENDED, help="failed, unless it is given")
    parser.add_argument("--since", type=moment, help=f"accepted then or later, {example}")
    parser.add_argument("--until", type=moment, help="accepted before then")
    parser.add_argument("--recipient", type=told(filters.recipient), help="in to, cc or bcc")
    parser.add_argument("--tag", type=told(filters.tag), help="name and value, such as kind:receipt")
    parser.add_argument("--reason", type=told(filters.reason), help="how it begins, such as given_up")
    parser.add_argument("--dry-run", action="store_true", help="count them, and touch nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(command=_replay)
    return parser
