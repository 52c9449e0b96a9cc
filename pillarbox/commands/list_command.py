"""``pillarbox list``: messages by what is known of them."""

from __future__ import annotations

import click

from pillarbox.gateway import Gateway
from pillarbox.messages import COLUMNS
from pillarbox.options import connected
from pillarbox.output import Output
from pillarbox.values import Moment


@click.command("list")
@click.option("--status", help="Such as sent, delivered, bounced, failed, held.")
@click.option("--to", "recipient", metavar="ADDRESS", help="In to, cc or bcc.")
@click.option("--tag", metavar="NAME:VALUE", help="With this tag.")
@click.option("--since", type=Moment(), help="Accepted then or later: 2026-01-02T15:04:05Z, 90m, 2d.")
@click.option("--until", type=Moment(), help="Accepted before then.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@click.option("--all", "everything", is_flag=True, help="All of them, however many.")
@connected
def command(
    output: Output,
    gateway: Gateway,
    recipient: str | None,
    limit: int,
    *,
    everything: bool,
    **filters: str | None,
) -> None:
    """List messages, the newest first."""
    found = gateway.pages("/emails", most=None if everything else limit, to=recipient, **filters)
    output.rows(found, COLUMNS, nothing="There is no such message.")
