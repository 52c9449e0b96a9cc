"""The one hot statement of the gateway: accepted messages into the ledger, in group commits.

A batch is simply what waits when the batch before it has been committed.  Nobody waits on
purpose to fill one: that was measured to cost latency and throughput both.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from services.gateway import failpoints
from services.gateway.ledger.deposit import Deposit, Entry, Verdict
from services.gateway.ledger.errors import EntryRefusedError, LedgerUnavailableError
from services.gateway.logs import places

log = structlog.get_logger()


class Insert(Protocol):
    """A database's way to commit a batch in one transaction."""

    async def insert(self, deposits: Sequence[Deposit]) -> list[Verdict]:
        """Commit what the verdicts say is stored, of all ``deposits`` together, or nothing.

        No two of them may offer the same key.

        Raises:
            LedgerUnavailableError: Not committed, or not known to be.
            EntryRefusedError: One of the entries cannot be stored.
        """

    async def close(self) -> None:
        """Give the connection back."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    deposit: Deposit
    future: asyncio.Future[Verdict] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Writer:
    """Lets many requests share one transaction."""

    def __init__(
        self,
        insert: Insert,
        *,
        on_committed: Callable[[Sequence[Entry]], object],
        on_measured: Callable[[Sequence[Entry], float], object] = lambda *_: None,
        on_unavailable: Callable[[], object] = lambda: None,
        batch_limit: int = 500,
    ) -> None:
        self._insert = insert
        self._on_committed = on_committed
        self._on_measured = on_measured
        self._on_unavailable = on_unavailable
        self._batch_limit = batch_limit
        self._waiting: deque[_Waiting] = deque()
        self._flushing: asyncio.Task[None] | None = None

    async def deposit(self, deposit: Deposit) -> Verdict:
        """Return once what is to be stored of ``deposit`` is committed.

        Raises:
            LedgerUnavailableError: It is not, or nobody knows.
            EntryRefusedError: It cannot be stored.
        """
        waiting = _Waiting(deposit)
        self._waiting.append(waiting)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await waiting.future

    async def close(self) -> None:
        """Commit what waits, then close the connection."""
        if self._flushing is not None:
            await self._flushing
        await self._insert.close()

    async def _flush(self) -> None:
        try:
            while self._waiting:
                # A caller that was given up on meanwhile got no answer; its message need not exist.
                batch = [one for one in self._next_batch() if not one.future.done()]
                if batch:
                    await self._commit(batch)
        finally:
            self._flushing = None

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        entries = 0
        while self._waiting and (not batch or entries < self._batch_limit):
            batch.append(self._waiting.popleft())
            entries += len(batch[-1].deposit.entries)
        return batch

    async def _inserted(self, deposits: Sequence[Deposit]) -> list[Verdict]:
        if failpoints.armed:
            await failpoints.reached("g.before_insert")
        verdicts = await self._insert.insert(deposits)
        if failpoints.armed:
            await failpoints.reached("g.after_commit")
        return verdicts

    async def _commit(self, batch: list[_Waiting]) -> None:
        begun = time.perf_counter()
        try:
            verdicts = await self._inserted([one.deposit for one in batch])
        except EntryRefusedError as error:
            if len(batch) == 1:
                batch[0].fail(error)
                return
            for alone in batch:  # the guilty one must not take the others with it
                await self._commit([alone])
        except LedgerUnavailableError as error:
            self._on_unavailable()
            log.warning("ledger.unavailable", during="accept", error=type(error.__cause__).__name__)
            _fail(batch, error)
            # Whoever queued behind has waited long enough, and was certainly not stored.
            behind, self._waiting = list(self._waiting), deque()
            _fail(behind, LedgerUnavailableError(unknown=False))
        except Exception as error:  # noqa: BLE001 - a bug must not leave the callers waiting for ever
            self._on_unavailable()
            log.error("ledger.unavailable", during="accept", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()
            _fail(batch, LedgerUnavailableError(unknown=True))
        else:
            seconds = time.perf_counter() - begun
            for one, verdict in zip(batch, verdicts, strict=True):
                if not one.future.done():
                    one.future.set_result(verdict)
            # Scheduled and suppressed ones are none of the relay's business now.
            stored = [entry for verdict in verdicts for entry in verdict.stored]
            self._on_committed([entry for entry in stored if entry.status == "accepted"])
            self._on_measured(stored, seconds)


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for one in batch:
        one.fail(error)
