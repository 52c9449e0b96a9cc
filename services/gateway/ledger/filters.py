"""What messages can be looked for by, in the words of the tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from services.gateway.identifiers import first_id_of
from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import Moment, lookups, messages
from services.gateway.ledger.streams import Condition, Span, Stream

_MARGIN: Final = timedelta(hours=1)
"""How far a gateway's clock, which ids are made by, may be from the database's."""

_OLDEST, _NEWEST = UUID(int=0), UUID(int=(1 << 128) - 1)
_LOOKUP = (lookups.c.tenant, lookups.c.kind, lookups.c.value, lookups.c.message_id)
_ALL = Page()


@dataclass(frozen=True, slots=True)
class Filters:
    """Which messages are wanted; None stands for any."""

    status: str | None = None
    recipient: str | None = None
    """An address in comparable form, wherever it stands: to, cc or bcc."""
    tag: str | None = None
    """``name:value``"""
    since: datetime | None = None
    """Accepted then or later, by the clock of the database."""
    until: datetime | None = None
    """Accepted before that."""
    reason: str | None = None
    """How the reason begins."""
    lane: str | None = None
    provider: str | None = None
    """The account that had the last attempt."""

    def streams(self, tenant: str) -> list[Stream]:
        """What an index finds; at least one."""
        streams = []
        if self.recipient is not None:
            streams.append(Stream(_LOOKUP, (tenant, "recipient", self.recipient)))
        if self.tag is not None:
            streams.append(Stream(_LOOKUP, (tenant, "tag", self.tag)))
        if self.status is not None:
            index = (messages.c.tenant, messages.c.status, messages.c.id)
            streams.append(Stream(index, (tenant, self.status)))
        return streams or [Stream((messages.c.tenant, messages.c.id), (tenant,))]

    def span(self, page: Page = _ALL) -> Span:
        """The ids in question: beyond the cursor, and about the time that was asked for."""
        low = first_id_of(self.since, shift=-_MARGIN) if self.since else _OLDEST
        high = first_id_of(self.until, shift=_MARGIN) if self.until else _NEWEST
        newest_first = page.before is None
        return Span(max(low, page.before or low), min(high, page.after or high), newest_first)

    def conditions(self, *, is_sqlite: bool) -> list[Condition]:
        """What has to be looked up in the messages' rows."""
        conditions = [_accepted(self, is_sqlite=is_sqlite)] if self.since or self.until else []
        if self.reason:
            conditions.append(_explained(self.reason))
        same = {"lane": self.lane, "provider": self.provider}
        return conditions + [_has(name, value) for name, value in same.items() if value is not None]


def _accepted(filters: Filters, *, is_sqlite: bool) -> Condition:
    def holds(message_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
        row = messages.alias()
        at: sa.ColumnElement[Any] = row.c.accepted_at
        if is_sqlite:
            # A text there, to the millisecond, compared with one to the microsecond.
            at = sa.type_coerce(at, sa.Text).concat("000")
        look = sa.select(sa.literal(1)).where(row.c.id == message_id)
        if filters.since is not None:
            look = look.where(at >= sa.literal(filters.since, Moment))
        if filters.until is not None:
            look = look.where(at < sa.literal(filters.until, Moment))
        return look.offset(0).exists()

    return holds


def _explained(beginning: str) -> Condition:
    def holds(message_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
        row = messages.alias()
        its = sa.func.substr(row.c.reason, 1, len(beginning))
        return sa.select(sa.literal(1)).where(row.c.id == message_id, its == beginning).offset(0).exists()

    return holds


def _has(column: str, value: str) -> Condition:
    def holds(message_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
        row = messages.alias()
        look = sa.select(sa.literal(1)).where(row.c.id == message_id, row.c[column] == value)
        return look.offset(0).exists()

    return holds
