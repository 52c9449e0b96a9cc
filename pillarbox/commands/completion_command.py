"""``pillarbox completion``: what a shell needs to complete the commands and options."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

_HELP: Final = """Print the completion of a shell.

For good, in the shell's own start file:

\b
    bash   eval "$(pillarbox completion bash)"
    zsh    eval "$(pillarbox completion zsh)"
    fish   pillarbox completion fish | source
"""


@click.command("completion", help=_HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion of a shell."""
    from pillarbox.cli import cli  # noqa: PLC0415 - which imports this module only when it is asked for

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choices are those that click knows
    # Of the base class: bash's own would start a bash to look at its version.
    click.echo(ShellComplete.source(kind(cli, {}, "pillarbox", "_PILLARBOX_COMPLETE")))
