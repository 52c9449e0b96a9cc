"""``pillarbox replay``: send once more what did not get through."""

from __future__ import annotations

import sys
from typing import Any, Final
from urllib.parse import quote

import click

from pillarbox.asking import confirm
from pillarbox.failures import DONE, PARTLY, Failure
from pillarbox.gateway import Gateway
from pillarbox.options import connected
from pillarbox.output import Output
from pillarbox.values import Moment

_AT_ONCE: Final = 200


@click.command("replay")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--status", type=click.Choice(["failed", "suppressed", "held"]), help="Those with this status.")
@click.option("--to", "recipient", metavar="ADDRESS", help="Of those: in to, cc or bcc.")
@click.option("--tag", metavar="NAME:VALUE")
@click.option("--since", type=Moment(), help="Accepted then or later: 2026-01-02T15:04:05Z, 90m, 2d.")
@click.option("--until", type=Moment(), help="Accepted before then.")
@click.option("--reason", metavar="TEXT", help="How the reason begins, such as given_up.")
@click.option("--dry-run", is_flag=True, help="Count them, and touch nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def command(
    output: Output, gateway: Gateway, ids: tuple[str, ...], *, dry_run: bool, yes: bool, **filters: Any
) -> int:
    """Send messages once more: those named by ID, or all that fit --status and the other filters."""
    wanted = {"to" if name == "recipient" else name: value for name, value in filters.items() if value}
    if bool(ids) == bool(wanted):
        raise click.UsageError("Name messages by their ids, or give --status and other filters.")
    if ids:
        return each(output, gateway, ids, "replay")
    if "status" not in wanted:
        raise click.UsageError("--status says what has become of them: failed, suppressed or held.")
    preview = gateway.post("/emails/replay", {**wanted, "dry_run": True})
    sample = "\n".join(f"  {message_id}" for message_id in preview["sample"])
    if dry_run or not preview["count"]:
        output.object(preview, f"{preview['count']} messages\n{sample}".rstrip())
        return DONE
    output.note(f"{preview['count']} messages, the newest of them:\n{sample}")
    if not yes:
        confirm(f"Send {preview['count']} messages once more?")
    return _all(output, gateway, wanted, preview["count"])


def each(output: Output, gateway: Gateway, ids: tuple[str, ...], call: str) -> int:
    """Make one call for each of some messages, and say what became of it; the first failure ends nothing."""
    left = 0
    for message_id in ids:
        try:
            gateway.post(f"/emails/{quote(message_id, safe='')}/{call}")
        except Failure as failure:
            if "statusCode" not in failure.details or failure.details["statusCode"] in {401, 403, 429, 503}:
                raise
            left += 1
            reason = failure.details.get("name", "failed")
            output.object({"id": message_id, "done": False, "reason": reason}, f"{message_id}\t{reason}")
        else:
            output.object({"id": message_id, "done": True, "reason": None}, f"{message_id}\tdone")
    return PARTLY if left else DONE


def _all(output: Output, gateway: Gateway, wanted: dict[str, Any], count: int) -> int:
    replayed, skipped, after = 0, [], None
    while True:
        part = gateway.post("/emails/replay", {**wanted, "limit": _AT_ONCE, "after": after})
        replayed += part["replayed"]
        skipped += part["skipped"]
        if not output.as_json and sys.stderr.isatty():
            click.echo(f"{replayed + len(skipped)} of {count}", err=True)
        after = part["next"]
        if not part["has_more"]:
            break
    lines = [f"{each['id']}\t{each['reason']}" for each in skipped]
    output.object(
        {"object": "replay", "replayed": replayed, "skipped": skipped},
        "\n".join([f"replayed {replayed}, skipped {len(skipped)}", *lines]),
    )
    return PARTLY if skipped else DONE
