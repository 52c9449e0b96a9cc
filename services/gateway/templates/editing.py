"""What a tenant may do with its templates: write, publish, copy, try and remove them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from pydantic import JsonValue

from services.gateway import problems, templating
from services.gateway.ledger.template_rows import EVERYBODY, AliasTakenError
from services.gateway.ledger.templates import Change, StoredTemplates
from services.gateway.problems import FieldError, Problem
from services.gateway.submission import limits
from services.gateway.submission.template import TemplateChange, TemplateSubmission
from services.gateway.templates.content import Content
from services.gateway.templates.published import Templates, content_of, fill
from services.gateway.templating import TemplateError

_TRIES: Final = 10
"""How often a change is made anew that another one has overtaken."""

_RETRY_AFTER_SECONDS: Final = 2

_SOME_SUBJECT: Final = "-"
"""Rendered in place of a subject that is left to the message, since none would be refused."""


class Editing:
    """A tenant's templates, in the hands of their authors.

    A template is named by its id or its alias.  Beside the problems each method names, it raises
    404 where the tenant has no such template, 403 where it is the operator's, and
    :class:`~services.gateway.ledger.errors.LedgerUnavailableError`.
    """

    def __init__(self, stored: StoredTemplates, templates: Templates) -> None:
        self._stored = stored
        self._templates = templates
        # Parsing and rendering take up to a second, in a thread: one, so that messages go before.
        self._thinking = asyncio.Semaphore(1)

    async def create(self, tenant: str, submission: TemplateSubmission) -> UUID:
        """Store a new draft, and return its id.

        Raises:
            Problem: 422, the alias is taken or a source cannot be used.
        """
        content = submission.onto(Content())
        await self._check(content)
        return await self._create(tenant, submission.name, submission.alias, content)

    async def change(self, tenant: str, which: UUID | str, change: TemplateChange) -> UUID:
        """Change a template, in a new version if its content becomes another; return its id.

        Raises:
            Problem: 422, the alias is taken or a source cannot be used.
        """
        fields: dict[str, str | None] = {"name": change.name} if change.name is not None else {}
        if "alias" in change.model_fields_set:
            fields["alias"] = change.alias
        for _ in range(_TRIES):
            row = await self._own(tenant, which)
            before = Content.decode(row.content)
            after = change.onto(before)
            content = None if after.encode() == before.encode() else after.encode()
            if content is not None:
                await self._check(after)
            try:
                made = await self._stored.update(
                    tenant, row.id, latest=row.latest_version, content=content, **fields
                )
            except AliasTakenError:
                raise _alias_taken() from None
            if made is Change.DONE:
                return self._done(row, done=True)
        raise problems.unavailable(_RETRY_AFTER_SECONDS)

    async def publish(self, tenant: str, which: UUID | str) -> UUID:
        """Make messages from the latest version from now on."""
        row = await self._own(tenant, which)
        return self._done(row, done=await self._stored.publish(tenant, row.id))

    async def remove(self, tenant: str, which: UUID | str) -> UUID:
        """Remove a template with all its versions."""
        row = await self._own(tenant, which)
        return self._done(row, done=await self._stored.remove(tenant, row.id))

    async def duplicate(self, tenant: str, which: UUID | str) -> UUID:
        """Make a draft out of the latest version of another template, and return its id."""
        row = await self.find(tenant, which)
        suffix = " (copy)"
        name = row.name[: limits.TEMPLATE_NAME_LENGTH - len(suffix)] + suffix
        return await self._stored.create(tenant, name, None, row.content)

    async def preview(
        self, tenant: str, which: UUID | str, variables: dict[str, JsonValue]
    ) -> dict[str, str | None]:
        """Return subject, html and text of the latest version, rendered; null for what it does not have.

        Raises:
            Problem: 422, variables are missing or do not fit.
        """
        content = Content.decode((await self.find(tenant, which)).content)
        sources = content.subject or _SOME_SUBJECT, content.html, content.text
        try:
            async with self._thinking:
                template = content_of(content, await asyncio.to_thread(content.needed))
                filled = fill(template, variables, at="/variables")
                rendered = await asyncio.to_thread(templating.render, *sources, filled)
        except TemplateError as error:
            raise problems.invalid_fields([FieldError("/variables", str(error))]) from None
        return {**asdict(rendered), "subject": rendered.subject if content.subject else None}

    async def find(self, tenant: str, which: UUID | str) -> Any:
        """Return a template that the tenant sees, with its latest version."""
        row = await self._stored.find(tenant, which)
        if row is None:
            raise problems.not_found()
        return row

    async def _own(self, tenant: str, which: UUID | str) -> Any:
        row = await self.find(tenant, which)
        if row.tenant == EVERYBODY:
            raise problems.read_only()
        return row

    def _done(self, row: Any, *, done: bool) -> UUID:
        if not done:
            raise problems.not_found()
        self._templates.forget()
        template_id: UUID = row.id
        return template_id

    async def _create(self, tenant: str, name: str, alias: str | None, content: Content) -> UUID:
        try:
            return await self._stored.create(tenant, name, alias, content.encode())
        except AliasTakenError:
            raise _alias_taken() from None

    async def _check(self, content: Content) -> None:
        if content.html is None and content.text is None:
            raise problems.invalid_fields([FieldError("/html", "is required, or text is")], missing=True)
        async with self._thinking:
            found = await asyncio.to_thread(lambda: list(content.errors()))
        if found:
            raise problems.invalid_fields([_field_error(error) for error in found])


def _field_error(error: TemplateError) -> FieldError:
    line = f"line {error.line}: " if error.line else ""
    return FieldError(f"/{error.part}", f"{line}{error.reason}")


def _alias_taken() -> Problem:
    return problems.invalid_fields([FieldError("/alias", "is the alias of another template")])
