"""One sample of every event that a provider documents, and what it means here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OURS = "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"
"""The message id that the mailer gave along."""

ANN = "ann@example.org"

Meaning = tuple[str, str | None, str | None]
"""Event, recipient, reason."""


@dataclass(frozen=True)
class Sample:
    """One event in the provider's words."""

    name: str
    event: dict[str, Any]
    means: tuple[Meaning, ...]
    """What it is recorded as; empty where it is of no use here."""
