"""``GET /emails``: pages of messages, the newest first, filtered by what a message is found by.

Source of the shape: https://resend.com/docs/api-reference/emails/list-emails; the filters are ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.acceptance.entries import read_signature
from services.gateway.api.access import caller, needs
from services.gateway.api.email_filters import read_listing
from services.gateway.api.emails import ask
from services.gateway.api.pages import page_body
from services.gateway.api.representation import LAST_EVENT, header_message_id
from services.gateway.ledger.listing import Listed, Listing
from services.gateway.submission.addresses import render
from services.gateway.tenants.callers import Permission
from shared.signatures import Lane, SendEmail, Tag

_ADDRESSES: Final = ("to", "cc", "bcc", "reply_to")
_WELCOME: Final[dict[str, Any]] = {
    # What only the mailer knows of a welcome e-mail, and what such a message does not have.
    **dict.fromkeys(("message_id", "sender", "subject")),
    "cc": [],
    "bcc": [],
    "reply_to": [],
    "tags": [],
    "metadata": {},
}


class EmailSummary(BaseModel):
    """A message, as lists show it: without its bodies."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    id: UUID
    message_id: str | None = Field(description="The Message-ID header (RFC 5322, section 3.6.4).")
    to: list[str]
    sender: str | None = Field(alias="from")
    created_at: datetime
    subject: str | None
    bcc: list[str]
    cc: list[str]
    reply_to: list[str]
    last_event: str = Field(
        description="Resend's word for the status.",
        json_schema_extra={"enum": [*sorted(set(LAST_EVENT.values()))]},
    )
    scheduled_at: datetime | None = Field(description="When it is, or was, to be sent; null for at once.")
    status: str = Field(
        description="How far the message has come.", json_schema_extra={"enum": [*LAST_EVENT]}
    )
    tags: list[Tag]
    metadata: dict[str, str]
    priority: Lane = Field(description="The lane it travels in.")


@dataclass(frozen=True, slots=True)
class EmailListing:
    """The handler, with what it needs."""

    listing: Listing

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's route."""
        return (web.get("/emails", self.list_emails, allow_head=False),)

    @needs(Permission.READING)
    async def list_emails(self, request: web.Request) -> web.Response:
        """List messages, the newest first."""
        filters, page = read_listing(request.query)
        rows, has_more = await ask(self.listing.page(caller(request).tenant, filters, page))
        return web.json_response(page_body([represent_summary(row) for row in rows], has_more=has_more))


def represent_summary(row: Listed) -> dict[str, Any]:
    """Give a message as lists show it, ready for JSON."""
    email = read_signature(row.task, row.summary)
    content = _content(email) if isinstance(email, SendEmail) else _WELCOME | {"to": [email.email]}
    return EmailSummary(
        id=row.id,
        created_at=row.accepted_at,
        scheduled_at=row.scheduled_at,
        status=row.status,
        last_event=LAST_EVENT.get(row.status, row.status),
        priority=email.lane,
        **content,
    ).model_dump(mode="json")


def _content(email: SendEmail) -> dict[str, Any]:
    return {
        "message_id": header_message_id(email),
        "sender": render(email.sender),
        "subject": email.subject,
        "tags": list(email.tags),
        "metadata": email.metadata,
        **{name: [render(address) for address in getattr(email, name)] for name in _ADDRESSES},
    }
