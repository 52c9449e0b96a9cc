"""How a message and its timeline look from outside: Resend's fields, and ours beside them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, computed_field

from services.gateway.api.summaries import summary
from services.gateway.states import QUEUED, RELEASED, REPLAYED
from services.gateway.submission.addresses import render
from shared.signatures import Lane, OnUncertain, SendEmail, SendWelcomeEmail, Tag

LAST_EVENT = MappingProxyType(
    {
        "accepted": "queued",
        "queued": "queued",
        "sending": "queued",
        "sent": "sent",
        "delivered": "delivered",
        "bounced": "bounced",
        "complained": "complained",
        "scheduled": "scheduled",
        "deferred": "delivery_delayed",
        "suppressed": "suppressed",
        "failed": "failed",
        "canceled": "canceled",
        # Resend has no word for these, and another one of its words would be a lie.
        "expired": "expired",
        "uncertain": "uncertain",
        "held": "held",
    }
)
"""Our state of a message to Resend's word for it, which its SDKs know."""


_WITHIN_A_SECOND = timedelta(seconds=1, microseconds=-1)


class _Representation(BaseModel):
    model_config = ConfigDict(
        frozen=True, from_attributes=True, populate_by_name=True, serialize_by_alias=True
    )


class UsedTemplate(_Representation):
    """The template of a message as it was when the message was accepted."""

    subject: str | None
    html: str | None
    text: str | None
    variables: dict[str, JsonValue]


class EmailRepresentation(_Representation):
    """A message.  What only the mailer knows is null for a welcome e-mail: sender, subject, bodies."""

    object: Literal["email"] = "email"
    id: UUID
    message_id: str | None = Field(description="The Message-ID header (RFC 5322, section 3.6.4).")
    to: list[str]
    sender: str | None = Field(alias="from")
    created_at: datetime
    scheduled_at: datetime | None = Field(description="When it is, or was, to be sent; null for at once.")
    subject: str | None
    html: str | None
    text: str | None
    bcc: list[str]
    cc: list[str]
    reply_to: list[str]
    last_event: str = Field(
        description="Resend's word for the status.",
        json_schema_extra={"enum": [*sorted(set(LAST_EVENT.values()))]},
    )
    status: str = Field(
        description="How far the message has come.", json_schema_extra={"enum": [*LAST_EVENT]}
    )
    headers: dict[str, str]
    tags: list[Tag]
    metadata: dict[str, str]
    template: UsedTemplate | None = Field(
        description="What subject and bodies are made from; then those fields hold no more than that."
    )
    priority: Lane = Field(description="The lane it travels in.")
    expires_at: datetime | None = Field(description="After this it is not sent any more.")
    on_uncertain: OnUncertain = Field(description="What to do when nobody can tell whether it was sent.")
    purged_at: datetime | None = Field(
        description="When bodies, headers and attachments were removed from the ledger."
    )
    series: int = Field(description="How often it was replayed or released.")
    attempts: int = Field(description="Requests made to providers so far.")
    provider: str | None = Field(description="The provider account of the latest attempt.")
    provider_message_id: str | None = Field(description="The provider's own id for the message.")
    reason: str | None = Field(description="Why the status is what it is, for a human.")


class EventRepresentation(_Representation):
    """One thing that happened to a message; events are only ever added."""

    event: str = Field(description="What happened, in the past tense where it is over.", examples=["sent"])
    at: datetime
    actor: str = Field(
        description="Who did it; what the last three did the provider tells.",
        json_schema_extra={"enum": ["gateway", "mailer", "provider", "receiver", "recipient"]},
    )
    attempt: int = Field(default=0, description="Which attempt it belongs to, from 1; 0 if to none.")
    provider: str | None = None
    provider_message_id: str | None = None
    reason: str | None = None
    retry_at: datetime | None = Field(default=None, description="When the next attempt is due.")
    recipient: str | None = Field(default=None, description="The one among the recipients it is about.")

    @computed_field(description="What happened, in a sentence.")  # type: ignore[prop-decorator]
    @property
    def summary(self) -> str:
        """What happened, in a sentence."""
        return summary(self)


class EventList(_Representation):
    """The timeline of a message, in the order of its happening."""

    object: Literal["list"] = "list"
    data: list[EventRepresentation]


