"""The command ``pillarbox`` itself: which commands there are, each imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import Final

import click

from pillarbox.failures import colours

COMMANDS: Final = MappingProxyType(
    {
        "send": "Send one e-mail, and perhaps wait for its end.",
        "show": "Show a message and its timeline.",
        "list": "List messages, the newest first.",
        "tail": "Show what happens to messages while it happens.",
        "import": "Send a template to everybody in a file.",
        "replay": "Send messages once more that did not get through.",
        "hold": "Decide on messages that may have been sent, or not.",
        "suppress": "Keep mail away from addresses, or let it go there again.",
        "templates": "Keep templates in files; list and try those of the gateway.",
        "keys": "Make, list and revoke API keys of your tenant.",
        "doctor": "Say what is wrong, and what to do about it.",
        "migrate": "Bring the ledger's schema up to date, where the gateway is installed.",
        "open": "Print the dashboard's address, and perhaps open it.",
        "completion": "Print the completion of a shell.",
    }
)
"""Names, and what the list says of each; the module of a command has its name."""


class LazyGroup(click.Group):
    """A group that imports a command only to run it: help and completion must not wait for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"pillarbox.commands.{cmd_name}_command").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _tell_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's
    if wanted and not ctx.resilient_parsing:
        from pillarbox.version import version  # noqa: PLC0415 - takes longer than all the rest

        click.echo(f"pillarbox {version()}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="The gateway: --url and --api-key of each command, PILLARBOX_URL and PILLARBOX_API_KEY, the file "
    "~/.config/pillarbox/config.toml, or what `make run` is running.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_tell_version,
    help="Show the version.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Send e-mail through Pillarbox, see what becomes of it, and run it."""
    ctx.color = colours()
