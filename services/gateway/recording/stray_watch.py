"""Looking, now and then, whether what providers told of unknown messages can be recorded."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.strays import Strays
from services.gateway.logs import places

log = structlog.get_logger()

_PAUSE_SECONDS: Final = 0.1
"""Between two batches, so that nobody who sends has to wait for many of them."""


class StrayWatch:
    """Looks every ``interval`` seconds, and lets go of what has waited for ``patience`` seconds.

    Most strays are recorded with the mailer's own word of what the provider calls the message; here
    are those that crossed with it.
    """

    def __init__(self, strays: Strays, *, interval: float, patience: float) -> None:
        self._strays = strays
        self._interval = interval
        self._patience = patience
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; strays wait until somebody looks again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._round()
            except LedgerUnavailableError:
                log.warning("ledger.unavailable", during="strays")
            except Exception as error:  # noqa: BLE001 - a bug here must not end the looking
                log.error("strays.failed", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()

    async def _round(self) -> None:
        found, dropped = 0, 0
        place: int | None = 0
        while place is not None:
            some, place = await self._strays.look(after=place)
            found += some
            await asyncio.sleep(_PAUSE_SECONDS)
        while some := await self._strays.drop(self._patience):
            dropped += some
            await asyncio.sleep(_PAUSE_SECONDS)
        if found or dropped:
            log.info("strays.settled", recorded=found, dropped=dropped)
