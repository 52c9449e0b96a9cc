"""``pillarbox suppress``: the addresses that get nothing."""

from __future__ import annotations

from typing import Final

import click

from pillarbox.failures import DONE, PARTLY
from pillarbox.gateway import Gateway
from pillarbox.options import connected
from pillarbox.output import Output
from pillarbox.values import chunks, read_text

_AT_ONCE: Final = 1000
_COLUMNS: Final = ("email", "origin", "created_at", "source_id")


@click.group("suppress")
def command() -> None:
    """Keep mail away from addresses, or let it go there again."""


@command.command("add")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@click.option("--file", "file", metavar="FILE", help="Addresses, one a line; - is the standard input.")
@connected
def add(output: Output, gateway: Gateway, addresses: tuple[str, ...], file: str | None) -> None:
    """Suppress addresses: nothing is sent there any more."""
    done = 0
    for part in chunks(_given(addresses, file), _AT_ONCE):
        done += len(gateway.post("/suppressions/batch/add", {"emails": part})["data"])
    output.object({"added": done}, f"{done} suppressed")


@command.command("remove")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@click.option("--file", "file", metavar="FILE", help="Addresses, one a line; - is the standard input.")
@connected
def remove(output: Output, gateway: Gateway, addresses: tuple[str, ...], file: str | None) -> int:
    """Let mail go to addresses again."""
    wanted, done = _given(addresses, file), 0
    for part in chunks(wanted, _AT_ONCE):
        done += len(gateway.post("/suppressions/batch/remove", {"emails": part})["data"])
    output.object({"removed": done}, f"{done} of {len(wanted)} were suppressed, and are not any more")
    return DONE if done == len(set(map(str.lower, wanted))) else PARTLY


@command.command("list")
@click.option("--origin", type=click.Choice(["bounce", "complaint", "manual", "unsubscribe"]))
@click.option("--limit", type=click.IntRange(1), help="How many at most; all by default.")
@connected
def list_suppressions(output: Output, gateway: Gateway, origin: str | None, limit: int | None) -> None:
    """List suppressed addresses, the newest first."""
    found = gateway.pages("/suppressions", most=limit, origin=origin)
    output.rows(found, _COLUMNS, nothing="Nobody is suppressed.")


def _given(addresses: tuple[str, ...], file: str | None) -> list[str]:
    given = [*addresses]
    if file is not None:
        given += [line.strip() for line in read_text(file).splitlines() if line.strip()]
    if not given:
        raise click.UsageError("Name addresses, or a --file of them.")
    return given
