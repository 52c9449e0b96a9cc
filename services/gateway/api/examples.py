"""Examples for the description of the API; a test keeps each of them valid."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.gateway import problems
from services.gateway.api.representation import EventRepresentation, represent_email, represent_timeline
from services.gateway.problems import FieldError, Problem
from shared.signatures import SendEmail

ID = "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"
_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

EMAIL: dict[str, Any] = {
    "from": "Pillarbox <letters@example.com>",
    "to": ["ann@example.org"],
    "subject": "Your receipt",
    "html": "<p>Thank you.</p>",
    "text": "Thank you.",
    "tags": [{"name": "category", "value": "receipt"}],
    "metadata": {"order": "1234"},
}

WELCOME: dict[str, Any] = {"email": "ann@example.org"}

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
    created_at=_AT,
    attempts=1,
    provider="outbox",
    provider_message_id="outbox-1",
    reason=None,
)

EVENTS = represent_timeline(
    _AT,
    _AT,
    [
        EventRepresentation(event="sending", at=_AT, actor="mailer", attempt=1, provider="outbox"),
        EventRepresentation(
            event="sent", at=_AT, actor="mailer", attempt=1, provider="outbox", provider_message_id="outbox-1"
        ),
    ],
)

_REFUSED = FieldError("/to/0", "must look like user@example.com or Name <user@example.com>")
_LEFT_OUT = FieldError("/subject", "is required")

PROBLEMS: tuple[Problem, ...] = (
    problems.invalid_json("EOF while parsing a value at line 1 column 0"),
    problems.missing_api_key(),
    problems.invalid_api_key(),
    problems.restricted_api_key("sending_access"),
    problems.rate_limit_exceeded(1),
    problems.not_found(),
    problems.method_not_allowed(["GET"]),
    problems.request_timeout(10),
    problems.payload_too_large(10_000_000),
    problems.unsupported_media_type(),
    problems.invalid_fields([_REFUSED]),
    problems.invalid_fields([_LEFT_OUT], missing=True),
    problems.internal_server_error(),
    problems.unavailable(1),
    problems.unavailable(1, message_id=UUID(ID)),
    problems.overloaded(1),
)
"""One of each kind that the gateway answers with."""


def problem_examples(status: int) -> dict[str, Any]:
    """The bodies of all problems with this *status*, as named examples of OpenAPI."""
    bodies = [problem.body() for problem in PROBLEMS if problem.status == status]
    return {body["name"] + "_uncertain" * ("message_id" in body): {"value": body} for body in bodies}
