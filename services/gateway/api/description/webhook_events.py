"""The calls about what endpoints were told."""

from __future__ import annotations

from services.gateway.api.description.catalogue import ID
from services.gateway.api.description.headers import PAGE, resource_id
from services.gateway.api.description.lists import WebhookAttemptList, WebhookEventList
from services.gateway.api.description.operation import Operation, Parameter, ok
from services.gateway.api.webhook_bodies import WebhookEventReplayed, WebhookEventRepresentation
from services.gateway.tenants.callers import Permission

_TAG = "Webhooks"
_ID = resource_id("The webhook's id.")
_EVENT_ID = Parameter(
    name="event_id",
    place="path",
    description="The event's id: what the header `webhook-id` said.",
    schema={"type": "string", "format": "uuid"},
    example=str(ID),
)
_ONE = (_ID, _EVENT_ID)
_EVENT = {
    "id": str(ID),
    "type": "email.bounced",
    "created_at": "2026-01-02T03:04:05Z",
    "status": "pending",
    "email_id": str(ID),
    "attempts": 1,
}
_SAID = {
    "type": "email.bounced",
    "created_at": "2026-01-02T03:04:05.678Z",
    "data": {
        "email_id": str(ID),
        "created_at": "2026-01-02T03:03:59.012Z",
        "message_id": f"<{ID}@example.com>",
        "from": "Shop <shop@example.com>",
        "to": ["ann@example.org"],
        "subject": "Your receipt",
        "tags": {"kind": "receipt"},
        "bounce": {"type": "Permanent", "subType": "General", "message": "550 5.1.1 No such user"},
    },
}
_SHOWN = {
    "object": "webhook_event",
    **_EVENT,
    "next_attempt_at": "2026-01-02T03:09:10Z",
    "payload": _SAID,
}
_ATTEMPT = {
    "id": str(ID),
    "attempt": 1,
    "http_status_code": 503,
    "response": "Down for maintenance",
    "reason": None,
    "sent_at": "2026-01-02T03:04:06Z",
    "duration_ms": 84,
}

OPERATIONS = (
    Operation(
        id="listWebhookEvents",
        method="get",
        path="/webhooks/{id}/events",
        tag=_TAG,
        summary="List what an endpoint is told",
        description="The newest first; what has come to its end is kept for 30 days.",
        permission=Permission.READING,
        parameters=(_ID, *PAGE),
        answers=(
            ok(
                "A page of events.", WebhookEventList, {"object": "list", "has_more": False, "data": [_EVENT]}
            ),
        ),
    ),
    Operation(
        id="getWebhookEvent",
        method="get",
        path="/webhooks/{id}/events/{event_id}",
        tag=_TAG,
        summary="Look up what is told of an event",
        permission=Permission.READING,
        parameters=_ONE,
        answers=(ok("The event, with its payload.", WebhookEventRepresentation, _SHOWN),),
    ),
    Operation(
        id="listWebhookAttempts",
        method="get",
        path="/webhooks/{id}/events/{event_id}/attempts",
        tag=_TAG,
        summary="List the attempts at an event",
        description="The latest first.",
        permission=Permission.READING,
        parameters=(*_ONE, *PAGE),
        answers=(
            ok(
                "A page of attempts.",
                WebhookAttemptList,
                {"object": "list", "has_more": False, "data": [_ATTEMPT]},
            ),
        ),
    ),
    Operation(
        id="replayWebhookEvent",
        method="post",
        path="/webhooks/{id}/events/{event_id}/replay",
        tag=_TAG,
        summary="Tell an event once more",
        description="At once, whatever became of it. While an attempt is under way, that one counts.",
        permission=Permission.FULL,
        parameters=_ONE,
        answers=(
            ok(
                "It is attempted once more.",
                WebhookEventReplayed,
                {"object": "webhook_event", "id": str(ID)},
            ),
        ),
        problems=("webhook_disabled",),
    ),
)
