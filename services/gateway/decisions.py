"""What people decide of messages that have come to an end, or are held: whoever asks, and however."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import structlog

from services.gateway import problems
from services.gateway.bulk_replay import BulkReplay, Done
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.renewal import Obstacle, Skipped
from services.gateway.ledger.replays import Replays
from services.gateway.problems import Problem
from services.gateway.states import RELEASED, REPLAYED
from services.gateway.tenants.callers import Caller

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Decisions:
    """Each method logs who did it, and raises :class:`LedgerUnavailableError` if nothing was done."""

    replays: Replays
    bulk: BulkReplay

    async def replay(self, who: Caller, message_id: UUID) -> None:
        """Send a message once more that failed, was suppressed, or is held.

        Raises:
            Problem: 404; 409 or 410, there is something against it.
        """
        await self._again(who, message_id, REPLAYED)
        log.info("message.replayed", **_about(who), message_id=str(message_id))

    async def release(self, who: Caller, message_id: UUID) -> None:
        """Send a held message once more, although it may have been sent.

        Raises:
            Problem: 404; 409 or 410, there is something against it.
        """
        await self._again(who, message_id, RELEASED)
        log.info("message.released", **_about(who), message_id=str(message_id))

    async def drop(self, who: Caller, message_id: UUID) -> None:
        """Give a held message up.

        Raises:
            Problem: 404; 409, it is not held.
        """
        if skipped := await self.replays.drop(who.tenant, message_id):
            raise _problem(skipped)
        log.info("message.dropped", **_about(who), message_id=str(message_id))

    async def replay_page(
        self, who: Caller, filters: Filters, *, limit: int, after: UUID | None = None
    ) -> Done:
        """Send once more at most *limit* of what fits: of the newest, or of the next ones *after*."""
        done = await self.bulk.page(who.tenant, filters, limit=limit, after=after)
        log.info("message.replayed", **_about(who), messages=done.replayed, skipped=len(done.skipped))
        return done

    async def _again(self, who: Caller, message_id: UUID, event: str) -> None:
        again = await self.replays.again(who.tenant, [message_id], event)
        for skipped in again.skipped:
            raise _problem(skipped)


def _problem(skipped: Skipped) -> Problem:
    match skipped.obstacle:
        case Obstacle.NOT_FOUND:
            return problems.not_found()
        case Obstacle.NOT_HELD:
            return problems.not_held(skipped.status or "")
        case Obstacle.EXPIRED:
            return problems.message_expired()
        case Obstacle.PURGED:
            return problems.body_purged()
        case Obstacle.SUPPRESSED:
            return problems.recipients_suppressed()
        case _:
            return problems.not_replayable(skipped.status or "")


def _about(who: Caller) -> dict[str, str]:
    return {"tenant": who.tenant, "by": str(who.key_id)}
