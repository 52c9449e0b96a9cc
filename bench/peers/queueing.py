"""What a peer's way of queueing has to offer, so that one front and one filler serve them all."""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast


class Queueing(Protocol):
    """A module ``with_*``: publishes one e-mail, durably and confirmed, for its own workers."""

    async def start(self) -> None:
        """Connect."""

    async def publish(self, email: dict[str, Any]) -> str:
        """Publish, and return the message's id once the broker has it."""

    async def stop(self) -> None:
        """Disconnect."""


def queueing(name: str) -> Queueing:
    """Import one by its name, such as ``with_celery``."""
    return cast("Queueing", importlib.import_module(f"bench.peers.{name}"))
