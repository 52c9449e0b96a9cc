"""``pillarbox open``: where a browser sees all of it."""

from __future__ import annotations

import click

from pillarbox.gateway import Gateway
from pillarbox.options import connected
from pillarbox.output import Output


@click.command("open")
@click.option("--browser", is_flag=True, help="Open it, too.")
@connected
def command(output: Output, gateway: Gateway, *, browser: bool) -> None:
    """Print the dashboard's address, and perhaps open it."""
    url = f"{gateway.place.url}/"
    output.object({"url": url}, url)
    if browser:
        click.launch(url)
