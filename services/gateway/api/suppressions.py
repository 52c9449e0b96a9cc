"""``/suppressions``: the addresses that a tenant's mail must not go to.

Shapes: https://resend.com/docs/api-reference/suppressions
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.gateway import problems
from services.gateway.api.access import caller, needs
from services.gateway.api.emails import ask
from services.gateway.api.pages import page_body, read_page
from services.gateway.api.requests import BodyReader
from services.gateway.ledger.suppressions import Suppressions
from services.gateway.problems import FieldError
from services.gateway.submission import addresses
from services.gateway.submission.suppressions import (
    SuppressionBatch,
    SuppressionRemoval,
    SuppressionSubmission,
)
from services.gateway.submission.validation import read
from services.gateway.tenants.callers import Permission

Origin = Literal["bounce", "complaint", "manual", "unsubscribe"]

# Braces may stand in an address; aiohttp's own pattern for a part of a path leaves them out.
_ONE = "/suppressions/{which:[^/]+}"


class SuppressionRepresentation(BaseModel):
    """A suppression, as lists show it."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    id: UUID
    email: str = Field(validation_alias="address", description="The address, in lower case.")
    origin: Origin = Field(
        validation_alias="reason",
        description="Why the address is suppressed; `unsubscribe` stops bulk mail only.",
    )
    source_id: UUID | None = Field(
        validation_alias="message_id", description="The message that bounced or was complained about."
    )
    created_at: datetime


class SuppressionDetail(SuppressionRepresentation):
    """A suppression."""

    object: Literal["suppression"] = "suppression"


class SuppressionAdded(BaseModel):
    """The suppression that was added, or was there already."""

    object: Literal["suppression"] = "suppression"
    id: UUID


class SuppressionRemoved(SuppressionAdded):
    """The suppression that was removed."""

    deleted: Literal[True] = True


class SuppressionsAdded(BaseModel):
    """Suppressions in the order of the request, each address once."""

    data: list[SuppressionAdded]


class SuppressionsRemoved(BaseModel):
    """The suppressions that were there and are removed."""

    data: list[SuppressionRemoved]


@dataclass(frozen=True, slots=True)
class SuppressionHandlers:
    """The handlers, with what they need."""

    suppressions: Suppressions
    body: BodyReader

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        return (
            web.post("/suppressions", self.post_suppression),
            web.get("/suppressions", self.list_suppressions, allow_head=False),
            web.post("/suppressions/batch/add", self.add_batch),
            web.post("/suppressions/batch/remove", self.remove_batch),
            web.get(_ONE, self.get_suppression, allow_head=False),
            web.delete(_ONE, self.delete_suppression),
        )

    @needs(Permission.FULL)
    async def post_suppression(self, request: web.Request) -> web.Response:
        """Suppress an address; one that is suppressed already keeps its entry."""
        submission = read(SuppressionSubmission, await self.body.read(request))
        (row,) = await ask(self.suppressions.add(caller(request).tenant, submission.addresses()))
        return _answer(SuppressionAdded(id=row.id))

    @needs(Permission.READING)
    async def list_suppressions(self, request: web.Request) -> web.Response:
        """List suppressions, the newest first."""
        page = read_page(request.query, filters=["origin"])
        reason = _origin(request.query)
        rows, has_more = await ask(self.suppressions.page(caller(request).tenant, page, reason=reason))
        return web.json_response(page_body([_represent(row) for row in rows], has_more=has_more))

    @needs(Permission.READING)
    async def get_suppression(self, request: web.Request) -> web.Response:
        """Show a suppression, named by its id or its address."""
        row = await ask(self.suppressions.find(caller(request).tenant, _which(request)))
        if row is None:
            raise problems.not_found()
        return _answer(SuppressionDetail.model_validate(row))

    @needs(Permission.FULL)
    async def delete_suppression(self, request: web.Request) -> web.Response:
        """Remove a suppression, named by its id or its address."""
        rows = await ask(self.suppressions.remove(caller(request).tenant, [_which(request)]))
        if not rows:
            raise problems.not_found()
        return _answer(SuppressionRemoved(id=rows[0].id))

    @needs(Permission.FULL)
    async def add_batch(self, request: web.Request) -> web.Response:
        """Suppress addresses, all or none."""
        batch = read(SuppressionBatch, await self.body.read(request))
        rows = await ask(self.suppressions.add(caller(request).tenant, batch.addresses()))
        ids = {row.address: row.id for row in rows}
        return _answer(SuppressionsAdded(data=[{"id": ids[address]} for address in batch.addresses()]))

    @needs(Permission.FULL)
    async def remove_batch(self, request: web.Request) -> web.Response:
        """Remove suppressions; those that are not there are left out of the answer."""
        removal = read(SuppressionRemoval, await self.body.read(request))
        rows = await ask(self.suppressions.remove(caller(request).tenant, removal.which()))
        return _answer(SuppressionsRemoved(data=[{"id": row.id} for row in rows]))


def _which(request: web.Request) -> UUID | str:
    text = request.match_info["which"]
    try:
        return addresses.comparable(addresses.parse(text).email) if "@" in text else UUID(text)
    except ValueError:
        raise problems.not_found() from None


def _origin(query: Mapping[str, str]) -> str | None:
    origin = query.get("origin")
    if origin is not None and origin not in get_args(Origin):
        raise problems.invalid_fields(
            [FieldError("/origin", f"must be one of {', '.join(get_args(Origin))}")]
        )
    return origin


def _represent(row: Any) -> dict[str, Any]:
    return SuppressionRepresentation.model_validate(row).model_dump(mode="json")


def _answer(body: BaseModel) -> web.Response:
    return web.json_response(body.model_dump(mode="json"))
