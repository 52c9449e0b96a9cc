"""Connections that wait for the next message: the handshakes cost more than the message itself."""

from __future__ import annotations

import asyncio

from services.mailer.providers.base import Submission
from services.mailer.smtp.connection import Connection, account


class Pool:
    """Idle connections, the one that was used last at the end; each is closed after ``idle`` seconds."""

    def __init__(self, idle: float) -> None:
        self._seconds = idle
        self._idle: dict[Connection, asyncio.TimerHandle] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._idle)

    async def take(self, submission: Submission, patience: float) -> Connection | None:
        """Give a connection of the same account, if one is left that answers within ``patience`` seconds."""
        wanted = account(submission)
        while found := next((kept for kept in reversed(self._idle) if kept.account == wanted), None):
            self._idle.pop(found).cancel()
            if not found.is_open:
                continue
            is_ready = False
            try:
                is_ready = await found.is_ready(patience)
            finally:
                if not is_ready:
                    found.abort()
            # Not the next one, if this one is mute: they may all be, and the attempt has its deadline.
            return found if is_ready else None
        return None

    def keep(self, connection: Connection) -> None:
        """Let it wait for a while."""
        loop = asyncio.get_running_loop()
        self._idle[connection] = loop.call_later(self._seconds, self._retire, connection)

    def shrink(self, most: int) -> None:
        """Retire those that were idle for longest, until there are no more than ``most``."""
        while len(self._idle) > max(most, 0):
            self._retire(next(iter(self._idle)))

    async def close(self) -> None:
        """Retire them all, and wait for it."""
        self.shrink(0)
        await asyncio.gather(*self._farewells)

    def _retire(self, connection: Connection) -> None:
        self._idle.pop(connection).cancel()
        farewell = asyncio.get_running_loop().create_task(connection.quit())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)
