"""The callers: an open loop of requests, each repeated by the documented rules until it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import aiohttp

from tests.torture import hostile
from tests.torture.journal import ANSWERED, ASKED, SILENCE, Journal
from tests.torture.orders import Order
from tests.torture.stage import Stage

_PATIENCE: Final = aiohttp.ClientTimeout(6.0)
_LONGEST_WAIT: Final = 5.0
_GIVEN_UP_AFTER: Final = 400.0
_AT_ONCE: Final = 300
_TRICKLE: Final = 3.0
"""Requests a second for faults that are left over when the plan's requests have been made."""


@dataclass(slots=True)
class Fleet:
    """All callers of a run."""

    stage: Stage
    drawn: Iterator[Order]
    journal: Journal
    orders: list[Order] = field(default_factory=list)
    """Those that were begun."""
    asked: int = 0
    accepted: int = 0
    given_up: int = 0
    stretch: float = 1.0
    """How many times slower than drawn the requests are made."""
    clock: float = 0.0
    """How far the posting has come."""
    going: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is set, new requests are made; old ones are repeated always."""
    enough: bool = False
    """Whether nobody needs more requests than the plan has; without them faults would meet nothing."""
    _session: aiohttp.ClientSession | None = None
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _underway: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def waiting(self) -> int:
        """Callers that have no answer yet."""
        return len(self._underway)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(timeout=_PATIENCE, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        self.journal.close()

    @property
    def remaining(self) -> float:
        """Seconds that the rest of the requests take, as they were drawn."""
        return max(0.0, self.stage.plan.messages - len(self.orders)) / self.stage.plan.rate

    @property
    def is_done(self) -> bool:
        """Whether the plan's requests have all been made."""
        return len(self.orders) >= self.stage.plan.messages

    async def run(self) -> None:
        """Make every request at its time, and return when each has come to an end."""
        for order in self.drawn:
            slower = max(1.0, self.stage.plan.rate / _TRICKLE) if self.is_done else self.stretch
            await asyncio.sleep(max(0.0, order.at - self.clock) * slower)
            self.clock = order.at
            await self.going.wait()
            if self.enough and self.is_done:
                break
            await self._slots.acquire()
            self.orders.append(order)
            task = asyncio.create_task(self.serve(order))
            self._underway.add(task)
            task.add_done_callback(self._done)
        await asyncio.gather(*self._underway)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._underway.discard(task)
        self._slots.release()

    async def serve(self, order: Order) -> None:
        """Do what one caller wants."""
        if order.kind == "hostile":
            with contextlib.suppress(OSError, TimeoutError, aiohttp.ClientError):
                await hostile.attack(self.stage, self.journal, order)
            return
        message_id = await self._accept(order)
        if message_id is not None and order.cancel_after is not None:
            await asyncio.sleep(order.cancel_after)
            await self._cancel(order, message_id)

    async def _accept(self, order: Order) -> str | None:
        body = dict(order.body)
        if order.delay is not None:
            body["scheduled_at"] = (datetime.now(UTC) + timedelta(seconds=order.delay)).isoformat()
        headers = {} if order.key is None else {"Idempotency-Key": order.key}
        self.asked += 1
        answer = await self._insist(order, "accept", "/emails", body, headers, once=order.key is None)
        if answer is None:
            return None
        self.accepted += 1
        return str(answer["id"])

    async def _cancel(self, order: Order, message_id: str) -> None:
        await self._insist(order, "cancel", f"/emails/{message_id}/cancel", None, {}, once=False)

    async def _insist(
        self, order: Order, call: str, path: str, body: Any, headers: dict[str, str], *, once: bool
    ) -> Any:
        """Ask until there is an answer that means something; give that of a success."""
        dice = random.Random(f"{self.stage.plan.seed} {order.number} {call}")
        until = time.monotonic() + _GIVEN_UP_AFTER
        pause = 0.2
        while time.monotonic() < until:
            address = dice.choice(self.stage.addresses)
            status, answer, wait = await self._ask(order, call, f"{address}{path}", body, headers)
            if status is not None and status < 500 and status not in (408, 425, 429) and not _is_busy(answer):
                return answer if status < 300 else None
            if once:
                return None
            await asyncio.sleep(min(wait or pause, _LONGEST_WAIT) * dice.uniform(1.0, 1.5))
            pause *= 1.6
        self.given_up += 1
        return None

    async def _ask(
        self, order: Order, call: str, url: str, body: Any, headers: dict[str, str]
    ) -> tuple[int | None, Any, float | None]:
        assert self._session is not None
        told = {"Authorization": f"Bearer {self.stage.keys[order.tenant]}", **headers}
        await self.journal.write(
            order.number, ASKED, call, answer={"scheduled_at": (body or {}).get("scheduled_at")}
        )
        try:
            async with self._session.post(url, json=body, headers=told) as response:
                answer = await _read(response)
        except (OSError, TimeoutError, aiohttp.ClientError):
            await self.journal.write(order.number, SILENCE, call)
            return None, None, None
        seen = {name: value for name, value in response.headers.items() if name != "Date"}
        await self.journal.write(
            order.number, ANSWERED, call, status=response.status, answer=answer, headers=seen
        )
        wait = response.headers.get("Retry-After")
        return response.status, answer, float(wait) if wait else None


async def _read(response: aiohttp.ClientResponse) -> Any:
    try:
        return await response.json()
    except (ValueError, aiohttp.ContentTypeError):
        return {"text": (await response.text())[:500]}


def _is_busy(answer: Any) -> bool:
    """Whether the same key is being worked on: Resend's word, to be asked again."""
    return isinstance(answer, dict) and answer.get("name") == "concurrent_idempotent_requests"
