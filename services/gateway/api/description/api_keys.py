"""The calls about API keys."""

from __future__ import annotations

from services.gateway.api.api_keys import ApiKeyChanged, ApiKeyDeleted, NewApiKey
from services.gateway.api.description.catalogue import ID
from services.gateway.api.description.headers import PAGE, resource_id
from services.gateway.api.description.lists import ApiKeyList
from services.gateway.api.description.operation import Answer, Body, Link, Operation, ok
from services.gateway.submission.api_key import ApiKeyRenaming, ApiKeySubmission
from services.gateway.tenants.callers import Permission

_TAG = "API keys"
_ID = resource_id("The key's id.")
_USES = ("updateApiKey", "deleteApiKey")
_CHANGED = {"object": "api_key", "id": str(ID)}
_KEY = {
    "id": str(ID),
    "name": "shop",
    "permission": "sending_access",
    "domains": ["example.com"],
    "created_at": "2026-01-02T03:04:05Z",
    "last_used_at": None,
}
_LIST = {"object": "list", "has_more": False, "data": [_KEY]}

OPERATIONS = (
    Operation(
        id="createApiKey",
        method="post",
        path="/api-keys",
        tag=_TAG,
        summary="Make an API key",
        description="It may do no more than the one that makes it. Only its hash is kept: the answer shows "
        "it this once.",
        permission=Permission.FULL,
        body=Body(
            model=ApiKeySubmission,
            examples={
                "For the shop": {
                    "name": "shop",
                    "permission": "sending_access",
                    "domains": ["example.com"],
                }
            },
        ),
        answers=(
            Answer(
                status=201,
                description="The key is good from now on.",
                model=NewApiKey,
                examples={"Made": {"id": str(ID), "token": "pb_06d8mhkt…"}},
                headers=("Cache-Control",),
                links=tuple(Link(operation=each) for each in _USES),
            ),
        ),
    ),
    Operation(
        id="listApiKeys",
        method="get",
        path="/api-keys",
        tag=_TAG,
        summary="List the API keys",
        description="The newest first; those that were revoked are gone.",
        permission=Permission.FULL,
        parameters=PAGE,
        answers=(ok("A page of keys, without what makes them keys.", ApiKeyList, _LIST),),
    ),
    Operation(
        id="updateApiKey",
        method="patch",
        path="/api-keys/{id}",
        tag=_TAG,
        summary="Rename an API key",
        permission=Permission.FULL,
        parameters=(_ID,),
        body=Body(model=ApiKeyRenaming, examples={"Another name": {"name": "old shop"}}),
        answers=(ok("Done.", ApiKeyChanged, _CHANGED, "deleteApiKey"),),
    ),
    Operation(
        id="deleteApiKey",
        method="delete",
        path="/api-keys/{id}",
        tag=_TAG,
        summary="Revoke an API key",
        description="For ever: at once in this gateway, and within a second in others.",
        permission=Permission.FULL,
        parameters=(_ID,),
        answers=(
            ok(
                "The key is worth nothing any more.",
                ApiKeyDeleted,
                {**_CHANGED, "deleted": True},
                "deleteApiKey",
            ),
        ),
    ),
)
