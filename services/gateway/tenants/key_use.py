"""Writing down, now and then and off the accept path, which API keys were used."""

from __future__ import annotations

import asyncio

import structlog

from services.gateway.ledger.api_keys import ApiKeys
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.logs import places
from services.gateway.tenants.keyring import Keyring

log = structlog.get_logger()


class KeyUse:
    """Notes the keys that the keyring has seen used, all at once, every ``interval`` seconds."""

    def __init__(self, keyring: Keyring, api_keys: ApiKeys, *, interval: float) -> None:
        self._keyring = keyring
        self._api_keys = api_keys
        self._interval = interval
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to take notes."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Note what is left, and end."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                async with asyncio.timeout(self._interval):
                    await self._closing.wait()
            except TimeoutError:
                pass
            await self._note()

    async def _note(self) -> None:
        used = frozenset(self._keyring.used)
        if not used:
            return
        try:
            await self._api_keys.touch(used)
        except LedgerUnavailableError:
            log.warning("ledger.unavailable", during="note_use")  # they are noted the next time
        except Exception as error:  # noqa: BLE001 - a bug here must not end the notes for ever
            kind, where = type(error).__name__, places(error)
            log.error("ledger.unavailable", during="note_use", error=kind, where=where)  # noqa: TRY400 - see places()
        else:
            self._keyring.used -= used
