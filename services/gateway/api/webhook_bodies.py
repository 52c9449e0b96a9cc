"""How webhooks, their events and their attempts look from outside: Resend's fields, and ours beside them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pydantic_core import from_json

from services.gateway.ledger.webhooks import read_types
from services.gateway.webhooks.payload import EVENT_TYPES

_Type = Annotated[str, Field(json_schema_extra={"enum": [*EVENT_TYPES]})]
_Types = Annotated[list[_Type], BeforeValidator(read_types)]


class _Representation(BaseModel):
    model_config = ConfigDict(from_attributes=True, populate_by_name=True)


class WebhookSummary(_Representation):
    """A webhook, as lists show it."""

    id: UUID
    created_at: datetime
    status: Literal["enabled", "disabled"]
    endpoint: str
    events: _Types
    disabled_reason: str | None = Field(
        description="Why it was disabled, where nobody disabled it: after 3 days of nothing but failures, "
        "or an answer of 410."
    )


class WebhookRepresentation(WebhookSummary):
    """A webhook."""

    object: Literal["webhook"] = "webhook"
    signing_secret: str | None = Field(
        validation_alias="secret",
        description="What its events are signed with; null for an API key that does not have full access.",
    )


class WebhookChanged(BaseModel):
    """The webhook that was changed."""

    object: Literal["webhook"] = "webhook"
    id: UUID


class WebhookDeleted(WebhookChanged):
    """The webhook that was removed."""

    deleted: Literal[True] = True


class WebhookSigned(WebhookChanged):
    """The webhook, with its new secret."""

    signing_secret: str = Field(description="`whsec_` and base64: what its events are signed with.")


class WebhookEventSummary(_Representation):
    """An event for one endpoint, as lists show it."""

    id: UUID = Field(description="The header `webhook-id` of every attempt.")
    type: _Type
    created_at: datetime
    status: Literal["pending", "attempting", "success", "failed"]
    email_id: UUID | None = Field(validation_alias="message_id", description="The message it is about.")
    attempts: int = Field(description="Attempts so far, with the one that is under way.")


class WebhookEventRepresentation(WebhookEventSummary):
    """An event for one endpoint."""

    object: Literal["webhook_event"] = "webhook_event"
    next_attempt_at: datetime | None = Field(description="When it is attempted next, if it is.")
    payload: Annotated[dict[str, JsonValue], BeforeValidator(from_json)] = Field(
        description="What is posted."
    )


class WebhookEventReplayed(BaseModel):
    """The event that is being told once more."""

    object: Literal["webhook_event"] = "webhook_event"
    id: UUID


class WebhookAttempt(_Representation):
    """One request to an endpoint."""

    id: UUID
    attempt: int = Field(description="Which one, from 1.")
    http_status_code: int | None = Field(
        validation_alias="status_code", description="Null if there was no answer."
    )
    response: str = Field(description="The beginning of the answer's body.")
    reason: str | None = Field(description="Why there was no answer.")
    sent_at: datetime
    duration_ms: int = Field(description="Milliseconds until the answer, or the end of waiting for one.")


def represent_webhook(row: Any, *, secret: bool) -> WebhookRepresentation:
    """Give a webhook, with what it signs with or without."""
    webhook = WebhookRepresentation.model_validate(row)
    return webhook if secret else webhook.model_copy(update={"signing_secret": None})


def represent_event(row: Any) -> WebhookEventRepresentation:
    """Give an event; while an attempt is under way nobody knows whether there is another one."""
    pending = row.due_at if row.status == "pending" else None
    summary = WebhookEventSummary.model_validate(row).model_dump()
    return WebhookEventRepresentation(**summary, next_attempt_at=pending, payload=row.payload)
