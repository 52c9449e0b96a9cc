"""What the relay needs of a broker, whatever the broker is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol
from uuid import UUID


class Publishable(Protocol):
    """A signature, ready to be published."""

    @property
    def id(self) -> UUID:
        """The Celery task id."""

    @property
    def task(self) -> str:
        """The task's name."""

    @property
    def queue(self) -> str:
        """The queue, and routing key."""

    @property
    def arguments(self) -> bytes:
        """The task's keyword arguments, as JSON."""

    @property
    def trace(self) -> str | None:
        """The trace that it belongs to: see :mod:`services.gateway.relay.wire`."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A :class:`Publishable` that is no message of the ledger."""

    id: UUID
    task: str
    queue: str
    arguments: bytes
    trace: str | None = None


class Link(Enum):
    """How the connection to the broker is."""

    UP = auto()
    BLOCKED = auto()
    """Connected, but the broker asked publishers to wait (its memory or disk alarm)."""
    DOWN = auto()


@dataclass(slots=True)
class Published:
    """What became of a batch; an entry in neither list is in doubt, and is published again later."""

    confirmed: list[UUID] = field(default_factory=list)
    """The broker has these, safely."""
    unroutable: list[UUID] = field(default_factory=list)
    """The broker has no queue for these."""
    error: Exception | None = None
    """Why the batch ended early; the connection is of no use any more."""


class Publisher(Protocol):
    """A blocking connection to the broker; every method is called from one thread only."""

    def connect(self) -> None:
        """Connect anew, dropping what was there before.

        Raises:
            Exception: Whatever kombu makes of a broker that is away.
        """

    def publish(self, batch: Sequence[Publishable]) -> Published:
        """Publish all of ``batch`` and wait for the broker's word on each; never raises."""

    def keep_alive(self) -> Link:
        """Serve heartbeats while nothing is published, and say how the connection is."""

    def depth(self, queue: str) -> int | None:
        """Count the messages that wait in ``queue``; None when there is no such queue.

        Raises:
            Exception: The broker does not answer.
        """

    def close(self) -> None:
        """Let go of the connection, without waiting for a broker that may be gone."""
