"""Where bulk messages meet that may share a request.

A *group* is simply what waits when the account has its next turn.  Its members then take their
claims, each its own, and whoever cannot come after all drops out; when the last one is there, the
request leaves.  Nobody waits on purpose, and a message that somebody waits for never comes here.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.mailer.accounts.pace import Pace
from services.mailer.outcome import Outcome
from services.mailer.providers.base import Batchable, Request
from shared.signatures import Lane, SendEmail

_MOST_BYTES = 20_000_000
"""Of one request: every provider that takes batches takes more."""
_MOST_REMEMBERED = 10_000

Perform = Callable[[Sequence[SendEmail], float], Awaitable[Sequence[Outcome]]]
"""Sends messages of which the first attempt began at a moment, and gives each one's outcome."""


class Group:
    """Messages that share one request."""

    def __init__(
        self, members: Sequence[UUID], on_done: Callable[[], None], on_nobody: Callable[[], None]
    ) -> None:
        self._expected = set(members)
        self._joined: dict[UUID, tuple[SendEmail, asyncio.Future[Outcome]]] = {}
        self._on_done = on_done
        self._on_nobody = on_nobody
        self._begun = math.inf
        self._perform: Perform | None = None
        self._task: asyncio.Task[None] | None = None

    async def exchange(self, message: SendEmail, begun: float, perform: Perform) -> Outcome:
        """Send the message with the others, when all of them are there, and return its own outcome."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._joined[message.message_id] = (message, future)
        self._perform = perform
        self._begun = min(self._begun, begun)
        self._go_if_complete()
        return await future

    def drop(self, message_id: UUID) -> None:
        """This one does not come; nothing happens if it has come already."""
        if message_id in self._expected and message_id not in self._joined:
            self._expected.discard(message_id)
            self._go_if_complete()

    def _go_if_complete(self) -> None:
        if self._task is not None or len(self._joined) < len(self._expected):
            return
        if self._perform is None:
            self._on_done()
            self._on_nobody()
            return
        self._task = asyncio.create_task(self._run(self._perform))

    async def _run(self, perform: Perform) -> None:
        members = list(self._joined.values())
        try:
            outcomes = await perform([message for message, _ in members], self._begun)
            for (_, future), outcome in zip(members, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
        except BaseException as error:
            for _, future in members:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._on_done()


@dataclass(slots=True)
class _Guest:
    message: SendEmail
    size: int
    future: asyncio.Future[Group]


class Lobby:
    """The waiting bulk messages of one account; ``requests`` groups may be on their way at once."""

    def __init__(self, provider: Batchable, size: int, pace: Pace, *, requests: int) -> None:
        self._provider = provider
        self._size = size
        self._pace = pace
        self._free = asyncio.Semaphore(requests)
        self._waiting: dict[Hashable, deque[_Guest]] = {}
        self._task: asyncio.Task[None] | None = None
        self._alone: dict[UUID, None] = {}

    @property
    def waiting(self) -> int:
        """How many wait for company, or for their turn."""
        return sum(map(len, tuple(self._waiting.values())))

    async def join(self, message: SendEmail) -> Group:
        """Wait for the next turn, and return whom it is shared with.

        Raises:
            PausedError: The account pauses.
            RatesUnavailableError: Nobody knows how fast one may send.
        """
        key, size = self._key(message)
        guest = _Guest(message, size, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, deque()).append(guest)
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        try:
            return await guest.future
        except asyncio.CancelledError:
            if not guest.future.cancelled() and guest.future.exception() is None:
                guest.future.result().drop(message.message_id)  # the others must not wait for it
            raise

    def close(self, error: Exception) -> None:
        """Nobody waits any more; whoever does gets ``error``."""
        for guests in self._waiting.values():
            for guest in guests:
                if not guest.future.done():
                    guest.future.set_exception(error)
        self._waiting.clear()

    def goes_alone(self, message_id: UUID) -> None:
        """Remember that a group was refused as a whole which had this message in it."""
        self._alone[message_id] = None
        while len(self._alone) > _MOST_REMEMBERED:
            del self._alone[next(iter(self._alone))]

    def _key(self, message: SendEmail) -> tuple[Hashable, int]:
        """What a message's group must have in common, and the message's size."""
        try:
            request = self._provider.build(message)
            shared = self._provider.shared(message)
        except Exception:  # noqa: BLE001 - it cannot be carried, or has met a bug: told in its own attempt
            return message.message_id, 0
        size = len(request.body) if isinstance(request, Request) else _MOST_BYTES
        if shared is None or message.message_id in self._alone:
            return message.message_id, size
        return ("shared", shared), size

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._free.acquire()
                try:
                    await self._pace.turn(Lane.BULK)
                except BaseException:
                    self._free.release()
                    raise
                self._let_go()
        except Exception as error:  # noqa: BLE001 - each guest gets it, and deals with it
            self.close(error)
        finally:
            self._task = None

    def _let_go(self) -> None:
        """Make a group of those who wait with whoever has waited longest."""
        guests = self._next() if self._waiting else []
        if not guests:
            self._free.release()
            self._pace.give_back()
            return
        ids = [guest.message.message_id for guest in guests]
        group = Group(ids, self._free.release, self._pace.give_back)
        for guest in guests:
            guest.future.set_result(group)

    def _next(self) -> list[_Guest]:
        key = next(iter(self._waiting))
        waiting = self._waiting.pop(key)
        guests: list[_Guest] = []
        size = 0
        seen: set[UUID] = set()
        while waiting and len(guests) < self._size:
            guest = waiting[0]
            if guests and (size + guest.size > _MOST_BYTES or guest.message.message_id in seen):
                break
            waiting.popleft()
            if not guest.future.done():
                guests.append(guest)
                seen.add(guest.message.message_id)
                size += guest.size
        if waiting:
            self._waiting[key] = waiting  # behind the others now
        return guests
