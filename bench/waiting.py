"""Waiting for something to have happened, without being the one who keeps the machine busy."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 900.0


class TooLateError(Exception):
    """What was awaited did not come."""


def wait(
    look: Callable[[], object], what: str, *, period: float = 0.25, patience: float = PATIENCE_SECONDS
) -> float:
    """Look every ``period`` seconds until it is so, and return how many seconds that took.

    Raises:
        TooLateError: It was not so within ``patience`` seconds.
    """
    begun = time.monotonic()
    while not look():
        if time.monotonic() - begun > patience:
            raise TooLateError(f"waited {patience:g} s in vain for {what}")
        time.sleep(period)
    return time.monotonic() - begun
