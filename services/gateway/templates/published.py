"""Templates as messages are made from them, in the path of every message that names one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from services.gateway import problems
from services.gateway.ledger.templates import StoredTemplates
from services.gateway.look_ups import LookUps
from services.gateway.problems import FieldError
from services.gateway.submission.template import identifier
from services.gateway.templates.content import Content, fits
from services.gateway.templating import TemplateError, bounded
from shared.signatures import Address

FRESH_SECONDS: Final = 1.0
"""How long a look-up is good for: another gateway's publishing is noticed so late."""

KEPT: Final = 256
"""Look-ups that are kept; each holds one template's sources."""

_NEEDS_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class TemplateContent:
    """A published template."""

    sender: Address | None
    reply_to: tuple[Address, ...]
    subject: str | None
    html: str | None
    text: str | None
    fallbacks: Mapping[str, JsonValue]
    """What stands for a variable that a message gives nothing for."""
    needed: frozenset[str]
    """The variables that the sources cannot do without."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Of the variables that were declared."""


class Templates:
    """Looks published templates up; who asks for the same one at the same time shares the look-up."""

    def __init__(
        self, stored: StoredTemplates, *, fresh: float = FRESH_SECONDS, capacity: int = KEPT
    ) -> None:
        self._stored = stored
        self._look_ups = LookUps(self._look_up, fresh=fresh, capacity=capacity)
        # Versions never change, and finding out what one needs may take a tenth of a second.
        self._needs: OrderedDict[UUID, frozenset[str]] = OrderedDict()

    async def published(self, tenant: str, id_or_alias: str) -> TemplateContent | None:
        """Return what a message of the tenant is to be made from; None if there is no such template.

        Raises:
            LedgerUnavailableError: Nobody can tell now.
            Problem: 422, this version of the gateway cannot read it.
        """
        which = identifier(id_or_alias)
        return None if which is None else await self._look_ups.get((tenant, which))

    def forget(self) -> None:
        """Look all of them up anew, because one was changed here."""
        self._look_ups.forget()

    async def _look_up(self, place: tuple[str, UUID | str]) -> TemplateContent | None:
        row = await self._stored.published(*place)
        if row is None:
            return None
        content = Content.decode(row.content)
        return content_of(content, await self._needed(row.version_id, content))

    async def _needed(self, version_id: UUID, content: Content) -> frozenset[str]:
        needed = self._needs.get(version_id)
        if needed is None:
            try:
                needed = await asyncio.to_thread(content.needed)
            except TemplateError as error:  # published by a version with another idea of the language
                raise problems.invalid_fields(
                    [FieldError("/template/id", f"cannot be used: {error}")]
                ) from None
            self._needs[version_id] = needed
            if len(self._needs) > _NEEDS_KEPT:
                self._needs.popitem(last=False)
        return needed


def content_of(content: Content, needed: frozenset[str]) -> TemplateContent:
    """Make what messages are made from out of what the ledger keeps."""
    given = {variable.key: variable for variable in content.variables}
    return TemplateContent(
        sender=content.sender,
        reply_to=content.reply_to,
        subject=content.subject,
        html=content.html,
        text=content.text,
        fallbacks={
            key: variable.fallback_value
            for key, variable in given.items()
            if variable.fallback_value is not None
        },
        needed=needed,
        types={key: variable.type for key, variable in given.items()},
    )


def fill(
    content: TemplateContent, given: Mapping[str, JsonValue], *, at: str = "/template/variables"
) -> dict[str, JsonValue]:
    """Add the fallbacks to the variables *given*, which stand at the JSON pointer *at*.

    Null counts as nothing given where there is a fallback, else as the value null.

    Raises:
        Problem: 422, variables are missing, of another type, or too much together.
    """
    filled: dict[str, JsonValue] = {**content.fallbacks, **given}
    for key in content.fallbacks:
        if filled[key] is None:
            filled[key] = content.fallbacks[key]
    missing = sorted(content.needed - filled.keys())
    strange = sorted(key for key, kind in content.types.items() if not fits(filled.get(key), kind))
    errors = [FieldError(f"{at}/{_escaped(key)}", "is required by the template") for key in missing]
    errors += [
        FieldError(f"{at}/{_escaped(key)}", f"must be of the type {content.types[key]}") for key in strange
    ]
    if errors:
        raise problems.invalid_fields(errors, missing=bool(missing))
    try:
        return bounded(filled)
    except ValueError as error:
        raise problems.invalid_fields([FieldError(at, f"{error}")]) from None


def _escaped(key: str) -> str:
    """As a part of a JSON pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")
