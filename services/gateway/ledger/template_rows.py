"""The statements that make templates, for the API and for the operator's folder alike."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.schema import moment_in, template_versions, templates

EVERYBODY: Final = "*"
"""Stands in place of the tenant in templates that every tenant may use, and none may change."""


class AliasTakenError(Exception):
    """The tenant has another template of this alias."""


async def insert_template(
    connection: AsyncConnection, tenant: str, name: str, alias: str | None, content: bytes
) -> UUID:
    """Insert a draft in its first version, and return its id.

    Raises:
        AliasTakenError: The transaction is lost.
    """
    template_id = new_message_id()
    row = {"id": template_id, "tenant": tenant, "name": name, "alias": alias, "latest_version": 1}
    insert = sa.insert(templates).values(**row, created_at=moment_in(0), updated_at=moment_in(0))
    try:
        await connection.execute(insert)
    except sa.exc.IntegrityError as error:
        raise AliasTakenError from error
    await insert_version(connection, template_id, 1, content)
    return template_id


async def insert_version(
    connection: AsyncConnection, template_id: UUID, version: int, content: bytes
) -> None:
    """Insert one version of a template."""
    row = {"template_id": template_id, "version": version, "id": new_message_id(), "content": content}
    await connection.execute(sa.insert(template_versions).values(**row, created_at=moment_in(0)))


def published() -> sa.Update:
    """The statement that makes messages from the latest version of some templates."""
    now = moment_in(0)
    return sa.update(templates).values(
        published_version=templates.c.latest_version, published_at=now, updated_at=now
    )
