"""The value that every fault is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

How = Literal["answer", "hang", "reset", "cut", "drip", "drip-head"]


@dataclass(frozen=True, slots=True)
class Fault:
    """How one request is treated."""

    name: str = "usual"
    accept: bool = False
    """Take the message over first, provided that it is a valid one."""
    how: How = "answer"
    delay: float = 0.0
    """Seconds to wait before the answer, or between two bytes of it."""
    status: int | None = None
    """None: whatever the provider would say."""
    headers: Mapping[str, str] = field(default_factory=dict)
    hint: tuple[str, float] | None = None
    """A form of :data:`.hints.HINTS` and its seconds, in place of every hint of the provider's own."""
    body: bytes | None = None
    """None: what the provider says with this status."""
    refused: frozenset[int] = frozenset()
    """Places, counted from 0, of the messages of a batch that the provider refuses."""

    @property
    def label(self) -> str | None:
        """What the record calls it; None for the usual treatment."""
        if self.name == "usual":
            return None
        return self.name if self.honest or not self.accept else f"accept-{self.name}"

    @property
    def honest(self) -> bool:
        """Whether the answer, if it is one, is the provider's own word on what became of the message."""
        return self.how == "answer" and self.status is None and self.body is None
