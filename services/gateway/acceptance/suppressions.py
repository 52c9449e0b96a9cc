"""Asking whether recipients are suppressed, in the path of every message that is accepted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog

from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.suppressions import Suppressions, stands_against

log = structlog.get_logger()

PAIRS = 5000
"""Addresses asked for in one query; 5,000 take some 10 ms."""


@dataclass(frozen=True, slots=True)
class _Question:
    tenant: str
    addresses: frozenset[str]
    lane: str
    answer: asyncio.Future[frozenset[str]]

    def told(self, suppressed: Mapping[tuple[str, str], str]) -> frozenset[str]:
        """What it is answered, given the reasons of all that are suppressed among some."""
        return frozenset(
            address
            for address in self.addresses
            if (reason := suppressed.get((self.tenant, address))) and stands_against(reason, self.lane)
        )


class SuppressionCheck:
    """Lets many requests share one query: whoever asks while one is running shares the next one."""

    def __init__(self, suppressions: Suppressions) -> None:
        self._suppressions = suppressions
        self._waiting: deque[_Question] = deque()
        self._asking: asyncio.Task[None] | None = None

    async def among(self, tenant: str, addresses: Collection[str], lane: str) -> frozenset[str]:
        """Return those of *addresses*, in comparable form, that the tenant must not write to in this lane.

        Raises:
            LedgerUnavailableError: The ledger does not answer; nothing was changed.
        """
        if not addresses:
            return frozenset()
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Question(tenant, frozenset(addresses), lane, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        found: frozenset[str] = await answer
        return found

    async def _ask(self) -> None:
        try:
            while group := self._next_group():
                await self._answer(group)
        finally:
            self._asking = None

    def _next_group(self) -> list[_Question]:
        group: list[_Question] = []
        pairs = 0
        while self._waiting and (not group or pairs + len(self._waiting[0].addresses) <= PAIRS):
            question = self._waiting.popleft()
            if not question.answer.done():  # its caller has not been given up on meanwhile
                group.append(question)
                pairs += len(question.addresses)
        return group

    async def _answer(self, group: list[_Question]) -> None:
        pairs = {(question.tenant, address) for question in group for address in question.addresses}
        try:
            suppressed = await self._suppressions.among(pairs)
        except LedgerUnavailableError as error:
            log.warning("ledger.unavailable", during="suppressions", error=type(error.__cause__).__name__)
            # Whoever asked meanwhile has waited long enough.
            behind, self._waiting = list(self._waiting), deque()
            _fail(group + behind, LedgerUnavailableError(unknown=False))
        except Exception as error:  # noqa: BLE001 - a bug must not leave the callers waiting for ever
            _fail(group, error)
        else:
            for question in group:
                if not question.answer.done():
                    question.answer.set_result(question.told(suppressed) if suppressed else frozenset())


def _fail(group: list[_Question], error: Exception) -> None:
    for question in group:
        if not question.answer.done():
            question.answer.set_exception(error)
