"""The account of webhooks: what is due, what is under way, and what became of each attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.ledger.reporting_tables import webhook_attempts, webhook_events, webhooks
from services.gateway.ledger.schema import NOW, moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.webhook_attempts import record_attempts
from shared.signatures import RecordWebhookAttempt

log = structlog.get_logger()

_ROWS: Final = 500
_PATIENCE: Final = 5.0
_ENDED: Final = {"status": "failed", "due_at": None}


@dataclass(frozen=True, slots=True)
class Due:
    """One attempt that is to be published now."""

    id: UUID
    attempt: int
    """Counted from 1."""
    url: str = field(repr=False)
    payload: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    """The current one first."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whether there is anything to be taken."""

    due: bool
    silent: bool
    """Published, and no word of it for too long."""


class WebhookEvents:
    """Every method is one transaction, and raises what :class:`Sessions` raises."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def waiting(self) -> Waiting:
        """Look whether there is anything to take."""
        looks = sa.select(*(sa.exists(_at_hand(status)) for status in ("pending", "attempting")))
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            return Waiting(*map(bool, (await connection.execute(looks)).one()))

    async def take(self, *, limit: int, lease: float, silent: bool = False) -> list[Due]:
        """Take what is due, or what was published and is *silent*; nobody else gets it for *lease* seconds.

        What is due for an endpoint that is disabled or deleted by now ends as failed.
        """
        at_hand = _at_hand("attempting" if silent else "pending").add_columns(
            *(webhook_events.c.webhook_id, webhook_events.c.attempts, webhook_events.c.payload)
        )
        first = at_hand.order_by(webhook_events.c.due_at).limit(limit).with_for_update(skip_locked=True)
        async with self._sessions.writing() as connection:
            rows = (await connection.execute(first)).all()
            endpoints = await _endpoints(connection, {row.webhook_id for row in rows})
            live = [row for row in rows if row.webhook_id in endpoints]
            if ended := [row.id for row in rows if row.webhook_id not in endpoints]:
                await connection.execute(_these(ended).values(**_ENDED))
            # A silent one may be under way all the same: it stays the attempt that it was.
            step = 0 if silent else 1
            if live:
                taken = _these([row.id for row in live]).values(
                    status="attempting", attempts=webhook_events.c.attempts + step, due_at=moment_in(lease)
                )
                await connection.execute(taken)
        return [_due(row, row.attempts + step, endpoints[row.webhook_id]) for row in live]

    async def give_back(self, attempts: Sequence[Due]) -> None:
        """Have it that these were not taken: the broker did not confirm them."""
        pending = {"status": "pending", "attempts": webhook_events.c.attempts - 1, "due_at": moment_in(0)}
        # The broker may have had some of them, and the mailer's word of those stands.
        still = _these([each.id for each in attempts]).where(webhook_events.c.status == "attempting")
        async with self._sessions.writing() as connection:
            await connection.execute(still.values(**pending))

    async def record(self, attempts: Sequence[RecordWebhookAttempt]) -> None:
        """Write down what became of attempts, and when the next ones are due; doubled ones change nothing."""
        async with self._sessions.writing() as connection:
            disabled = await record_attempts(connection, self._sessions.insert, attempts)
        for row in disabled:
            told = {"tenant": row.tenant, "webhook_id": str(row.id), "reason": row.disabled_reason}
            log.warning("webhook.disabled", **told)

    async def purge(self, seconds: float) -> int:
        """Delete events that are older and at their end; return how many, 0 if there are no more."""
        old = (
            sa.select(webhook_events.c.id)
            .where(webhook_events.c.created_at <= sa.select(moment_in(-seconds)).scalar_subquery())
            .where(webhook_events.c.due_at.is_(None))
            .order_by(webhook_events.c.created_at)
            .limit(_ROWS)
        )
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            if (await connection.execute(old.limit(1))).first() is None:
                return 0  # as nearly always, and no reason to ask for the right to write
        async with self._sessions.writing() as connection:
            ids = (await connection.execute(old.with_for_update(skip_locked=True))).scalars().all()
            of_these = webhook_attempts.c.webhook_event_id.in_(ids)
            await connection.execute(sa.delete(webhook_attempts).where(of_these))
            await connection.execute(sa.delete(webhook_events).where(webhook_events.c.id.in_(ids)))
        return len(ids)


def _at_hand(status: str) -> sa.Select[Any]:
    # Also said of a status that implies it, or the partial index could not be used.
    waits = webhook_events.c.due_at.is_not(None)
    its = (webhook_events.c.status == status, waits, webhook_events.c.due_at <= NOW)
    return sa.select(webhook_events.c.id).where(*its)


def _these(ids: Sequence[UUID]) -> sa.Update:
    return sa.update(webhook_events).where(webhook_events.c.id.in_(ids))


async def _endpoints(connection: AsyncConnection, ids: set[UUID]) -> dict[UUID, Any]:
    previous = sa.case((webhooks.c.previous_secret_until > NOW, webhooks.c.previous_secret))
    query = sa.select(webhooks.c.id, webhooks.c.endpoint, webhooks.c.secret, previous.label("previous"))
    rows = await connection.execute(query.where(webhooks.c.id.in_(ids), webhooks.c.status == "enabled"))
    return {row.id: row for row in rows}


def _due(row: Any, attempt: int, endpoint: Any) -> Due:
    secrets = (endpoint.secret,) if endpoint.previous is None else (endpoint.secret, endpoint.previous)
    return Due(row.id, attempt, endpoint.endpoint, row.payload, secrets)
