"""``/api-keys``: a tenant makes, lists, renames and revokes its keys.

Rotation is two calls: make a second key, and revoke the first when nobody uses it any more.
Source: https://resend.com/docs/api-reference/api-keys
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.gateway import problems
from services.gateway.api.access import caller, needs
from services.gateway.api.emails import ask
from services.gateway.api.pages import page_body, read_page
from services.gateway.api.requests import BodyReader
from services.gateway.ledger.api_keys import read_domains
from services.gateway.submission.api_key import ApiKeyRenaming, ApiKeySubmission
from services.gateway.submission.validation import read
from services.gateway.tenants.callers import Permission
from services.gateway.tenants.issuing import Issuing


class NewApiKey(BaseModel):
    """A key that was just made.  Only its hash is kept: nobody can show it again."""

    id: UUID
    token: str = Field(description="The key itself, shown this once.")


class ApiKeyRepresentation(BaseModel):
    """A key, without what makes it one."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    permission: Permission
    domains: Annotated[list[str] | None, BeforeValidator(read_domains)] = Field(
        description="The domains that it may send from; null for any."
    )
    created_at: datetime
    last_used_at: datetime | None = Field(description="Some seconds late; null if it was never used.")


class ApiKeyChanged(BaseModel):
    """The key that was changed."""

    object: Literal["api_key"] = "api_key"
    id: UUID


class ApiKeyDeleted(ApiKeyChanged):
    """The key that was revoked."""

    deleted: Literal[True] = True


@dataclass(frozen=True, slots=True)
class ApiKeyHandlers:
    """The handlers, with what they need."""

    issuing: Issuing
    body: BodyReader

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        return (
            web.post("/api-keys", self.post_api_key),
            web.get("/api-keys", self.get_api_keys, allow_head=False),
            web.patch("/api-keys/{id}", self.patch_api_key),
            web.delete("/api-keys/{id}", self.delete_api_key),
        )

    @needs(Permission.FULL)
    async def post_api_key(self, request: web.Request) -> web.Response:
        """Make a key; it may do no more than the one that makes it."""
        submission = read(ApiKeySubmission, await self.body.read(request))
        key = await ask(self.issuing.make(caller(request), submission))
        return _answer(NewApiKey(id=key.id, token=key.text), status=201)

    @needs(Permission.FULL)
    async def get_api_keys(self, request: web.Request) -> web.Response:
        """List the keys that are not revoked, the newest first."""
        page = read_page(request.query)
        rows, has_more = await ask(self.issuing.api_keys.page(caller(request).tenant, page))
        return web.json_response(page_body([_represent(row) for row in rows], has_more=has_more))

    @needs(Permission.FULL)
    async def patch_api_key(self, request: web.Request) -> web.Response:
        """Rename a key."""
        name = read(ApiKeyRenaming, await self.body.read(request)).name
        key_id = _key_id(request)
        if not await ask(self.issuing.api_keys.rename(caller(request).tenant, key_id, name)):
            raise problems.not_found()
        return _answer(ApiKeyChanged(id=key_id))

    @needs(Permission.FULL)
    async def delete_api_key(self, request: web.Request) -> web.Response:
        """Revoke a key: here at once, in other gateways as soon as they ask the ledger again."""
        key_id = _key_id(request)
        await ask(self.issuing.revoke(caller(request), key_id))
        return _answer(ApiKeyDeleted(id=key_id))


def _key_id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise problems.not_found() from None


def _represent(row: Any) -> dict[str, Any]:
    return ApiKeyRepresentation.model_validate(row).model_dump(mode="json")


def _answer(body: BaseModel, *, status: int = 200) -> web.Response:
    # A key must not stay in a cache on its way (RFC 9111, section 5.2.2.5).
    headers = {"Cache-Control": "no-store"} if isinstance(body, NewApiKey) else None
    return web.json_response(text=body.model_dump_json(), status=status, headers=headers)
