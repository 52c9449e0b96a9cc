"""What a webhook says: Resend's types of events, and its payload for each.

Source: https://resend.com/docs/webhooks/event-types, and the types of its Python SDK.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json

from services.gateway.api.representation import header_message_id
from services.gateway.submission.addresses import render
from shared.signatures import Event, Feedback, SendEmail, SendWelcomeEmail

TYPES: Final = MappingProxyType(
    {
        Event.SENT.value: "email.sent",
        Feedback.DELIVERED.value: "email.delivered",
        Feedback.DELIVERY_DELAYED.value: "email.delivery_delayed",
        # Resend tells of what may still arrive in these words; its "bounced" is an end.
        Feedback.SOFT_BOUNCED.value: "email.delivery_delayed",
        Feedback.BOUNCED.value: "email.bounced",
        Feedback.COMPLAINED.value: "email.complained",
        Feedback.OPENED.value: "email.opened",
        Feedback.CLICKED.value: "email.clicked",
        Event.FAILED.value: "email.failed",
        # Resend has no word for it; to whoever waits for the message it is the same.
        Event.EXPIRED.value: "email.failed",
        Event.SUPPRESSED.value: "email.suppressed",
    }
)
"""Our word for an event to Resend's; what is missing here is not told."""

EVENT_TYPES: Final = tuple(sorted(set(TYPES.values())))
"""Everything an endpoint can ask for."""

_UNKNOWN: Final = "No reason was given."


def write_payload(
    message: SendEmail | SendWelcomeEmail | None,
    *,
    email_id: UUID,
    accepted_at: datetime,
    event: str,
    at: datetime,
    recipient: str | None,
    reason: str | None,
) -> bytes:
    """Give the JSON that is posted of an event.

    *message* is None where only a newer version can read it: then its content is left out.
    """
    data: dict[str, Any] = {"email_id": str(email_id), "created_at": _moment(accepted_at)}
    if message is not None:
        data |= _content(message)
    if recipient is not None:
        data["to"] = [recipient]
    data |= _details(event, at, reason)
    return to_json({"type": TYPES[event], "created_at": _moment(at), "data": data})


def _content(message: SendEmail | SendWelcomeEmail) -> dict[str, Any]:
    if isinstance(message, SendWelcomeEmail):
        # Sender and subject are the mailer's own, and unknown here.
        return {"message_id": None, "from": None, "to": [message.email], "subject": None, "tags": {}}
    return {
        "message_id": header_message_id(message),
        "from": render(message.sender),
        "to": [render(address) for address in message.to],
        "subject": message.subject,
        "tags": {tag.name: tag.value for tag in message.tags},
    }


def _details(event: str, at: datetime, reason: str | None) -> dict[str, Any]:
    said = reason or _UNKNOWN
    match TYPES[event]:
        case "email.bounced":
            return {"bounce": {"type": "Permanent", "subType": "General", "message": said}}
        case "email.failed":
            return {"failed": {"reason": said}}
        case "email.suppressed":
            return {"suppressed": {"type": "OnAccountSuppressionList", "message": said}}
        case "email.clicked":
            return {"click": {"timestamp": _moment(at)}}
        case _:
            return {}


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
