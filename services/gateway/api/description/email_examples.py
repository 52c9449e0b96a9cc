"""True examples of what ``/emails`` takes and answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.gateway.api.description.catalogue import ID
from services.gateway.api.listing import EmailSummary
from services.gateway.api.representation import EventRepresentation, represent_email, represent_timeline
from shared.signatures import SendEmail

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

EMAIL: dict[str, Any] = {
    "from": "Pillarbox <letters@example.com>",
    "to": ["ann@example.org"],
    "subject": "Your receipt",
    "html": "<p>Thank you.</p>",
    "text": "Thank you.",
    "tags": [{"name": "category", "value": "receipt"}],
    "metadata": {"order": "1234"},
}
LATER: dict[str, Any] = {
    "from": "Pillarbox <letters@example.com>",
    "to": "ann@example.org",
    "bcc": ["archive@example.com"],
    "reply_to": "support@example.com",
    "subject": "Your train leaves soon",
    "text": "See the ticket.",
    "attachments": [{"filename": "ticket.txt", "content": "UGxhdGZvcm0gNw==", "content_type": "text/plain"}],
    "headers": {"X-Entity-Ref-ID": "1234"},
    "scheduled_at": "in 1 hour",
    "priority": "transactional",
    "on_uncertain": "hold",
}
FROM_TEMPLATE: dict[str, Any] = {
    "from": "Pillarbox <letters@example.com>",
    "to": ["ann@example.org"],
    "template": {"id": "password-reset", "variables": {"NAME": "Ann", "MINUTES": 20}},
}
WELCOME: dict[str, Any] = {"email": "ann@example.org"}
BATCH: list[dict[str, Any]] = [
    {**EMAIL, "idempotency_key": "receipt-1234"},
    {"from": "letters@example.com", "to": "bob@example.org", "subject": "Hello", "text": "It works."},
]

MESSAGE = represent_email(
    SendEmail.model_validate(
        {
            **EMAIL,
            "message_id": ID,
            "from": {"email": "letters@example.com", "name": "Pillarbox"},
            "to": [{"email": "ann@example.org"}],
        }
    ),
    status="sent",
    created_at=AT,
    attempts=1,
    provider="outbox",
    provider_message_id="outbox-1",
    reason=None,
)

LIST = {
    "object": "list",
    "has_more": False,
    "data": [
        {
            name: MESSAGE[name]
            for name in (field.alias or key for key, field in EmailSummary.model_fields.items())
        }
    ],
}

EVENTS = represent_timeline(
    AT,
    AT,
    [
        EventRepresentation(event="sending", at=AT, actor="mailer", attempt=1, provider="outbox"),
        EventRepresentation(
            event="sent", at=AT, actor="mailer", attempt=1, provider="outbox", provider_message_id="outbox-1"
        ),
    ],
)
