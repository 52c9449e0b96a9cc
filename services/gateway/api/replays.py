"""``/emails/{id}/replay`` and its like: sending once more what failed, and deciding on what is held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import structlog
from aiohttp import web
from pydantic import BaseModel, Field

from services.gateway import problems
from services.gateway.api.access import caller, needs
from services.gateway.api.emails import MESSAGE_ID, RESENDS, ask, named
from services.gateway.api.requests import BodyReader
from services.gateway.bulk_replay import SAMPLE, BulkReplay
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.renewal import Obstacle, Skipped
from services.gateway.ledger.replays import Replays
from services.gateway.problems import Problem
from services.gateway.states import RELEASED, REPLAYED
from services.gateway.submission.replay import ReplaySubmission
from services.gateway.submission.validation import read
from services.gateway.tenants.callers import Permission

log = structlog.get_logger()


class SkippedMessage(BaseModel):
    """A message that fits the filters, and was not sent once more."""

    id: UUID
    reason: str = Field(
        description="Why not; the word that a replay of this one message is answered with.",
        json_schema_extra={"enum": [each for each in Obstacle if each is not Obstacle.NOT_HELD]},
    )


class ReplayReport(BaseModel):
    """What became of a part of the messages that fit the filters."""

    object: Literal["replay"] = "replay"
    replayed: int = Field(description="Messages that are being sent once more.")
    skipped: list[SkippedMessage] = Field(description="Messages that are not.")
    has_more: bool = Field(description="Whether there are more that fit.")
    next: UUID | None = Field(description="What to give as `after` to go on; null at the end.")


class ReplayPreview(BaseModel):
    """What a replay would be about."""

    object: Literal["replay"] = "replay"
    dry_run: Literal[True] = True
    count: int = Field(description="Messages that fit the filters.")
    sample: list[UUID] = Field(description=f"The newest {SAMPLE} of them.")


@dataclass(frozen=True, slots=True)
class ReplayHandlers:
    """The handlers, with what they need."""

    replays: Replays
    bulk: BulkReplay
    body: BodyReader

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        return (
            web.post("/emails/replay", self.replay_emails),
            web.post("/emails/{id}/replay", self.replay_email),
            web.post("/emails/{id}/release", self.release_email),
            web.post("/emails/{id}/drop", self.drop_email),
        )

    @needs(Permission.SENDING)
    async def replay_email(self, request: web.Request) -> web.Response:
        """Send a message once more that failed, was suppressed, or is held."""
        await self._again(request, REPLAYED)
        log.info("message.replayed", **_about(request), message_id=str(named(request)))
        return _changed(request, status=202)

    @needs(Permission.SENDING)
    async def release_email(self, request: web.Request) -> web.Response:
        """Send a held message once more, although it may have been sent."""
        await self._again(request, RELEASED)
        log.info("message.released", **_about(request), message_id=str(named(request)))
        return _changed(request, status=202)

    @needs(Permission.SENDING)
    async def drop_email(self, request: web.Request) -> web.Response:
        """Give a held message up."""
        message_id = request[MESSAGE_ID] = named(request)
        if skipped := await ask(self.replays.drop(caller(request).tenant, message_id)):
            raise _problem(skipped)
        log.info("message.dropped", **_about(request), message_id=str(message_id))
        return _changed(request, status=200)

    @needs(Permission.SENDING)
    async def replay_emails(self, request: web.Request) -> web.Response:
        """Send once more what fits the filters, a part at a time; or tell what that would be."""
        asked = read(ReplaySubmission, await self.body.read(request))
        filters = Filters(asked.status, asked.to, asked.tag, asked.since, asked.until, asked.reason)
        tenant = caller(request).tenant
        if asked.dry_run:
            preview = await ask(self.bulk.preview(tenant, filters))
            return _answer(ReplayPreview(count=preview.count, sample=preview.sample), status=200)
        request[RESENDS] = True
        done = await ask(self.bulk.page(tenant, filters, limit=asked.limit, after=asked.after))
        log.info("message.replayed", **_about(request), messages=done.replayed, skipped=len(done.skipped))
        skipped = [SkippedMessage(id=each.id, reason=each.obstacle) for each in done.skipped]
        more = {"has_more": done.next is not None, "next": done.next}
        return _answer(ReplayReport(replayed=done.replayed, skipped=skipped, **more), status=202)

    async def _again(self, request: web.Request, event: str) -> None:
        request[RESENDS] = True
        message_id = request[MESSAGE_ID] = named(request)
        again = await ask(self.replays.again(caller(request).tenant, [message_id], event))
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


def _about(request: web.Request) -> dict[str, str]:
    who = caller(request)
    return {"tenant": who.tenant, "by": str(who.key_id)}


def _changed(request: web.Request, *, status: int) -> web.Response:
    return web.json_response({"object": "email", "id": str(named(request))}, status=status)


def _answer(body: BaseModel, *, status: int) -> web.Response:
    return web.json_response(body.model_dump(mode="json"), status=status)
