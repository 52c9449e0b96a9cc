"""The one hot statement of the gateway: accepted messages into the ledger, in group commits.

A batch is simply what waits when the batch before it has been committed.  Nobody waits on
purpose to fill one: that was measured to cost latency and throughput both.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.logs import places

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted message, ready to be committed and published."""

    id: UUID
    tenant: str
    lane: str
    task: str
    arguments: bytes

    @property
    def queue(self) -> str:
        """The queue this entry is published to."""
        return f"mailer.{self.lane}"


class Insert(Protocol):
    """A database's way to insert a batch in one transaction."""

    async def insert(self, entries: Sequence[Entry]) -> None:
        """Commit all of ``entries`` or none.

        Raises:
            LedgerUnavailableError: Not committed, or not known to be.
            EntryRefusedError: One of the entries cannot be stored.
        """

    async def close(self) -> None:
        """Give the connection back."""


class Writer:
    """Lets many requests share one transaction."""

    def __init__(
        self,
        insert: Insert,
        *,
        on_committed: Callable[[Sequence[Entry]], object],
        batch_limit: int = 500,
    ) -> None:
        self._insert = insert
        self._on_committed = on_committed
        self._batch_limit = batch_limit
        self._waiting: deque[tuple[Entry, asyncio.Future[None]]] = deque()
        self._flushing: asyncio.Task[None] | None = None

    async def append(self, entry: Entry) -> None:
        """Return once ``entry`` is committed.

        Raises:
            LedgerUnavailableError: It is not, or nobody knows.
            EntryRefusedError: It cannot be stored.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await future

    async def close(self) -> None:
        """Commit what waits, then close the connection."""
        if self._flushing is not None:
            await self._flushing
        await self._insert.close()

    async def _flush(self) -> None:
        try:
            while self._waiting:
                size = min(len(self._waiting), self._batch_limit)
                batch = [self._waiting.popleft() for _ in range(size)]
                # A caller that was given up on meanwhile got no answer; its message need not exist.
                batch = [(entry, future) for entry, future in batch if not future.done()]
                if batch:
                    await self._commit(batch)
        finally:
            self._flushing = None

    async def _commit(self, batch: list[tuple[Entry, asyncio.Future[None]]]) -> None:
        entries = [entry for entry, _ in batch]
        try:
            await self._insert.insert(entries)
        except EntryRefusedError as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            for alone in batch:  # the guilty one must not take the others with it
                await self._commit([alone])
        except LedgerUnavailableError as error:
            log.warning("ledger.unavailable", during="accept", error=type(error.__cause__).__name__)
            _fail(batch, error)
            # Whoever queued behind has waited long enough, and was certainly not stored.
            behind, self._waiting = list(self._waiting), deque()
            _fail(behind, LedgerUnavailableError(unknown=False))
        except Exception as error:  # noqa: BLE001 - a bug must not leave the callers waiting for ever
            log.error("ledger.unavailable", during="accept", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()
            _fail(batch, LedgerUnavailableError(unknown=True))
        else:
            for _, future in batch:
                if not future.done():
                    future.set_result(None)
            self._on_committed(entries)


def _fail(batch: list[tuple[Entry, asyncio.Future[None]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
