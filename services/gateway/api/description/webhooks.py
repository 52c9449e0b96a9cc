"""The calls about webhooks."""

from __future__ import annotations

from services.gateway.api.description.catalogue import ID
from services.gateway.api.description.headers import PAGE, resource_id
from services.gateway.api.description.lists import WebhookList
from services.gateway.api.description.operation import Answer, Body, Link, Operation, ok
from services.gateway.api.description.webhook_events import OPERATIONS as EVENT_OPERATIONS
from services.gateway.api.webhook_bodies import (
    WebhookChanged,
    WebhookDeleted,
    WebhookRepresentation,
    WebhookSigned,
)
from services.gateway.submission.webhook import WebhookChange, WebhookSubmission
from services.gateway.tenants.callers import Permission

_TAG = "Webhooks"
_ID = resource_id("The webhook's id.")
_USES = ("getWebhook", "updateWebhook", "rotateWebhookSecret", "listWebhookEvents", "deleteWebhook")
_CHANGED = {"object": "webhook", "id": str(ID)}
_SIGNED = {**_CHANGED, "signing_secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
_ENDPOINT = {"endpoint": "https://example.com/webhooks", "events": ["email.delivered", "email.bounced"]}
_WEBHOOK = {
    "id": str(ID),
    "created_at": "2026-01-02T03:04:05Z",
    "status": "enabled",
    **_ENDPOINT,
    "disabled_reason": None,
}
_LIST = {"object": "list", "has_more": False, "data": [_WEBHOOK]}
_SECRET_HEADERS = ("Cache-Control",)


def _secret(status: int, description: str, example: object) -> Answer:
    return Answer(
        status=status,
        description=description,
        model=WebhookSigned,
        examples={"Example": example},
        headers=_SECRET_HEADERS,
        links=tuple(Link(operation=each) for each in _USES),
    )


OPERATIONS = (
    Operation(
        id="createWebhook",
        method="post",
        path="/webhooks",
        tag=_TAG,
        summary="Have an endpoint told of events",
        description="What happens from now on is posted to it, signed as "
        "[Standard Webhooks](https://www.standardwebhooks.com) has it. A tenant can have 100.",
        permission=Permission.FULL,
        body=Body(model=WebhookSubmission, examples={"What arrived, and what did not": _ENDPOINT}),
        answers=(_secret(201, "It is told of what happens.", _SIGNED),),
        problems=("too_many_webhooks",),
    ),
    Operation(
        id="listWebhooks",
        method="get",
        path="/webhooks",
        tag=_TAG,
        summary="List the webhooks",
        description="The newest first.",
        permission=Permission.READING,
        parameters=PAGE,
        answers=(ok("A page of webhooks, without their secrets.", WebhookList, _LIST),),
    ),
    Operation(
        id="getWebhook",
        method="get",
        path="/webhooks/{id}",
        tag=_TAG,
        summary="Look up a webhook",
        permission=Permission.READING,
        parameters=(_ID,),
        answers=(
            Answer(
                status=200,
                description="The webhook.",
                model=WebhookRepresentation,
                examples={"Example": {**_WEBHOOK, **_SIGNED}},
                headers=_SECRET_HEADERS,
            ),
        ),
    ),
    Operation(
        id="updateWebhook",
        method="patch",
        path="/webhooks/{id}",
        tag=_TAG,
        summary="Change, disable or enable a webhook",
        permission=Permission.FULL,
        parameters=(_ID,),
        body=Body(
            model=WebhookChange,
            examples={
                "Somewhere else": {"endpoint": "https://example.com/hooks"},
                "On": {"status": "enabled"},
            },
        ),
        answers=(ok("Done.", WebhookChanged, _CHANGED, *_USES),),
    ),
    Operation(
        id="deleteWebhook",
        method="delete",
        path="/webhooks/{id}",
        tag=_TAG,
        summary="Remove a webhook",
        description="It is told nothing more, not even what waits for another attempt.",
        permission=Permission.FULL,
        parameters=(_ID,),
        answers=(ok("It is gone.", WebhookDeleted, {**_CHANGED, "deleted": True}, "deleteWebhook"),),
    ),
    Operation(
        id="rotateWebhookSecret",
        method="post",
        path="/webhooks/{id}/signing-secret/rotate",
        tag=_TAG,
        summary="Sign with another secret",
        description="For 24 hours the new secret and the one before it both sign: nothing is refused.",
        permission=Permission.FULL,
        parameters=(_ID,),
        answers=(_secret(200, "From now on this one signs, too.", _SIGNED),),
    ),
    *EVENT_OPERATIONS,
)
