"""Claims and rates that grow older in their database, so that nobody has to wait until they have."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID

import asyncpg

TABLES = ("claims", "rates")


def age_sqlite(
    file: Path | str, seconds: float, tables: Iterable[str] = TABLES, ids: Sequence[UUID] = ()
) -> None:
    """Move every moment so many seconds into the past: of these messages, or of all."""
    with closing(sqlite3.connect(file, timeout=10)) as database, database:
        for table in tables:
            columns = database.execute(f"PRAGMA table_info({table})").fetchall()
            if changes := _changes([(name, kind) for _, name, kind, *_ in columns], seconds):
                those = f"message_id IN ({', '.join('?' * len(ids))})" if ids else "true"
                database.execute(f"UPDATE {table} SET {changes} WHERE {those}", [*map(str, ids)])


async def age_postgresql(
    url: str, seconds: float, tables: Iterable[str] = TABLES, ids: Sequence[UUID] = ()
) -> None:
    """Do the same there."""
    connection = await asyncpg.connect(url)
    try:
        for table in tables:
            columns = await connection.fetch(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1", table
            )
            if changes := _changes([(name, kind) for name, kind in columns], seconds):
                those = ("WHERE message_id = ANY ($1)", ids) if ids else ("",)
                await connection.execute(f"UPDATE {table} SET {changes} {those[0]}", *those[1:])
    finally:
        await connection.close()


def _changes(columns: Iterable[tuple[str, str]], seconds: float) -> str:
    return ", ".join(
        f"{name} = {name} - {seconds}" + " * interval '1 second'" * kind.startswith("timestamp")
        for name, kind in columns
        if name.endswith(("_at", "_until"))
    )