def represent_email(
    signature: SendEmail | SendWelcomeEmail,
    *,
    status: str,
    created_at: datetime,
    scheduled_at: datetime | None = None,
    purged_at: datetime | None = None,
    series: int = 0,
    attempts: int,
    provider: str | None,
    provider_message_id: str | None,
    reason: str | None,
) -> dict[str, Any]:
    """Give the body of ``GET /emails/{id}``, ready for JSON.  Attachments are not handed back.

    Raises:
        ValueError: The signature has no message id, so it was never accepted here.
    """
    if signature.message_id is None:
        raise ValueError("a signature without a message id cannot be represented")
    content = _content(signature) if isinstance(signature, SendEmail) else _welcome(signature)
    return EmailRepresentation(
        id=signature.message_id,
        created_at=created_at,
        scheduled_at=scheduled_at,
        purged_at=purged_at,
        last_event=LAST_EVENT.get(status, status),
        status=status,
        series=series,
        attempts=attempts,
        provider=provider,
        provider_message_id=provider_message_id,
        reason=reason,
        **content,
    ).model_dump(mode="json")


def represent_timeline(
    accepted_at: datetime, queued_at: datetime | None, recorded: Iterable[object]
) -> dict[str, Any]:
    """Give the body of ``GET /emails/{id}/events``, ready for JSON.

    *recorded* are events in their order, with the fields of :class:`EventRepresentation` as
    attributes.  *Queued* is when the broker's confirm was noted, since the last replay if there
    was one.
    """
    stories: list[list[EventRepresentation]] = [[]]
    for event in sorted(map(EventRepresentation.model_validate, recorded), key=_at):
        if event.event in (REPLAYED, RELEASED):
            stories.append([])
        stories[-1].append(event)
    if queued_at is not None:
        stories[-1].append(EventRepresentation(event=QUEUED, at=queued_at, actor="gateway"))
    accepted = EventRepresentation(event="accepted", at=accepted_at, actor="gateway")
    told = [event for story in stories for event in _queued_first(story)]
    return EventList(data=[accepted, *told]).model_dump(mode="json")


def _at(event: EventRepresentation) -> datetime:
    """When it happened at the latest: most providers tell whole seconds, in which more has happened."""
    is_told, is_whole = event.actor not in ("gateway", "mailer"), not event.at.microsecond
    return event.at + _WITHIN_A_SECOND if is_told and is_whole else event.at


def _queued_first(story: list[EventRepresentation]) -> list[EventRepresentation]:
    """Put what the confirm says where it belongs: before the mailer began, however late it was noted."""
    told = [event for event in story if event.event != QUEUED]
    for queued in (event for event in story if event.event == QUEUED):
        begun = next((place for place, event in enumerate(told) if event.actor != "gateway"), len(told))
        earlier = sum(event.at <= queued.at for event in told[:begun])
        told.insert(earlier, queued)
    return told


def header_message_id(signature: SendEmail) -> str:
    """The Message-ID header: our id at the sender's domain, so that it is unique for ever."""
    domain = signature.sender.email.rpartition("@")[2]
    return f"<{signature.message_id}@{domain}>"


def _content(email: SendEmail) -> dict[str, Any]:
    return {
        "message_id": header_message_id(email),
        "from": render(email.sender),
        **{field: [render(address) for address in getattr(email, field)] for field in ("to", "cc", "bcc")},
        "reply_to": [render(address) for address in email.reply_to],
        **{field: getattr(email, field) for field in ("subject", "html", "text", "headers", "metadata")},
        "tags": list(email.tags),
        "template": email.template and UsedTemplate.model_validate(email.template),
        "priority": email.lane,
        "expires_at": email.expires_at,
        "on_uncertain": email.on_uncertain,
    }


def _welcome(email: SendWelcomeEmail) -> dict[str, Any]:
    nothing = dict.fromkeys(("message_id", "from", "subject", "html", "text"))
    return {
        **nothing,
        "to": [email.email],
        "cc": [],
        "bcc": [],
        "reply_to": [],
        "headers": {},
        "tags": [],
        "metadata": {},
        "template": None,
        "priority": email.lane,
        "expires_at": None,
        "on_uncertain": OnUncertain.RESEND,
    }
