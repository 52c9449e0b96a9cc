"""Who is still there at the other end of a conversation, and what of it the client can know."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd.smtp import SMTP

from tests.fakes.connections import GRACE

if TYPE_CHECKING:
    from tests.fakes.smtp.fake import FakeSmtp

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the kernel says RST instead of FIN.


class Watched(SMTP):
    """A session that tells its fake when it begins and ends, and whether a reply was of use."""

    def __init__(self, fake: FakeSmtp, desk: object, **settings: Any) -> None:
        super().__init__(desk, **settings)
        self._fake = fake
        self.gone = asyncio.Event()
        self._ours = False
        self._is_shaking_hands = False
        self._said: tuple[int, int, bool] | None = None
        """Of a message whose reply is about to be written: number, status, honest."""
        self._unproved: tuple[float, int] | None = None
        """Of a message whose reply the client may not have used: when it was written, number."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._fake.began(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._leave()
        if self._unproved and not self._ours:
            written, number = self._unproved
            if written >= time.monotonic() - GRACE:
                self._fake.note(number, answered=False)

    def tear(self) -> None:
        """End the connection rudely."""
        self._ours = True
        transport = cast("asyncio.Transport | None", self.transport)
        if self._is_shaking_hands:  # Then the library would never hear of the end.
            cast("asyncio.Transport", self._original_transport).abort()
            cast("asyncio.Task[None]", self._handler_coroutine).cancel()
            self._leave()
        elif transport is not None and not transport.is_closing():
            tcp: socket.socket = transport.get_extra_info("socket")
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()

    def _leave(self) -> None:
        self.gone.set()
        self._fake.ended(self)

    def _about_to_say(self, number: int, status: int, *, honest: bool) -> None:
        """The next reply is the one to this message."""
        self._said = (number, status, honest)

    async def push(self, status: Any) -> None:
        await super().push(status)
        if self._said:
            (number, code, honest), self._said = self._said, None
            self._fake.note(number, status=code, answered=True, honest=honest)
            self._unproved = (time.monotonic(), number)

    def _noted(self, command: str) -> None:
        self._fake.commands.append(command)
        self._unproved = None  # Whoever goes on has read the reply before.
