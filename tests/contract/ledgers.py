"""One gateway's way to the ledger, with what the tests want to know of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.identifiers import new_message_id
from services.gateway.ledger.database import LedgerAddress, open_engine
from services.gateway.ledger.deposit import Deposit, Entry, Key, Verdict, item_answer
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.postgresql import PostgresqlInsert
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.replays import Replays
from services.gateway.ledger.schedule import Schedule
from services.gateway.ledger.schema import Moment, idempotency_keys, messages
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.sqlite import SqliteInsert
from services.gateway.ledger.writer import Insert, Writer
from shared.signatures import Lane

TIMEOUT = 5.0
SILENT_AFTER = 60.0
BEGINNING = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


class CountingInsert:
    """Passes batches on to a real insert, and remembers their sizes."""

    def __init__(self, insert: Insert) -> None:
        self._insert = insert
        self.batches: list[int] = []

    async def insert(self, deposits: Sequence[Deposit]) -> list[Verdict]:
        self.batches.append(len(deposits))
        return await self._insert.insert(deposits)

    async def close(self) -> None:
        await self._insert.close()


@dataclass
class Gateway:
    """The ledger as one gateway process holds it."""

    engine: AsyncEngine
    ledger: Ledger
    insert: CountingInsert
    writer: Writer
    schedule: Schedule
    replays: Replays
    sessions: Sessions

    async def append(self, *entries: Entry) -> None:
        """Commit entries, all at once."""
        await asyncio.gather(*(self.writer.deposit(deposit(entry)) for entry in entries))

    async def row(self, entry: Entry) -> Any:
        """The ledger's row of an entry; it must be there."""
        row = await self.ledger.find(entry.tenant, entry.id)
        assert row is not None
        return row

    async def accept(self, count: int = 1, lane: Lane = Lane.TRANSACTIONAL) -> list[Entry]:
        """Commit some new entries."""
        entries = [entry(lane=lane) for _ in range(count)]
        await self.append(*entries)
        return entries

    async def publish(self, count: int = 1, lane: Lane = Lane.TRANSACTIONAL) -> list[Entry]:
        """Commit some new entries that the broker confirms."""
        entries = await self.accept(count, lane)
        await self.ledger.mark_queued([entry.id for entry in entries])
        return entries

    async def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass for messages and idempotency keys: they are older at once."""
        async with self.engine.begin() as connection:
            for table in (messages, idempotency_keys):
                moments = [column for column in table.c if isinstance(column.type, Moment)]
                identity = list(table.primary_key)
                for row in (await connection.execute(sa.select(*identity, *moments))).mappings().all():
                    older = {
                        moment.name: row[moment.name] - timedelta(seconds=seconds)
                        for moment in moments
                        if row[moment.name]
                    }
                    same = [column == row[column.name] for column in identity]
                    await connection.execute(sa.update(table).where(*same).values(older))


@asynccontextmanager
async def gateway(
    url: str,
    *,
    lease: float = 0.0,
    silent_after: float = SILENT_AFTER,
    retention: float = 86_400.0,
    on_committed: Callable[[Sequence[Entry]], None] = lambda _: None,
) -> AsyncIterator[Gateway]:
    """Wire a gateway's ledger as its composition root does."""
    address = LedgerAddress.parse(url)
    engine = open_engine(address, TIMEOUT)
    writing = asyncio.Lock() if address.is_sqlite else None
    insert: Insert = (
        PostgresqlInsert(address.dsn, timeout=TIMEOUT, lease=lease, retention=retention)
        if writing is None
        else SqliteInsert(address.dsn, timeout=TIMEOUT, lease=lease, retention=retention, writing=writing)
    )
    counting = CountingInsert(insert)
    writer = Writer(counting, on_committed=on_committed)
    try:
        sessions = Sessions(engine, writing=writing, timeout=TIMEOUT)
        ledger = Ledger(sessions, silent_after=silent_after)
        replays = Replays(sessions, lease=lease, on_committed=on_committed)
        yield Gateway(engine, ledger, counting, writer, Schedule(sessions), replays, sessions)
    finally:
        await writer.close()
        await engine.dispose()


def entry(
    message_id: UUID | None = None,
    *,
    tenant: str = "default",
    lane: Lane = Lane.TRANSACTIONAL,
    **fields: Any,
) -> Entry:
    """An accepted message."""
    arguments = '{"email":"joão@example.org"}'.encode()
    return Entry(
        message_id or new_message_id(), tenant, lane, "mailer.send_welcome_email", arguments, **fields
    )


def deposit(*entries: Entry, key: Key | None = None, **fields: Any) -> Deposit:
    """What one request wants committed."""
    return Deposit(entries[0].tenant, entries, answered, key, **fields)


def answered(ids: Sequence[UUID | None]) -> bytes:
    """The body of a 202 that names every message."""
    if len(ids) == 1 and ids[0] is not None:
        return item_answer(ids[0])
    return ",".join(str(message_id) for message_id in ids).encode()


def event(
    message_id: UUID,
    word: str,
    attempt: int = 1,
    at: datetime | None = None,
    *,
    series: int = 0,
    **fields: Any,
) -> LedgerEvent:
    """What the mailer reports of a message; each attempt happens a minute after the one before."""
    if at is None:
        at = BEGINNING + timedelta(minutes=attempt)
    key = f"{series}:{attempt}:{word}" if series else f"{attempt}:{word}"
    return LedgerEvent(message_id, key, word, "mailer", at, attempt, series=series, **fields)
