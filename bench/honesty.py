"""Whether a measurement may be believed: what was answered is what was kept, queued and delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """What each party counted in one measurement; None for one that had no part in it."""

    accepted: int
    """Messages behind a 202, as the caller counted them."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Everything else that a caller got, by kind."""
    ledger: int | None = None
    """Rows in the ledger."""
    broker: int | None = None
    """Messages in the broker's queues."""
    provider: int | None = None
    """Messages that arrived at the provider."""
    doubled: int = 0
    """Those that arrived there again."""

    def problems(self) -> list[str]:
        """Give what speaks against the measurement; nothing if it counts."""
        told = [f"{count} × {kind}" for kind, count in self.errors.items() if count]
        if not self.accepted:
            told.append("nothing was accepted")
        parties = {"ledger": self.ledger, "broker": self.broker, "provider": self.provider}
        told += [
            f"{self.accepted} accepted, but {count} at the {party}"
            for party, count in parties.items()
            if count is not None and count != self.accepted
        ]
        if self.doubled:
            told.append(f"{self.doubled} arrived more than once")
        return told
