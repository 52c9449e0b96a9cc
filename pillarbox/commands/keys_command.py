"""``pillarbox keys``: a tenant's API keys, over the API.

The first key of a tenant is made on the ledger itself: ``python -m services.gateway keys create``.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import click

from pillarbox.failures import PARTLY, Failure
from pillarbox.gateway import Gateway
from pillarbox.options import connected
from pillarbox.output import Output

_COLUMNS: Final = ("id", "name", "permission", "domains", "created_at", "last_used_at")


@click.group("keys")
def command() -> None:
    """Make, list and revoke API keys of your tenant."""


@command.command("create")
@click.argument("name")
@click.option(
    "--permission",
    type=click.Choice(["full_access", "sending_access", "read_access"]),
    default="sending_access",
    show_default=True,
)
@click.option(
    "--domain", "domains", multiple=True, help="It may send from; repeat for more (default: any of yours)."
)
@connected
def create(output: Output, gateway: Gateway, name: str, permission: str, domains: tuple[str, ...]) -> None:
    """Make a key and print it; nobody can show it again."""
    wanted = {"name": name, "permission": permission, **({"domains": domains} if domains else {})}
    made = gateway.post("/api-keys", wanted)
    output.note(f"Key {made['id']}:")
    output.object(made, made["token"])


@command.command("list")
@connected
def list_keys(output: Output, gateway: Gateway) -> None:
    """List the keys that are not revoked, the newest first."""
    output.rows(gateway.pages("/api-keys"), _COLUMNS, nothing="There is no key that the API knows of.")


@command.command("revoke")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@connected
def revoke(output: Output, gateway: Gateway, ids: tuple[str, ...]) -> None:
    """Make keys worthless, for ever."""
    missing = []
    for key_id in ids:
        try:
            gateway.request("DELETE", f"/api-keys/{quote(key_id, safe='')}")
        except Failure as failure:
            if failure.details.get("name") != "not_found":
                raise
            missing.append(key_id)
        else:
            output.object({"id": key_id, "deleted": True}, f"{key_id}\trevoked")
    if missing:
        raise Failure(f"There is no such key, or it is revoked already: {', '.join(missing)}", PARTLY)
