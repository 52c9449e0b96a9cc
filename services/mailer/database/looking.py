"""A look at the mailer's database that changes nothing there."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

_TIMEOUT_SECONDS: Final = 5.0


class AwayError(Exception):
    """The database does not answer; says why, without what the driver says, which quotes values."""


@dataclass(frozen=True, slots=True)
class Look:
    """A database that answers."""

    tables: frozenset[str]
    skew_seconds: float = 0.0
    """How far its clock is ahead of ours."""


async def look(url: str) -> Look:
    """Say which tables there are.

    Raises:
        AwayError: It does not answer.
        ValueError: The URL is of no database that a mailer can use.
    """
    if url.startswith("postgresql://"):
        return await _postgresql(url)
    if url.startswith("sqlite:///"):
        return _sqlite(Path(url.removeprefix("sqlite:///")))
    raise ValueError("claims_url: must start with postgresql:// or sqlite:///")


async def _postgresql(url: str) -> Look:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            connection = await asyncpg.connect(url)
            try:
                before = time.time()
                there = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
                skew = there - (before + time.time()) / 2
                found = await connection.fetch(
                    "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid)"
                )
                return Look(frozenset(name for (name,) in found), skew)
            finally:
                connection.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise AwayError(type(error).__name__) from None


def _sqlite(path: Path) -> Look:
    if not path.exists():
        return Look(frozenset())
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_TIMEOUT_SECONDS
        )
        try:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise AwayError(type(error).__name__) from None
    return Look(frozenset(name for (name,) in found))
