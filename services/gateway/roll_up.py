"""Counting accepted messages into the statistics, now and then and off the accept path."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.roll_up import RollUp
from services.gateway.logs import places

log = structlog.get_logger()

_PAUSE_SECONDS: Final = 0.05
_WORTH_A_LINE_SECONDS: Final = 5.0
"""A round that takes longer has found a ledger from before there were statistics."""


class Accountant:
    """Counts every ``interval`` seconds what can be counted by then."""

    def __init__(self, roll_up: RollUp, *, interval: float) -> None:
        self._roll_up = roll_up
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to count."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what is not counted stays until somebody counts again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._round()
            except LedgerUnavailableError:
                log.warning("ledger.unavailable", during="roll_up")
            except Exception as error:  # noqa: BLE001 - a bug here must not end the counting for ever
                log.error("roll_up.failed", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()

    async def _round(self) -> None:
        begun = time.monotonic()
        messages = 0
        while some := await self._roll_up.step():
            messages += some
            await asyncio.sleep(_PAUSE_SECONDS)
        if (seconds := time.monotonic() - begun) > _WORTH_A_LINE_SECONDS:
            log.info("roll_up.caught_up", messages=messages, seconds=round(seconds, 1))
