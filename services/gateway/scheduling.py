"""What can still be changed about a message that waits for its time: whoever asks, and however."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.gateway import problems
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.schedule import Schedule
from services.gateway.problems import FieldError


@dataclass(frozen=True, slots=True)
class Scheduling:
    """Each method raises :class:`LedgerUnavailableError` if nothing was done, and problems.

    They are 404, the tenant has no such message; 409, it is not scheduled (any more).
    """

    ledger: Ledger
    schedule: Schedule

    async def reschedule(self, tenant: str, message_id: UUID, moment: datetime) -> None:
        """Give it another time.

        Raises:
            Problem: 422, it would have expired by then; and as above.
        """
        row = await self._find(tenant, message_id)
        if row.expires_at is not None and row.expires_at <= moment:
            late = FieldError("/scheduled_at", "must be earlier than the message expires")
            raise problems.invalid_fields([late])
        await self._changed(tenant, message_id, self.schedule.reschedule(tenant, message_id, moment))

    async def cancel(self, tenant: str, message_id: UUID) -> None:
        """Have it never leave."""
        await self._find(tenant, message_id)
        await self._changed(tenant, message_id, self.schedule.cancel(tenant, message_id))

    async def _changed(self, tenant: str, message_id: UUID, change: Awaitable[bool]) -> None:
        if not await change:
            raise problems.not_scheduled((await self._find(tenant, message_id)).status)

    async def _find(self, tenant: str, message_id: UUID) -> Any:
        row = await self.ledger.find(tenant, message_id)
        if row is None:
            raise problems.not_found()
        return row
