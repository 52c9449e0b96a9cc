"""The calls about templates."""

from __future__ import annotations

from services.gateway.api.description import template_examples as examples
from services.gateway.api.description.headers import PAGE
from services.gateway.api.description.lists import TemplateList, VersionList
from services.gateway.api.description.operation import Body, Operation, Parameter, ok
from services.gateway.api.template_bodies import (
    TemplateChanged,
    TemplateDeleted,
    TemplatePreview,
    TemplateRepresentation,
)
from services.gateway.submission.template import (
    ALIAS,
    PreviewSubmission,
    TemplateChange,
    TemplateSubmission,
)
from services.gateway.tenants.callers import Permission

_TAG = "Templates"
_WHICH = Parameter(
    name="id",
    place="path",
    description="The template's id, or its alias.",
    schema={"type": "string", "pattern": f"^{ALIAS.pattern}$"},
    example="password-reset",
)
_USES = (
    *("getTemplate", "updateTemplate", "publishTemplate", "duplicateTemplate"),
    *("previewTemplate", "listTemplateVersions", "deleteTemplate"),
)
_READ_ONLY = ("read_only",)

OPERATIONS = (
    Operation(
        id="createTemplate",
        method="post",
        path="/templates",
        tag=_TAG,
        summary="Store a template",
        description="As a draft: messages can be made from it when it is published.",
        permission=Permission.FULL,
        body=Body(model=TemplateSubmission, examples={"Password reset": examples.TEMPLATE}),
        answers=(ok("The template is stored.", TemplateChanged, examples.CHANGED, *_USES, status=201),),
    ),
    Operation(
        id="listTemplates",
        method="get",
        path="/templates",
        tag=_TAG,
        summary="List the templates",
        description="The newest first.",
        permission=Permission.READING,
        parameters=PAGE,
        answers=(
            ok(
                "A page of templates.",
                TemplateList,
                {"object": "list", "has_more": False, "data": [examples.SUMMARY]},
            ),
        ),
    ),
    Operation(
        id="getTemplate",
        method="get",
        path="/templates/{id}",
        tag=_TAG,
        summary="Look up a template",
        description="In its latest version, which need not be the published one.",
        permission=Permission.READING,
        parameters=(_WHICH,),
        answers=(ok("The template.", TemplateRepresentation, examples.SHOWN),),
    ),
    Operation(
        id="updateTemplate",
        method="patch",
        path="/templates/{id}",
        tag=_TAG,
        summary="Change a template",
        description="In a new version: messages are made from the published one until this is published. "
        "What is left out stays; null takes a thing away.",
        permission=Permission.FULL,
        parameters=(_WHICH,),
        body=Body(model=TemplateChange, examples={"Another subject": {"subject": "A new password"}}),
        answers=(ok("The template is changed.", TemplateChanged, examples.CHANGED, *_USES),),
        problems=_READ_ONLY,
    ),
    Operation(
        id="deleteTemplate",
        method="delete",
        path="/templates/{id}",
        tag=_TAG,
        summary="Remove a template",
        description="With all its versions. Messages that were made from it are sent all the same.",
        permission=Permission.FULL,
        parameters=(_WHICH,),
        answers=(
            ok(
                "The template is gone.", TemplateDeleted, {**examples.CHANGED, "deleted": True}, "getTemplate"
            ),
        ),
        problems=_READ_ONLY,
    ),
    Operation(
        id="publishTemplate",
        method="post",
        path="/templates/{id}/publish",
        tag=_TAG,
        summary="Publish a template",
        description="From now on messages are made from its latest version.",
        permission=Permission.FULL,
        parameters=(_WHICH,),
        answers=(ok("The template is published.", TemplateChanged, examples.CHANGED, *_USES),),
        problems=_READ_ONLY,
    ),
    Operation(
        id="duplicateTemplate",
        method="post",
        path="/templates/{id}/duplicate",
        tag=_TAG,
        summary="Copy a template",
        description="Makes a draft out of its latest version, without an alias.",
        permission=Permission.FULL,
        parameters=(_WHICH,),
        answers=(ok("The copy.", TemplateChanged, examples.CHANGED, *_USES, status=201),),
    ),
    Operation(
        id="previewTemplate",
        method="post",
        path="/templates/{id}/preview",
        tag=_TAG,
        summary="Try a template",
        description="Renders its latest version, and sends nothing.",
        permission=Permission.READING,
        parameters=(_WHICH,),
        body=Body(
            model=PreviewSubmission,
            examples={"Some variables": {"variables": {"NAME": "Ann", "MINUTES": 20}}},
        ),
        answers=(ok("What a message would say.", TemplatePreview, examples.RENDERED),),
    ),
    Operation(
        id="listTemplateVersions",
        method="get",
        path="/templates/{id}/versions",
        tag=_TAG,
        summary="List a template's versions",
        description="The newest first.",
        permission=Permission.READING,
        parameters=(_WHICH, *PAGE),
        answers=(
            ok(
                "A page of versions.",
                VersionList,
                {"object": "list", "has_more": False, "data": [examples.VERSION]},
            ),
        ),
    ),
)
