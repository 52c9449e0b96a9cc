"""How the ledger says no."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg
import sqlalchemy as sa


class LedgerUnavailableError(Exception):
    """The ledger did not commit.  Where ``unknown``, it may have: the link broke under the commit."""

    def __init__(self, *, unknown: bool) -> None:
        super().__init__("The ledger is not available.")
        self.unknown = unknown


class EntryRefusedError(Exception):
    """The database refuses this data itself; the same entry would be refused again."""


_UNAVAILABLE = (
    *(sa.exc.DBAPIError, sa.exc.TimeoutError, OSError, TimeoutError),
    *(asyncpg.PostgresError, asyncpg.InterfaceError),  # raised bare where a connection is made
)
# SQLSTATE classes: data exception, integrity constraint violation, more than an index can hold.
_DATA_IS_TO_BLAME = ("22", "23", "54")


@contextmanager
def translated(on_unavailable: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise into the two errors above; tell of the first."""
    try:
        yield
    except OverflowError as error:  # raised by the driver, before the database was asked
        raise EntryRefusedError from error
    except _UNAVAILABLE as error:
        state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
        if state[:2] in _DATA_IS_TO_BLAME:
            raise EntryRefusedError from error
        on_unavailable()
        raise LedgerUnavailableError(unknown=True) from error
