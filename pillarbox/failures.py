"""What a command ends with, and how it says why.

Each kind of failure has an exit status of its own, so that a script can tell them apart.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import click

DONE: Final = 0
PARTLY: Final = 1
"""It was done in part only, or did not end well: a message failed, a check found something."""
MISUSED: Final = 2
"""The command line, or a file that it names, cannot be used."""
REFUSED: Final = 3
"""The gateway refuses this."""
UNREACHABLE: Final = 4
"""There is no gateway, or it cannot do it now; trying again later may help."""
FORBIDDEN: Final = 5
"""There is no API key, or it is not good for this."""
INTERRUPTED: Final = 130
"""By Ctrl-C, as shells have it."""


def colours() -> bool | None:
    """Whether colours are wanted: never with ``NO_COLOR`` (https://no-color.org), else on a terminal."""
    return False if os.environ.get("NO_COLOR") else None


class Failure(click.ClickException):
    """The end of a command, with a sentence for whoever typed it."""

    as_json = False
    """Whether a program reads it."""

    def __init__(self, message: str, status: int = PARTLY, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.details = details or {}

    def show(self, file: Any = None) -> None:
        """Say it, with every field that was refused."""
        del file  # it is always the standard error output
        if self.as_json:
            told = {**self.details, "message": self.message, "exit_status": self.status}
            click.echo(json.dumps(told, ensure_ascii=False), err=True)
            return
        click.echo(f"{click.style('Error:', fg='red')} {self.message}", err=True, color=colours())
        for error in self.details.get("errors", ()):
            click.echo(f"  {error['pointer'] or '(the body)'}  {error['message']}", err=True)


def exit_status(run: Callable[[], object]) -> int:
    """Run a command; say on the standard error output why it failed, and return its exit status."""
    try:
        ended = run()
        sys.stdout.flush()
    except Failure as failure:
        failure.show()
        return failure.status
    except click.ClickException as failure:
        failure.show()
        return failure.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has read enough; the interpreter would complain of what it cannot flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return ended if isinstance(ended, int) else DONE
