"""The calls that recipients make, or their mail programs."""

from __future__ import annotations

from services.gateway.api.description.operation import Answer, Operation, Parameter

_TAG = "Unsubscribing"
_PATH = "/unsubscribe/{token}"
_TOKEN = Parameter(
    name="token",
    place="path",
    description="As it stands in the message's header List-Unsubscribe.",
    schema={"type": "string", "minLength": 1},
    example="gAAAAABpVyq1mQ3R0f2uVtVwq5b1a2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0c1d2e3f4a5b6c7d8e9f0a1",
)

OPERATIONS = (
    Operation(
        id="getUnsubscribe",
        method="get",
        path=_PATH,
        tag=_TAG,
        summary="See the page with the button",
        description="Changes nothing, since programs that look for viruses follow every link. "
        "A browser is told of errors by a page, too.",
        permission=None,
        parameters=(_TOKEN,),
        answers=(Answer(status=200, description="A page with one button.", media_type="text/html"),),
    ),
    Operation(
        id="postUnsubscribe",
        method="post",
        path=_PATH,
        tag=_TAG,
        summary="Unsubscribe",
        description="What the button does, and mail programs too (RFC 8058); the body is not looked at. "
        "The recipient is put on the list of suppressions, for bulk mail.",
        permission=None,
        parameters=(_TOKEN,),
        answers=(Answer(status=200, description="It is on its way to the ledger.", media_type="text/html"),),
        problems=("unavailable_broker",),
    ),
)
