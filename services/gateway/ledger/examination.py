"""What an operator wants to know of a ledger without touching it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from services.gateway.ledger.database import MIGRATIONS, LedgerAddress, open_engine
from services.gateway.ledger.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Examination:
    """A ledger that answers."""

    revision: str
    """Of its schema; empty if there is none yet."""
    newest: str
    """That this version brings."""
    skew_seconds: float
    """How far the database's clock is ahead of ours; zero for a file, which has none."""


async def examine(address: LedgerAddress, seconds: float) -> Examination:
    """Ask a ledger, for at most so many *seconds*; a file that is not there is not made.

    Raises:
        LedgerUnavailableError: It does not answer.
    """
    newest = ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""
    if address.is_sqlite and not address.exists():
        return Examination("", newest, 0.0)
    engine = open_engine(address, seconds)
    try:
        async with Sessions(engine, writing=None, timeout=seconds).reading() as connection:
            revision = await connection.run_sync(_revision)
            before = time.time()
            there = before
            if not address.is_sqlite:
                clock = sa.text("SELECT extract(epoch FROM clock_timestamp())")
                there = float((await connection.execute(clock)).scalar_one())
            # The answer is as old as half its way.
            return Examination(revision, newest, there - (before + time.time()) / 2)
    finally:
        await engine.dispose()


def _revision(connection: sa.Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""
