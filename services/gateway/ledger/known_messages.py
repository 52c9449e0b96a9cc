"""What recording an event needs to know of its message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from services.gateway.submission.addresses import comparable


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """A message of the ledger, without its bodies."""

    id: UUID
    tenant: str
    accepted_at: datetime
    scheduled_at: datetime | None
    content: bytes
    """Its summary as JSON; empty for a message of version 0.1, which had none."""
    trace: str | None = None
    """The trace that it belongs to."""

    def tags(self) -> tuple[str, ...]:
        """Its tags, as ``name:value``."""
        if b'"tags"' not in self.content:
            return ()
        return tuple(f"{tag['name']}:{tag['value']}" for tag in self._read().get("tags", ()))

    def concerned(self, recipient: str | None) -> str | None:
        """Tell which of its recipients an event is about, in comparable form; None if nobody can tell.

        Whatever the provider calls the only one: it is he.
        """
        everybody = self._recipients()
        named = recipient and comparable(recipient)
        if named in everybody:
            return named
        return everybody.pop() if len(everybody) == 1 else None

    def _recipients(self) -> set[str]:
        content = self._read()
        if "email" in content:
            return {comparable(content["email"])}
        lists = (content.get(name, ()) for name in ("to", "cc", "bcc"))
        return {comparable(address["email"]) for some in lists for address in some}

    def _read(self) -> dict[str, Any]:
        content: dict[str, Any] = from_json(self.content) if self.content else {}
        return content
