"""``pillarbox import``: a template to everybody in a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from pillarbox.failures import DONE, INTERRUPTED, PARTLY, Failure
from pillarbox.gateway import Gateway
from pillarbox.importing.campaign import GOOD, Campaign, Report
from pillarbox.importing.journal import Journal
from pillarbox.importing.progress import progress
from pillarbox.importing.rows import Recipients, Row
from pillarbox.options import connected
from pillarbox.output import Output, visible
from pillarbox.values import Moment, Pair

_SHOWN: Final = 20


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--template", required=True, metavar="ID", help="A published template, by its id or alias.")
@click.option("--from", "sender", metavar="ADDRESS", help="Who it is from, unless the template says so.")
@click.option("--column", default="email", show_default=True, help="Where the addresses are.")
@click.option(
    "--campaign", help="Its name: a recipient gets one message of it (default: template and file name)."
)
@click.option("--tag", "tags", multiple=True, type=Pair())
@click.option("--transactional", is_flag=True, help="Not in the lane for bulk mail.")
@click.option("--unsubscribe", is_flag=True, help="With a link and a button to unsubscribe.")
@click.option("--at", "scheduled_at", metavar="MOMENT", help="Later, such as 2026-12-24T18:00:00Z.")
@click.option("--expires-at", type=Moment(), help="After this it is worthless.")
@click.option(
    "--batch", type=click.IntRange(1, 1000), default=500, show_default=True, help="Messages a request."
)
@click.option("--patience", type=click.FloatRange(0), default=600.0, show_default=True,
              help="Seconds to wait for a gateway that is away or busy.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Read the file, and send nothing.")
@click.option(
    "--journal", type=click.Path(path_type=Path), help="What was done so far (default: beside FILE)."
)
@click.option(
    "--report", type=click.Path(path_type=Path), help="What became of each row (default: beside FILE)."
)
@connected
def command(
    output: Output,
    gateway: Gateway,
    file: Path,
    *,
    template: str,
    column: str,
    campaign: str | None,
    batch: int,
    patience: float,
    dry_run: bool,
    journal: Path | None,
    report: Path | None,
    **fields: Any,
) -> int:
    """Send a template to everybody in FILE: CSV with a heading, or NDJSON with one object a line.

    The other columns stand for the template's variables.  Bad rows are named, and stop nobody else's.
    The same command again goes on where it was stopped, and sends nothing twice.
    """
    gateway.patience = gateway.reach = patience
    recipients = Recipients(file, column, _kinds(gateway, template))
    total = sum(1 for _ in recipients.rows())
    for name in recipients.passed_over():
        output.note(f"The column {visible(name)!r} is no name of a variable, and is passed over.")
    if dry_run:
        return _rehearse(output, recipients, total)
    name = campaign or f"{template}:{file.name}"
    beside = f"{file.name}.{re.sub(r'[^A-Za-z0-9_-]+', '-', campaign or template)}"
    with (
        Journal(journal or file.with_name(f"{beside}.journal"), name) as done,
        Report(report or file.with_name(f"{beside}.report.csv")) as told,
        progress(output, total) as advance,
    ):
        complain = _Complaints(output)

        def on_row(row: Row, status: str, reason: str | None) -> None:
            advance()
            if status not in GOOD:
                complain(row, status, reason)

        running = Campaign(name, recipients, _message(template, **fields), done, told, on_row)
        try:
            running.run(gateway, batch)
        except KeyboardInterrupt:
            output.note("Stopped. The same command goes on from here.")
            return INTERRUPTED
    counts = dict(sorted(told.counts.items()))
    summary = ", ".join(f"{count:,} {status}" for status, count in counts.items()) or "no rows"
    output.object({"campaign": name, "rows": total, **counts, "report": str(told.path)},
                  f"{summary}; each row in {told.path}")  # fmt: skip
    return DONE if set(counts) <= GOOD else PARTLY


class _Complaints:
    """Names bad rows; a person sees the first ones, and the rest in the report."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told = 0

    def __call__(self, row: Row, status: str, reason: str | None) -> None:
        self._told += 1
        if self._output.as_json:
            self._output.line({"line": row.line, "status": status, "reason": reason})
        elif self._told <= _SHOWN:
            click.echo(f"line {row.line}: {status}: {visible(reason or '')}", err=True)
        elif self._told == _SHOWN + 1:
            click.echo("… and more, which the report names.", err=True)


def _kinds(gateway: Gateway, template: str) -> dict[str, str]:
    """The types of the template's variables, as far as the key may know them.

    Raises:
        Failure: There is no such template.
    """
    try:
        shown = gateway.get(f"/templates/{quote(template, safe='')}")
    except Failure as failure:
        if failure.details.get("name") == "restricted_api_key":
            return {}
        if failure.details.get("name") == "not_found":
            message = f"There is no template {template!r}."
            raise Failure(message, failure.status, details=failure.details) from None
        raise
    return {variable["key"]: variable["type"] for variable in shown["variables"] or ()}


def _message(
    template: str,
    *,
    sender: str | None,
    tags: tuple[tuple[str, str], ...],
    transactional: bool,
    **fields: Any,
) -> dict[str, Any]:
    message = {
        "from": sender,
        "template": {"id": template},
        "tags": [{"name": name, "value": value} for name, value in tags],
        "priority": "transactional" if transactional else "bulk",
        **fields,
    }
    return {name: value for name, value in message.items() if value}


def _rehearse(output: Output, recipients: Recipients, total: int) -> int:
    bad = [row for row in recipients.rows() if row.error]
    complain = _Complaints(output)
    for row in bad:
        complain(row, "refused", row.error)
    output.object(
        {"rows": total, "refused": len(bad)}, f"{total:,} rows, {len(bad):,} of them cannot be read"
    )
    return PARTLY if bad else DONE
