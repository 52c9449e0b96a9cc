"""``pillarbox migrate``: the gateway's own migration, where the gateway is."""

from __future__ import annotations

import click

from pillarbox.options import speaking
from pillarbox.output import Output
from pillarbox.services import run


@click.command("migrate")
@speaking
def command(output: Output) -> int:
    """Bring the ledger's schema up to date (PILLARBOX_LEDGER_URL).

    This works where the gateway is installed: in the checkout, or in the gateway's image.
    """
    status = run("gateway", "migrate")
    output.object({"migrated": status == 0}, "The ledger is up to date." if status == 0 else "It failed.")
    return status
