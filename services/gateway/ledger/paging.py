"""Pages by cursor: ids are UUIDv7, so their order is that of creation and never shifts.

The newest comes first.  A page is the rows just after a cursor, just before one, or the newest.
Source of the parameters: https://resend.com/docs/api-reference/pagination
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

LIMIT = 20
MOST = 100


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list are wanted: at most ``limit``, older than ``after`` or newer than ``before``."""

    limit: int = LIMIT
    after: UUID | None = None
    before: UUID | None = None

    def of(self, query: sa.Select[Any], ids: sa.Column[UUID]) -> sa.Select[Any]:
        """Cut *query* to this page, and one row more, which tells whether there are more."""
        query = query.limit(self.limit + 1)
        if self.before is not None:
            return query.where(ids > self.before).order_by(ids)
        if self.after is not None:
            query = query.where(ids < self.after)
        return query.order_by(ids.desc())

    def cut(self, rows: Sequence[sa.Row[Any]]) -> tuple[list[sa.Row[Any]], bool]:
        """The page's rows, newest first, and whether there are more in its direction."""
        page = list(rows[: self.limit])
        if self.before is not None:
            page.reverse()
        return page, len(rows) > self.limit
