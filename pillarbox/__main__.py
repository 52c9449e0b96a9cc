"""``pillarbox`` and ``python -m pillarbox``."""

from __future__ import annotations

import sys

from pillarbox.cli import cli
from pillarbox.failures import exit_status


def main() -> None:
    """Do what the command line asks for, and end with a status of :mod:`pillarbox.failures`."""
    sys.exit(exit_status(lambda: cli.main(prog_name="pillarbox", standalone_mode=False)))


if __name__ == "__main__":
    main()
