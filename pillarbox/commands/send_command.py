"""``pillarbox send``: one e-mail, from options, files and the standard input."""

from __future__ import annotations

import sys
import uuid
from typing import Any

import click

from pillarbox.composing import Body, composed
from pillarbox.failures import DONE, MISUSED, PARTLY, Failure
from pillarbox.following import follow
from pillarbox.gateway import Gateway
from pillarbox.messages import WELL, coloured
from pillarbox.options import connected
from pillarbox.output import Output
from pillarbox.values import Moment, Pair


@click.command("send")
@click.option("--from", "sender", metavar="ADDRESS", help="Who it is from; may be left to a template.")
@click.option("--to", multiple=True, required=True, metavar="ADDRESS", help="Recipient; repeat for more.")
@click.option("--cc", multiple=True, metavar="ADDRESS")
@click.option("--bcc", multiple=True, metavar="ADDRESS")
@click.option("--reply-to", multiple=True, metavar="ADDRESS")
@click.option("--subject")
@click.option("--body", "text", metavar="TEXT", help="The text itself.")
@click.option("--text", "text_file", metavar="FILE", help="The text in a file; - is the standard input.")
@click.option("--html", "html_file", metavar="FILE", help="The HTML in a file; - is the standard input.")
@click.option("--attach", multiple=True, metavar="FILE", help="A file to go with it; repeat for more.")
@click.option("--template", metavar="ID", help="A published template, by its id or alias.")
@click.option(
    "--var", "variables", multiple=True, type=Pair(), help="A variable of the template; repeat for more."
)
@click.option("--vars", "variables_file", metavar="FILE", help="Variables as one JSON object.")
@click.option("--tag", "tags", multiple=True, type=Pair())
@click.option("--metadata", multiple=True, type=Pair(), help="Your own data, handed back with the message.")
@click.option("--header", "headers", multiple=True, type=Pair(":"))
@click.option("--at", "scheduled_at", metavar="MOMENT", help='Later: "in 1 hour", 2026-12-24T18:00:00Z.')
@click.option("--expires-at", type=Moment(), help="After this it is worthless.")
@click.option("--bulk", is_flag=True, help="In the lane for bulk mail.")
@click.option(
    "--hold", is_flag=True, help="If nobody can tell whether it was sent, hold it (default: send again)."
)
@click.option("--unsubscribe", is_flag=True, help="With a link and a button to unsubscribe.")
@click.option("--idempotency-key", metavar="KEY", help="By default a new one, so that a repeat here is safe.")
@click.option("--wait", is_flag=True, help="Follow it to its end; the exit status tells how that was.")
@click.option(
    "--timeout", type=click.FloatRange(0), default=60.0, show_default=True, help="Seconds to follow it."
)
@connected
def command(
    output: Output,
    gateway: Gateway,
    *,
    text: str | None,
    text_file: str | None,
    html_file: str | None,
    idempotency_key: str | None,
    wait: bool,
    timeout: float,
    **fields: Any,
) -> int:
    """Send one e-mail, and perhaps wait for its end.

    Without --body, --text, --html and --template the text is read from the standard input.
    """
    message = composed(Body(text, text_file, html_file, may_ask=not sys.stdin.isatty()), **fields)
    key = idempotency_key or str(uuid.uuid4())
    _check_key(key)
    accepted = gateway.post("/emails", message, headers={"Idempotency-Key": key})
    if not wait:
        output.object({**accepted, "idempotency_key": key}, accepted["id"])
        return DONE
    output.object({**accepted, "idempotency_key": key}, f"Accepted: {accepted['id']}")
    status = follow(gateway, output, accepted["id"], timeout)
    output.note(f"Status: {coloured(status)}")
    return DONE if status in WELL else PARTLY


def _check_key(key: str) -> None:
    if not (key.isascii() and key.isprintable() and 1 <= len(key) <= 256):
        raise Failure("--idempotency-key: must be 1 to 256 printable ASCII characters", MISUSED)
