"""Who is calling: the tenant behind an API key, and what that key may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID


class Permission(StrEnum):
    """What an API key may be used for; the first two are Resend's words."""

    FULL = "full_access"
    """Everything, also making and revoking keys."""
    SENDING = "sending_access"
    """Submitting messages, and rescheduling or canceling them."""
    READING = "read_access"
    """Looking at everything but keys, changing nothing."""


DEVELOPMENT: Final = UUID(int=0)
"""The id of the development key."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of the API key that a request came with."""

    tenant: str
    """Whose messages, keys, suppressions and templates these are; nothing of another tenant is seen."""
    key_id: UUID
    permission: Permission
    domains: frozenset[str] | None = None
    """The domains it may send from, in lower case and A-labels; None for any."""
    rate: float | None = None
    """Requests a second; None for the gateway's default."""

    @property
    def is_development(self) -> bool:
        """Whether it is the key of a developer's own machine, which the ledger does not know of."""
        return self.key_id == DEVELOPMENT

    def may(self, needed: Permission) -> bool:
        """Whether the key suffices for a call that needs *needed*."""
        return self.permission in (Permission.FULL, needed)
