"""Templates and their versions: what a message may be made from."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import moment_in, template_versions, templates
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.template_rows import (
    EVERYBODY,
    AliasTakenError,
    insert_template,
    insert_version,
    published,
)

_VERSION = (
    template_versions.c.id.label("version_id"),
    template_versions.c.content,
    template_versions.c.created_at.label("version_created_at"),
)


class Change(Enum):
    """What became of a change."""

    DONE = auto()
    OVERTAKEN = auto()
    """Somebody else has changed the content meanwhile; nothing was done."""
    GONE = auto()
    """The tenant has no such template."""


class StoredTemplates:
    """The tables of templates; every method is one transaction.

    A template is named by its id or its alias, and a tenant's own alias goes before one for
    everybody.  Content is what the caller has made of it, in bytes; each change of it is a new
    version, and versions are never changed.  Each method raises what
    :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def create(self, tenant: str, name: str, alias: str | None, content: bytes) -> UUID:
        """Store a draft, and return its id.

        Raises:
            AliasTakenError: Nothing was stored.
        """
        async with self._sessions.writing() as connection:
            return await insert_template(connection, tenant, name, alias, content)

    async def find(self, tenant: str, which: UUID | str) -> sa.Row[Any] | None:
        """Return a template with its latest version, or None."""
        query = _visible(tenant, which, templates.c.latest_version).add_columns(*templates.c, *_VERSION)
        async with self._sessions.reading() as connection:
            return (await connection.execute(query)).first()

    async def published(self, tenant: str, which: UUID | str) -> sa.Row[Any] | None:
        """Return the version that messages are made from, or None if there is none."""
        query = _visible(tenant, which, templates.c.published_version).add_columns(*_VERSION)
        async with self._sessions.reading() as connection:
            return (await connection.execute(query)).first()

    async def page(self, tenant: str, page: Page) -> tuple[list[sa.Row[Any]], bool]:
        """Return a page of templates without their content, the newest first; and whether there are more."""
        seen = sa.select(templates).where(templates.c.tenant.in_([tenant, EVERYBODY]))
        async with self._sessions.reading() as connection:
            return page.cut((await connection.execute(page.of(seen, templates.c.id))).all())

    async def versions(self, template_id: UUID, page: Page) -> tuple[list[sa.Row[Any]], bool]:
        """Return a page of a template's versions, the newest first; and whether there are more."""
        query = sa.select(template_versions).where(template_versions.c.template_id == template_id)
        async with self._sessions.reading() as connection:
            return page.cut((await connection.execute(page.of(query, template_versions.c.id))).all())

    async def update(
        self,
        tenant: str,
        template_id: UUID,
        *,
        latest: int,
        content: bytes | None = None,
        **fields: str | None,
    ) -> Change:
        """Change name or alias, in *fields*, and the content, if version *latest* still is the latest.

        Raises:
            AliasTakenError: Nothing was changed.
        """
        own = sa.and_(templates.c.id == template_id, templates.c.tenant == tenant)
        version = latest if content is None else latest + 1
        change = sa.update(templates).where(own, templates.c.latest_version == latest)
        change = change.values(**fields, latest_version=version, updated_at=moment_in(0))
        async with self._sessions.writing() as connection:
            try:
                changed = (await connection.execute(change)).rowcount
            except sa.exc.IntegrityError as error:
                raise AliasTakenError from error
            if not changed:
                there = (await connection.execute(sa.select(templates.c.id).where(own))).first()
                return Change.OVERTAKEN if there else Change.GONE
            if content is not None:
                await insert_version(connection, template_id, version, content)
            return Change.DONE

    async def publish(self, tenant: str, template_id: UUID) -> bool:
        """Make messages from the latest version; False if the tenant has no such template."""
        own = sa.and_(templates.c.id == template_id, templates.c.tenant == tenant)
        async with self._sessions.writing() as connection:
            return (await connection.execute(published().where(own))).rowcount == 1

    async def remove(self, tenant: str, template_id: UUID) -> bool:
        """Remove a template with all its versions; False if the tenant has no such template."""
        own = sa.delete(templates).where(templates.c.id == template_id, templates.c.tenant == tenant)
        its = sa.delete(template_versions).where(template_versions.c.template_id == template_id)
        async with self._sessions.writing() as connection:
            removed = (await connection.execute(own)).rowcount == 1
            if removed:
                await connection.execute(its)
            return removed


def _visible(tenant: str, which: UUID | str, version: sa.Column[int]) -> sa.Select[Any]:
    """The template that a tenant means, joined to one of its versions."""
    name = templates.c.id if isinstance(which, UUID) else templates.c.alias
    its = sa.and_(template_versions.c.template_id == templates.c.id, template_versions.c.version == version)
    return (
        sa.select()
        .select_from(templates.join(template_versions, its))
        .where(name == which, templates.c.tenant.in_([tenant, EVERYBODY]))
        .order_by(templates.c.tenant == EVERYBODY)
        .limit(1)
    )
