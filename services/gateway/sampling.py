"""Asking the ledger now and then for what Prometheus is told, however often that asks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping

import structlog

from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.waiting import Waiting
from services.gateway.logs import places
from shared.signatures import Lane

log = structlog.get_logger()


class Sampler:
    """Looks every ``interval`` seconds, and tells ``on_sampled`` what it saw."""

    def __init__(
        self, waiting: Waiting, *, interval: float, on_sampled: Callable[[Mapping[str, float]], object]
    ) -> None:
        self._waiting = waiting
        self._interval = interval
        self._on_sampled = on_sampled
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            self._on_sampled(await self._sampled())
            await asyncio.sleep(self._interval)

    async def _sampled(self) -> Mapping[str, float]:
        try:
            return await self._waiting.oldest()
        except LedgerUnavailableError:
            log.warning("ledger.unavailable", during="sample")
        except Exception as error:  # noqa: BLE001 - a bug here must not end the looking for ever
            log.error("sample.failed", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()
        return dict.fromkeys(map(str, Lane), math.nan)
