"""``GET /events``: what happens to a tenant's messages, as Server-Sent Events.

https://html.spec.whatwg.org/multipage/server-sent-events.html says what is sent, and what a client
does: it comes back by itself, and names the last event that it has seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, Field
from pydantic_core import to_json

from services.gateway import problems
from services.gateway.api.access import caller, needs
from services.gateway.api.authentication import identify
from services.gateway.api.emails import ask
from services.gateway.api.in_flight import SLOT
from services.gateway.api.middlewares import head
from services.gateway.event_stream import EventStreams, Stream
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.feed import FeedEvent, Position
from services.gateway.problems import FieldError, Problem
from services.gateway.states import CANCELED, DROPPED, RELEASED, REPLAYED, SCHEDULED
from services.gateway.tenants.callers import Permission
from services.gateway.tenants.keyring import Keyring
from shared.signatures import Event, Feedback

LAST_EVENT_ID: Final = "Last-Event-ID"

_GATEWAYS = (SCHEDULED, "rescheduled", CANCELED, "recipients_suppressed", "unroutable")
_BROUGHT_BACK = (REPLAYED, RELEASED, DROPPED)
TYPES: Final[tuple[str, ...]] = tuple(
    dict.fromkeys(f"email.{word}" for word in (*_GATEWAYS, *_BROUGHT_BACK, *Event, *Feedback))
)
"""What a stream can be narrowed to; a newer mailer may tell of more."""

_RETRY_MS: Final = 2000
_LONGEST_WRITE_SECONDS: Final = 30.0
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep it back until it has a whole buffer
}


class StreamedData(BaseModel):
    """The event itself: a line of the message's timeline, with the message's id."""

    email_id: UUID
    event: str = Field(description="What happened, as in the message's timeline.")
    actor: str = Field(description="Who reported it.")
    attempt: int = Field(description="Which attempt it belongs to, from 1; 0 if to none.")
    provider: str | None
    provider_message_id: str | None
    recipient: str | None = Field(description="The one among the recipients whom it is about, if known.")
    reason: str | None
    retry_at: datetime | None = Field(description="When the next attempt is due.")


class StreamedEvent(BaseModel):
    """What stands in the ``data`` of one event of the stream, in one line."""

    type: str = Field(description="`email.` and the event's word.")
    created_at: datetime = Field(description="When it happened, by the clock of who reported it.")
    data: StreamedData


@dataclass(frozen=True, slots=True)
class EventStreamHandlers:
    """The handler, with what it needs.  ``heartbeat`` is in seconds."""

    streams: EventStreams
    keyring: Keyring
    heartbeat: float

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's route."""
        return (web.get("/events", self.get_events, allow_head=False),)

    async def end(self, _: web.Application) -> None:
        """End all streams, so that the process need not wait for them."""
        await self.streams.close()

    @needs(Permission.READING)
    async def get_events(self, request: web.Request) -> web.StreamResponse:
        """Tell what happens until the caller goes away, its key is revoked, or the gateway stops."""
        position, types = _read(request)
        stream = await ask(self.streams.open(caller(request), position, lambda: request.transport is None))
        response = web.StreamResponse(headers=_HEADERS)
        try:
            head(request, response)
            await response.prepare(request)
            request[SLOT].release()
            # An id without data is no event, but where a client goes on that has seen no other.
            await _write(response, f"retry: {_RETRY_MS}\nid: {stream.position}\n\n".encode())
            await self._tell(request, response, stream, types)
        except (ConnectionError, TimeoutError):
            pass  # nobody listens; whoever comes back says where to go on
        finally:
            self.streams.leave(stream)
        return response

    async def _tell(
        self, request: web.Request, response: web.StreamResponse, stream: Stream, types: frozenset[str]
    ) -> None:
        now = asyncio.get_running_loop().time
        beat = now() + self.heartbeat
        while not stream.ended:
            events = await self._next(stream)
            if told := b"".join(_written(event) for event in events if not types or _type(event) in types):
                await _write(response, told)
            if now() >= beat:
                if not await self._may_listen(request):
                    return
                # A comment, without the empty line that some clients would take for an event.
                await _write(response, b":\n")
                beat = now() + self.heartbeat
            if not events:
                await stream.wait(beat - now())

    async def _next(self, stream: Stream) -> Iterable[FeedEvent]:
        try:
            return await self.streams.read(stream)
        except LedgerUnavailableError:
            return ()

    async def _may_listen(self, request: web.Request) -> bool:
        """Whether the API key is still what it was; in doubt, while the ledger is away, it is."""
        try:
            identity = await identify(request, self.keyring)
        except Problem as problem:
            return problem.status == 503
        return identity.may(Permission.READING)


async def _write(response: web.StreamResponse, told: bytes) -> None:
    """Send, but not for ever to somebody who does not read.

    Raises:
        TimeoutError: Nothing was read for so long.
        ConnectionError: Nobody is there.
    """
    async with asyncio.timeout(_LONGEST_WRITE_SECONDS):
        await response.write(told)


def _read(request: web.Request) -> tuple[Position | None, frozenset[str]]:
    """Read where to begin, and what to tell of.

    Raises:
        Problem: 422 naming every parameter that cannot be used.
    """
    failed = []
    types = frozenset(filter(None, ",".join(request.query.getall("types", [])).split(",")))
    if not types.issubset(TYPES):
        failed.append(FieldError("/types", f"must be some of {', '.join(TYPES)}, separated by commas"))
    if len(request.query.getall("last_event_id", [])) > 1:
        failed.append(FieldError("/last_event_id", "must not be given twice"))
    # What a client adds when it comes back is newer than what stands in its URL.
    given = request.headers.get(LAST_EVENT_ID) or request.query.get("last_event_id")
    position = None
    try:
        position = Position.parse(given) if given else None
    except ValueError as error:
        failed.append(FieldError("/last_event_id", str(error)))
    if failed:
        raise problems.invalid_fields(failed)
    return position, types


def _type(event: FeedEvent) -> str:
    return f"email.{event.event}"


def _written(event: FeedEvent) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        str(event.position).encode(),
        _type(event).encode(),
        to_json(represent(event)),
    )


def represent(event: FeedEvent) -> dict[str, Any]:
    """Give the ``data`` of an event, ready for JSON."""
    fields = {name: getattr(event, name) for name in StreamedData.model_fields if name != "email_id"}
    data = StreamedData(email_id=event.message_id, **fields)
    return StreamedEvent(type=_type(event), created_at=event.at, data=data).model_dump(mode="json")
