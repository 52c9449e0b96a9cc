"""Asking before much is done."""

from __future__ import annotations

import sys

import click

from pillarbox.failures import MISUSED, PARTLY, Failure


def confirm(question: str) -> None:
    """Go on only after a yes.

    Raises:
        Failure: There is nobody to ask, or the answer is no.
    """
    if not sys.stdin.isatty():
        raise Failure(f"{question} There is nobody to ask here: say --yes, or look with --dry-run.", MISUSED)
    if not click.confirm(question, err=True):
        raise Failure("Nothing was done.", PARTLY)
