"""How long messages have been waiting for a mailer, told by two looks into an index for each lane."""

from __future__ import annotations

import sqlalchemy as sa

from services.gateway.ledger.schema import NOW, messages, moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.states import ACCEPTED, QUEUED
from shared.signatures import Lane

_PATIENCE = 5.0

# A replay has no time of its own in the row; it counts from its confirm.
_SINCE = sa.case(
    (messages.c.series > 0, messages.c.queued_at),
    else_=sa.func.coalesce(messages.c.scheduled_at, messages.c.accepted_at),
)
# In the order of their indexes, which is that of acceptance but for what was published again.
_IN_BROKER = (
    sa.select(_SINCE.label("since"), moment_in(0).label("now"))
    .where(messages.c.due_at.is_not(None), messages.c.queued_at.is_not(None), messages.c.status == QUEUED)
    .order_by(messages.c.due_at)
    .limit(1)
)
_IN_LEDGER = (
    sa.select(_SINCE.label("since"), moment_in(0).label("now"))
    .where(messages.c.due_at <= NOW, messages.c.queued_at.is_(None), messages.c.status == ACCEPTED)
    .order_by(messages.c.due_at)
    .limit(1)
)


class Waiting:
    """Raises what :class:`~services.gateway.ledger.sessions.Sessions` raises."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def oldest(self) -> dict[str, float]:
        """Give the age, in seconds, of each lane's oldest message that no mailer has begun; 0 if none waits.

        One that the relay has in its hands is not waiting yet.
        """
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            ages = {}
            for lane in Lane:
                rows = [
                    (await connection.execute(query.where(messages.c.lane == lane))).one_or_none()
                    for query in (_IN_BROKER, _IN_LEDGER)
                ]
                ages[str(lane)] = max(
                    (max((row.now - row.since).total_seconds(), 0.0) for row in rows if row and row.since),
                    default=0.0,
                )
        return ages
