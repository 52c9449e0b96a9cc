"""``pillarbox templates``: templates in files, and on the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from pillarbox.failures import MISUSED, Failure
from pillarbox.gateway import Gateway
from pillarbox.options import connected
from pillarbox.output import Output, visible
from pillarbox.template_files import comparable, files_of, read_folder
from pillarbox.values import Pair, read_object

_COLUMNS: Final = ("id", "alias", "name", "status", "has_unpublished_versions", "read_only", "updated_at")


@click.group("templates")
def command() -> None:
    """Keep templates in files; list and try those of the gateway."""


@command.command("list")
@connected
def list_templates(output: Output, gateway: Gateway) -> None:
    """List templates, the newest first."""
    output.rows(gateway.pages("/templates"), _COLUMNS, nothing="There is no template.")


@command.command("push")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--only", "aliases", multiple=True, metavar="ALIAS", help="Only this one; repeat for more.")
@click.option("--draft", is_flag=True, help="Do not publish them: messages are made as before.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@connected
def push(
    output: Output, gateway: Gateway, folder: Path, aliases: tuple[str, ...], *, draft: bool, dry_run: bool
) -> None:
    """Make the gateway's templates those of FOLDER, and publish them.

    Its files are <alias>.subject.txt, <alias>.html, <alias>.txt and <alias>.json; templates that have no
    files stay as they are.
    """
    templates = read_folder(folder)
    if unknown := set(aliases) - templates.keys():
        raise Failure(f"{folder}: there is no template {', '.join(sorted(unknown))}", MISUSED)
    for alias, template in templates.items():
        if not aliases or alias in aliases:
            try:
                done = _push(gateway, template, draft=draft, dry_run=dry_run)
            except Failure as failure:
                message = f"{folder / alias}: {failure.message}"
                raise Failure(message, failure.status, details=failure.details) from None
            output.object({"alias": alias, "done": done}, f"{alias}\t{done}")


@command.command("pull")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite files that differ.")
@connected
def pull(output: Output, gateway: Gateway, folder: Path, *, force: bool) -> None:
    """Write the gateway's templates, in their latest versions, into FOLDER."""
    for summary in list(gateway.pages("/templates")):
        if summary["alias"] is None:
            output.note(f"{summary['name']} has no alias, so no file could be named after it.")
            continue
        template = gateway.get(f"/templates/{summary['id']}")
        for name, content in files_of(template):
            _write(folder / name, content, force=force)
        output.object({"alias": summary["alias"], "done": "written"}, f"{summary['alias']}\twritten")


@command.command("publish")
@click.argument("template", metavar="ID")
@connected
def publish(output: Output, gateway: Gateway, template: str) -> None:
    """Make messages from the latest version."""
    output.object(gateway.post(f"{_path(template)}/publish"), f"{template}\tpublished")


@command.command("preview")
@click.argument("template", metavar="ID")
@click.option("--var", "variables", multiple=True, type=Pair(), help="A variable; repeat for more.")
@click.option("--vars", "variables_file", metavar="FILE", help="Variables as one JSON object.")
@click.option("--part", type=click.Choice(["subject", "text", "html"]), help="Only this part.")
@connected
def preview(
    output: Output,
    gateway: Gateway,
    template: str,
    *,
    variables: tuple[tuple[str, str], ...],
    variables_file: str | None,
    part: str | None,
) -> None:
    """Render the latest version, and send nothing."""
    given = {**(read_object(variables_file) if variables_file else {}), **dict(variables)}
    rendered = gateway.post(f"{_path(template)}/preview", {"variables": given})
    if part is not None:
        output.object({part: rendered[part]}, visible(rendered[part] or ""))
        return
    parts = [f"{click.style(name, bold=True)}\n{visible(text)}\n" for name, text in rendered.items() if text]
    output.object(rendered, "\n".join(parts).rstrip("\n"))


def _path(template: str) -> str:
    return f"/templates/{quote(template, safe='')}"


def _push(gateway: Gateway, template: dict[str, Any], *, draft: bool, dry_run: bool) -> str:
    """Store a template if it differs, publish it if messages would not be made from it; say which."""
    path = _path(template["alias"])
    try:
        stored = gateway.get(path)
    except Failure as failure:
        if failure.details.get("name") != "not_found":
            raise
        stored = None
    same = stored is not None and comparable(stored) == comparable(template)
    published = same and stored["status"] == "published" and not stored["has_unpublished_versions"]
    if dry_run:
        return "unchanged" if same and (published or draft) else "would be pushed"
    if stored is None:
        gateway.post("/templates", template)
    elif not same:
        gateway.request("PATCH", path, body=template)
    if draft:
        return "unchanged" if same else "draft"
    if not published:
        gateway.post(f"{path}/publish")
    return "unchanged" if published else "published"


def _write(path: Path, content: str, *, force: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not force and path.read_bytes() != content.encode():
            raise Failure(f"{path} differs from what the gateway has: say --force to overwrite it.")
        path.write_bytes(content.encode())
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", MISUSED) from None
