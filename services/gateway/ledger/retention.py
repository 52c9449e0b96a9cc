"""What the ledger does not keep for ever: bodies of messages that have ended, and idempotency keys.

Everything happens in small batches, each a transaction of a few milliseconds, so that nobody who
sends has to wait for it.  Several gateways share the work: rows are taken with ``SKIP LOCKED``.

The body of a message that may still be sent is never purged, however old it is: one that is
scheduled, that waits for a broker, or that is held because its outcome is uncertain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from pydantic import ValidationError

from services.gateway.acceptance.entries import summarise
from services.gateway.ledger.schema import idempotency_keys, messages, moment_in
from services.gateway.ledger.sessions import Sessions
from services.gateway.states import CANCELED
from shared.signatures import Event

_ROWS: Final = 100
_BYTES: Final = 4_000_000
_KEYS: Final = 500
_PATIENCE: Final = 5.0

_ENDED = (
    messages.c.due_at.is_(None),
    messages.c.purged_at.is_(None),
    # Nothing is due, but whoever decides may want it sent.
    messages.c.status != Event.HELD,
)
_PURGED = {"arguments": b"", "purged_at": moment_in(0)}
_DELETE_KEY = sa.delete(idempotency_keys).where(
    idempotency_keys.c.tenant == sa.bindparam("of"), idempotency_keys.c.key == sa.bindparam("named")
)


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of some of the old messages."""

    purged: int
    last: UUID | None
    """Where the next batch begins; None if this was the end."""


class Retention:
    """Each method is a batch of its own, and raises what :class:`Sessions` raises."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def purge(self, seconds: float, *, after: UUID | None = None) -> Batch:
        """Purge the bodies of messages that ended and are older than *seconds*, the oldest first.

        The age of a scheduled message counts from the time that it was scheduled for.
        """
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            old = (await connection.execute(_old(seconds, after))).all()
        some = _within_budget(old)
        ripe = [row for row in some if row.ripe]
        purged = await self._purge([row.id for row in ripe if row.summarised], _PURGED)
        for row in ripe:
            if not row.summarised:
                purged += await self._purge_unsummarised(row.id, row.task)
        return Batch(purged, None if len(some) == len(old) < _ROWS else some[-1].id)

    async def delete_keys(self, seconds: float) -> int:
        """Delete idempotency keys older than *seconds*; return how many, 0 if there are no more."""
        old = (
            sa.select(idempotency_keys.c.tenant, idempotency_keys.c.key)
            .where(idempotency_keys.c.created_at <= _ago(seconds))
            .order_by(idempotency_keys.c.created_at)
            .limit(_KEYS)
        )
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            if (await connection.execute(old.limit(1))).first() is None:
                return 0  # as nearly always, and no reason to ask for the right to write
        async with self._sessions.writing() as connection:
            free = await connection.execute(old.with_for_update(skip_locked=True))
            if doomed := [{"of": row.tenant, "named": row.key} for row in free]:
                await connection.execute(_DELETE_KEY, doomed)
        return len(doomed)

    async def _purge(self, ids: Sequence[UUID], values: dict[str, Any]) -> int:
        if not ids:
            return 0
        free = (
            sa.select(messages.c.id).where(messages.c.id.in_(ids), *_ENDED).with_for_update(skip_locked=True)
        )
        change = sa.update(messages).where(messages.c.id.in_(free)).values(**values)
        async with self._sessions.writing() as connection:
            return (await connection.execute(change)).rowcount

    async def _purge_unsummarised(self, message_id: UUID, task: str) -> int:
        """Purge a message of version 0.1, which had no summaries; alone, as its arguments may be large."""
        query = sa.select(messages.c.arguments).where(messages.c.id == message_id, *_ENDED)
        async with self._sessions.reading() as connection:
            arguments = (await connection.execute(query)).scalar_one_or_none()
        try:
            summary = summarise(task, arguments or b"")
        except ValidationError:
            return 0  # purged meanwhile, or nothing that can be shown without its body
        return await self._purge([message_id], _PURGED | {"summary": summary})


def _ago(seconds: float) -> sa.ScalarSelect[Any]:
    # As a subquery it has one value per statement, and an index can be searched for that.
    return sa.select(moment_in(sa.literal(-seconds, sa.Float))).scalar_subquery()


def _old(seconds: float, after: UUID | None) -> sa.Select[Any]:
    scheduled_at, accepted_at = messages.c.scheduled_at, messages.c.accepted_at
    ripe = scheduled_at.is_(None) | (scheduled_at <= _ago(seconds)) | (messages.c.status == CANCELED)
    query = sa.select(
        messages.c.id,
        messages.c.task,
        messages.c.summary.is_not(None).label("summarised"),
        sa.func.length(messages.c.arguments).label("size"),
        ripe.label("ripe"),
    ).where(*_ENDED, accepted_at <= _ago(seconds))
    if after is not None:
        since = sa.select(accepted_at).where(messages.c.id == after).scalar_subquery()
        behind = (accepted_at > since) | (messages.c.id > after)
        query = query.where(accepted_at >= since, behind)
    return query.order_by(accepted_at, messages.c.id).limit(_ROWS)


def _within_budget(rows: Iterable[Any]) -> list[Any]:
    """The first rows whose bodies can be removed in one transaction; at least one."""
    some: list[Any] = []
    total = 0
    for row in rows:
        total += row.size
        if some and total > _BYTES:
            break
        some.append(row)
    return some
