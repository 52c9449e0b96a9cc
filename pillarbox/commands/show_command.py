"""``pillarbox show``: a message and what happened to it."""

from __future__ import annotations

from urllib.parse import quote

import click

from pillarbox.failures import Failure
from pillarbox.gateway import Gateway
from pillarbox.messages import described, story
from pillarbox.options import connected
from pillarbox.output import Output, visible


@click.command("show")
@click.argument("message_id", metavar="ID")
@click.option("--body", type=click.Choice(["text", "html"]), help="Only this body, as it was submitted.")
@connected
def command(output: Output, gateway: Gateway, message_id: str, body: str | None) -> None:
    """Show a message and its timeline."""
    path = f"/emails/{quote(message_id, safe='')}"
    email = gateway.get(path)
    if body is not None:
        if not email[body]:
            raise Failure(
                f"The message has no {body} body" + (", or it was removed." if email["purged_at"] else ".")
            )
        output.object({body: email[body]}, visible(email[body]))
        return
    events = gateway.get(f"{path}/events")["data"]
    told = "\n".join([described(email), "", *story(events)])
    output.object({**email, "events": events}, told)
