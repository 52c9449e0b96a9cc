"""``/emails/{id}/replay`` and its like: sending once more what failed, and deciding on what is held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, Field

from services.gateway.api.access import caller, needs
from services.gateway.api.emails import MESSAGE_ID, RESENDS, ask, named
from services.gateway.api.requests import BodyReader
from services.gateway.bulk_replay import SAMPLE
from services.gateway.decisions import Decisions
from services.gateway.ledger.renewal import Obstacle
from services.gateway.submission.replay import ReplaySubmission
from services.gateway.submission.validation import read
from services.gateway.tenants.callers import Permission


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

    decisions: Decisions
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
        request[RESENDS] = True
        await ask(self.decisions.replay(caller(request), _about(request)))
        return _changed(request, status=202)

    @needs(Permission.SENDING)
    async def release_email(self, request: web.Request) -> web.Response:
        """Send a held message once more, although it may have been sent."""
        request[RESENDS] = True
        await ask(self.decisions.release(caller(request), _about(request)))
        return _changed(request, status=202)

    @needs(Permission.SENDING)
    async def drop_email(self, request: web.Request) -> web.Response:
        """Give a held message up."""
        await ask(self.decisions.drop(caller(request), _about(request)))
        return _changed(request, status=200)

    @needs(Permission.SENDING)
    async def replay_emails(self, request: web.Request) -> web.Response:
        """Send once more what fits the filters, a part at a time; or tell what that would be."""
        asked = read(ReplaySubmission, await self.body.read(request))
        filters = asked.wanted()
        if asked.dry_run:
            preview = await ask(self.decisions.bulk.preview(caller(request).tenant, filters))
            return _answer(ReplayPreview(count=preview.count, sample=preview.sample), status=200)
        request[RESENDS] = True
        done = await ask(
            self.decisions.replay_page(caller(request), filters, limit=asked.limit, after=asked.after)
        )
        skipped = [SkippedMessage(id=each.id, reason=each.obstacle) for each in done.skipped]
        more = {"has_more": done.next is not None, "next": done.next}
        return _answer(ReplayReport(replayed=done.replayed, skipped=skipped, **more), status=202)


def _about(request: web.Request) -> UUID:
    """The message that the path names, which the log line names, too."""
    message_id = request[MESSAGE_ID] = named(request)
    return message_id


def _changed(request: web.Request, *, status: int) -> web.Response:
    return web.json_response({"object": "email", "id": str(named(request))}, status=status)


def _answer(body: BaseModel, *, status: int) -> web.Response:
    return web.json_response(body.model_dump(mode="json"), status=status)
