"""The calls about suppressions."""

from __future__ import annotations

from typing import get_args

from services.gateway.api.description.catalogue import ID
from services.gateway.api.description.headers import PAGE
from services.gateway.api.description.lists import SuppressionList
from services.gateway.api.description.operation import Answer, Body, Link, Operation, Parameter, ok
from services.gateway.api.suppressions import (
    Origin,
    SuppressionAdded,
    SuppressionDetail,
    SuppressionRemoved,
    SuppressionsAdded,
    SuppressionsRemoved,
)
from services.gateway.submission.suppressions import (
    SuppressionBatch,
    SuppressionRemoval,
    SuppressionSubmission,
)
from services.gateway.tenants.callers import Permission

_TAG = "Suppressions"
_WHICH = Parameter(
    name="which",
    place="path",
    description="The suppression's id, or its address.",
    schema={"anyOf": [{"type": "string", "format": "uuid"}, {"$ref": "#/components/schemas/EmailAddress"}]},
    example="ann@example.org",
)
_ORIGIN = Parameter(
    name="origin",
    place="query",
    description="List only those of this origin.",
    schema={"type": "string", "enum": [*get_args(Origin)]},
)
_USES = ("getSuppression", "deleteSuppression")
_ONE = {
    "id": str(ID),
    "email": "ann@example.org",
    "origin": "bounce",
    "source_id": str(ID),
    "created_at": "2026-01-02T03:04:05Z",
}
_LIST = {"object": "list", "has_more": False, "data": [_ONE]}
_ADDED = {"object": "suppression", "id": str(ID)}
_REMOVED = {**_ADDED, "deleted": True}

OPERATIONS = (
    Operation(
        id="addSuppression",
        method="post",
        path="/suppressions",
        tag=_TAG,
        summary="Suppress an address",
        description="No mail of yours goes there any more. One that is suppressed already keeps its entry.",
        permission=Permission.FULL,
        body=Body(model=SuppressionSubmission, examples={"An address": {"email": "ann@example.org"}}),
        answers=(ok("The address is suppressed.", SuppressionAdded, _ADDED, *_USES),),
    ),
    Operation(
        id="listSuppressions",
        method="get",
        path="/suppressions",
        tag=_TAG,
        summary="List the suppressions",
        description="The newest first.",
        permission=Permission.READING,
        parameters=(*PAGE, _ORIGIN),
        answers=(ok("A page of suppressions.", SuppressionList, _LIST),),
    ),
    Operation(
        id="addSuppressions",
        method="post",
        path="/suppressions/batch/add",
        tag=_TAG,
        summary="Suppress up to 1,000 addresses",
        description="All or none.",
        permission=Permission.FULL,
        body=Body(
            model=SuppressionBatch,
            examples={"Two addresses": {"emails": ["ann@example.org", "bob@example.org"]}},
        ),
        answers=(
            Answer(
                status=200,
                description="The addresses are suppressed.",
                model=SuppressionsAdded,
                examples={"Example": {"data": [_ADDED]}},
                links=tuple(Link(operation=each, source="$response.body#/data/0/id") for each in _USES),
            ),
        ),
    ),
    Operation(
        id="removeSuppressions",
        method="post",
        path="/suppressions/batch/remove",
        tag=_TAG,
        summary="Remove up to 1,000 suppressions",
        description="Those that are not there are left out of the answer.",
        permission=Permission.FULL,
        body=Body(
            model=SuppressionRemoval,
            examples={"By address": {"emails": ["ann@example.org"]}, "By id": {"ids": [str(ID)]}},
        ),
        answers=(ok("These were there, and are removed.", SuppressionsRemoved, {"data": [_REMOVED]}),),
    ),
    Operation(
        id="getSuppression",
        method="get",
        path="/suppressions/{which}",
        tag=_TAG,
        summary="Look up a suppression",
        permission=Permission.READING,
        parameters=(_WHICH,),
        answers=(ok("The suppression.", SuppressionDetail, {"object": "suppression", **_ONE}),),
    ),
    Operation(
        id="deleteSuppression",
        method="delete",
        path="/suppressions/{which}",
        tag=_TAG,
        summary="Remove a suppression",
        permission=Permission.FULL,
        parameters=(_WHICH,),
        answers=(ok("Mail may go there again.", SuppressionRemoved, _REMOVED, "deleteSuppression"),),
    ),
)
