"""How a template looks from outside: Resend's fields, and ours beside them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.gateway.ledger.template_rows import EVERYBODY
from services.gateway.submission.addresses import render
from services.gateway.templates.content import Content

Status = Literal["draft", "published"]


class _Representation(BaseModel):
    model_config = ConfigDict(
        frozen=True, from_attributes=True, populate_by_name=True, serialize_by_alias=True
    )


class TemplateSummary(_Representation):
    """A template, as lists show it."""

    id: UUID
    name: str
    alias: str | None
    status: Status = Field(description="Whether messages can be made from it.")
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None = Field(description="When it was published last.")
    has_unpublished_versions: bool = Field(description="Whether there is a newer version than messages get.")
    read_only: bool = Field(description="Whether it comes from the operator's folder.")


class VariableRepresentation(_Representation):
    """A variable that was declared."""

    key: str
    type: str
    fallback_value: JsonValue
    created_at: datetime
    updated_at: datetime


class TemplateRepresentation(TemplateSummary):
    """A template in its latest version, which need not be the published one."""

    object: Literal["template"] = "template"
    sender: str | None = Field(alias="from")
    reply_to: list[str] | None
    subject: str | None
    html: str | None
    text: str | None
    variables: list[VariableRepresentation] | None
    version: int = Field(description="Number of the version, from 1.")
    current_version_id: UUID


class VersionRepresentation(_Representation):
    """A version of a template."""

    id: UUID
    version: int = Field(description="Counted from 1.")
    published: bool = Field(description="Whether messages are made from this one.")
    created_at: datetime


class TemplateChanged(BaseModel):
    """The template that was made or changed."""

    object: Literal["template"] = "template"
    id: UUID


class TemplateDeleted(TemplateChanged):
    """The template that was removed."""

    deleted: Literal[True] = True


class TemplatePreview(BaseModel):
    """What a message would say."""

    subject: str | None
    html: str | None
    text: str | None


def summarise(row: Any) -> dict[str, Any]:
    """Give a list's entry for a template, ready for JSON."""
    return TemplateSummary(**_state(row)).model_dump(mode="json")


def represent_template(row: Any) -> dict[str, Any]:
    """Give the body of ``GET /templates/{id}``, ready for JSON; *row* is a template with a version."""
    content = Content.decode(row.content)
    return TemplateRepresentation(
        **_state(row),
        sender=render(content.sender) if content.sender else None,
        reply_to=[render(address) for address in content.reply_to] or None,
        subject=content.subject,
        html=content.html,
        text=content.text,
        variables=[
            VariableRepresentation(
                **dict(variable), created_at=row.created_at, updated_at=row.version_created_at
            )
            for variable in content.variables
        ]
        or None,
        version=row.latest_version,
        current_version_id=row.version_id,
    ).model_dump(mode="json")


def represent_version(row: Any, *, published: int | None) -> dict[str, Any]:
    """Give a list's entry for a version, ready for JSON; *published* is the number of the published one."""
    return VersionRepresentation(
        id=row.id, version=row.version, published=row.version == published, created_at=row.created_at
    ).model_dump(mode="json")


def _state(row: Any) -> dict[str, Any]:
    """What is stored of a template beside its content, and what follows from it."""
    return {
        **{name: getattr(row, name) for name in ("id", "name", "alias", "created_at", "updated_at")},
        "status": "draft" if row.published_version is None else "published",
        "published_at": row.published_at,
        "has_unpublished_versions": row.published_version != row.latest_version,
        "read_only": row.tenant == EVERYBODY,
    }
