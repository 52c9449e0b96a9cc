"""How many of a mailer's slots are busy, as Celery knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

_TRIES: Final = 5


def busy(queue: str, underway: Callable[[], Iterable[Any]]) -> int:
    """Count the tasks *underway* out of *queue*; a retried one's key begins with Celery's delay bits."""
    keys = ((one.delivery_info or {}).get("routing_key") or "" for one in _still(underway))
    return sum(key == queue or key.endswith(f".{queue}") for key in keys)


def _still(underway: Callable[[], Iterable[Any]]) -> tuple[Any, ...]:
    """Take a copy of what other threads change meanwhile.

    Raises:
        RuntimeError: They never stopped to.
    """
    for _ in range(_TRIES):
        try:
            return tuple(underway())
        except RuntimeError:
            continue
    return tuple(underway())
