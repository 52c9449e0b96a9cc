"""Names are looked up, and sockets are made, for addresses that are allowed, and for no others.

The address that is checked is the one that is connected to: nobody looks the name up a second time.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from services.mailer.webhooks.addresses import Addresses


class NotPublicError(OSError):
    """The address is none that a webhook may go to."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The rule for connections of one kind, with TLS or without."""

    addresses: Addresses
    encrypted: bool

    def check(self, address: str) -> None:
        """Let an allowed address pass.

        Raises:
            NotPublicError: It is not.
        """
        if not self.addresses.allows(address, encrypted=self.encrypted):
            raise NotPublicError

    def socket(self, info: AddrInfoType) -> socket.socket:
        """Make the socket that is about to be connected to the address in ``info``.

        Raises:
            NotPublicError: It is not allowed; a numeric address in a URL meets no resolver before.
        """
        family, kind, protocol, _, address = info
        self.check(str(address[0]))
        return socket.socket(family, kind, protocol)


class CheckedNames(AbstractResolver):
    """Gives of a name's addresses the allowed ones."""

    def __init__(self, names: AbstractResolver, guard: Guard) -> None:
        self._names = names
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Look ``host`` up.

        Raises:
            NotPublicError: None of its addresses is allowed.
            OSError: It has none.
        """
        guard = self._guard
        found = await self._names.resolve(host, port, family)
        allowed = [one for one in found if guard.addresses.allows(one["host"], encrypted=guard.encrypted)]
        if not allowed:
            raise NotPublicError if found else OSError(errno.EADDRNOTAVAIL, "no address")
        return allowed

    async def close(self) -> None:
        await self._names.close()


class SystemNames(AbstractResolver):
    """The system's resolver, in threads of its own.

    A tenant's name server that never answers holds such a thread for many seconds; the look-ups of
    providers' names are not to wait behind it.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
