"""``pillarbox hold``: messages of which nobody can tell whether they were sent."""

from __future__ import annotations

import click

from pillarbox.asking import confirm
from pillarbox.commands.replay_command import each
from pillarbox.failures import DONE
from pillarbox.gateway import Gateway
from pillarbox.options import connected
from pillarbox.output import Output


@click.group("hold")
def command() -> None:
    """Decide on messages that may have been sent, or not."""


@command.command("list")
@connected
def list_held(output: Output, gateway: Gateway) -> None:
    """List them."""
    found = gateway.pages("/emails", status="held")
    output.rows(found, ("id", "created_at", "to", "subject"), nothing="Nothing is held.")


@command.command("release")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All that are held now.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def release(output: Output, gateway: Gateway, ids: tuple[str, ...], *, everything: bool, yes: bool) -> int:
    """Send them once more, although they may have been sent."""
    return _decide(output, gateway, "release", ids, everything=everything, yes=yes)


@command.command("drop")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All that are held now.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def drop(output: Output, gateway: Gateway, ids: tuple[str, ...], *, everything: bool, yes: bool) -> int:
    """Give them up."""
    return _decide(output, gateway, "drop", ids, everything=everything, yes=yes)


def _decide(
    output: Output, gateway: Gateway, call: str, ids: tuple[str, ...], *, everything: bool, yes: bool
) -> int:
    if bool(ids) == everything:
        raise click.UsageError("Name messages by their ids, or say --all.")
    if everything:
        ids = tuple(email["id"] for email in gateway.pages("/emails", status="held"))
        if not ids:
            output.note("Nothing is held.")
            return DONE
        if not yes:
            confirm(f"{call.capitalize()} {len(ids)} messages?")
    return each(output, gateway, ids, call)
