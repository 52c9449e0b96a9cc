"""Removing, now and then and off the accept path, what the ledger keeps only for a time."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.retention import Batch, Retention
from services.gateway.logs import places

log = structlog.get_logger()

_DAY: Final = 86_400.0
_PAUSE_SECONDS: Final = 0.1
_ROUND_SECONDS: Final = 60.0
"""After so long a round ends and says what it did, though there is more to do."""


class Purger:
    """Looks every ``interval`` seconds for bodies and idempotency keys that are too old.

    ``body_days`` is how long bodies are kept, 0 for ever; ``key_seconds`` how long keys are.
    """

    def __init__(
        self, retention: Retention, *, body_days: float, key_seconds: float, interval: float
    ) -> None:
        self._retention = retention
        self._body_days = body_days
        self._key_seconds = key_seconds
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what is too old stays until somebody looks again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._round()
            except LedgerUnavailableError:
                log.warning("ledger.unavailable", during="retention")
            except Exception as error:  # noqa: BLE001 - a bug here must not keep bodies for ever
                log.error("retention.failed", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()

    async def _round(self) -> None:
        end = time.monotonic() + _ROUND_SECONDS
        bodies = await self._purge_bodies(end) if self._body_days else 0
        keys = await self._delete_keys(end)
        if bodies or keys:
            log.info("retention.purged", messages=bodies, keys=keys)

    async def _purge_bodies(self, end: float) -> int:
        batch = Batch(0, None)
        purged = 0
        while time.monotonic() < end:
            batch = await self._retention.purge(self._body_days * _DAY, after=batch.last)
            purged += batch.purged
            if batch.last is None:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return purged

    async def _delete_keys(self, end: float) -> int:
        deleted = 0
        while some := await self._retention.delete_keys(self._key_seconds):
            deleted += some
            if time.monotonic() > end:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return deleted
