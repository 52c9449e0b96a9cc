"""Templates out of the operator's folder: every tenant may use them, and only the folder changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.ledger.schema import moment_in, template_versions, templates
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.template_rows import EVERYBODY, insert_template, insert_version, published

_LOCK = sa.text("SELECT pg_advisory_xact_lock(7233169142)")


@dataclass(frozen=True, slots=True)
class FolderTemplate:
    """A template as it stands in the folder."""

    alias: str
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading a folder has led to, in aliases."""

    published: tuple[str, ...]
    """In a new version."""
    absent: tuple[str, ...]
    """No longer in the folder, but still there for messages."""


async def load(sessions: Sessions, folder: Sequence[FolderTemplate]) -> Loaded:
    """Publish what is new or different in the folder, in one transaction.

    Two gateways may do so at once: the second waits, and finds nothing to do.  What is no longer
    in the folder stays: while versions of a deployment overlap, one folder lacks what messages of
    the other are made from.  Raises what :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """
    async with sessions.writing() as connection:
        if not sessions.is_sqlite:
            await connection.execute(_LOCK)
        there = {row.alias: row for row in await _there(connection)}
        changed = [template for template in folder if await _put(connection, template, there)]
    names = {template.alias for template in folder}
    return Loaded(tuple(template.alias for template in changed), tuple(sorted(there.keys() - names)))


async def _there(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
    its = sa.and_(
        template_versions.c.template_id == templates.c.id,
        template_versions.c.version == templates.c.published_version,
    )
    query = (
        sa.select(templates, template_versions.c.content)
        .select_from(templates.join(template_versions, its))
        .where(templates.c.tenant == EVERYBODY)
    )
    return (await connection.execute(query)).all()


async def _put(connection: AsyncConnection, template: FolderTemplate, there: dict[str, sa.Row[Any]]) -> bool:
    """Bring one template up to date; whether its content was not so before."""
    row = there.get(template.alias)
    if row is None:
        made = await insert_template(connection, EVERYBODY, template.name, template.alias, template.content)
        await connection.execute(published().where(templates.c.id == made))
        return True
    own = sa.update(templates).where(templates.c.id == row.id)
    if row.name != template.name:
        await connection.execute(own.values(name=template.name, updated_at=moment_in(0)))
    if row.content == template.content:
        return False
    version = row.latest_version + 1
    await insert_version(connection, row.id, version, template.content)
    await connection.execute(own.values(latest_version=version))
    await connection.execute(published().where(templates.c.id == row.id))
    return True
