"""The dispatcher: publishes every webhook whose time has come, one signature for each attempt.

The mailer makes the attempt and tells what came of it; the ledger keeps account and sets the next
time.  An attempt of which no word comes back is published again, but only when nothing waits in the
queue, and no news either: while the mailer is away everything is silent, and nothing is lost; and to repeat
what is merely not recorded yet would make the recorder's work more, and it later still.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from services.gateway import failpoints
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.webhook_events import Due, WebhookEvents
from services.gateway.logs import places
from services.gateway.relay.dispatch import BrokerUnavailableError, Dispatch
from services.gateway.relay.publisher import Outgoing
from shared.signatures import PostWebhook, RecordWebhookAttempt

log = structlog.get_logger()

Depth = Callable[[str], Awaitable[int | None]]
"""Tells how many messages wait in a queue; None where there is no such queue."""

_BATCH: Final = 200
_DAY: Final = 86_400.0


class WebhookDispatcher:
    """Looks into the ledger every ``interval`` seconds, and at once again while there is work.

    ``silent_after`` seconds without a word make an attempt silent.  ``retention_days`` is how long
    what was told is kept, 0 for ever; every ``purge_interval`` seconds older events are removed.
    """

    def __init__(
        self,
        events: WebhookEvents,
        dispatch: Dispatch,
        depth: Depth,
        *,
        interval: float,
        silent_after: float,
        retention_days: float,
        purge_interval: float,
    ) -> None:
        self._events = events
        self._dispatch = dispatch
        self._depth = depth
        self._interval = interval
        self._silent_after = silent_after
        self._retention_days = retention_days
        self._purge_interval = purge_interval
        self._next_purge = time.monotonic() + purge_interval
        self._empty_since: float | None = None
        self._has_queue = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what is due stays due."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await self._purge()
                busy = self._dispatch.connected and await self.look()
            except LedgerUnavailableError:
                log.warning("ledger.unavailable", during="webhooks")
                busy = False
            except Exception as error:  # noqa: BLE001 - the broker went away meanwhile, or a bug: look again
                log.error("webhooks.failed", error=type(error).__name__, where=places(error))  # noqa: TRY400 - see places()
                busy = False
            await asyncio.sleep(0.05 if busy else self._interval)

    async def look(self) -> bool:
        """Publish what is due; True when there may be more of it at once."""
        waiting = await self._events.waiting()
        if not (waiting.due or waiting.silent):
            self._empty_since = None
            return False
        depth = await self._depth(PostWebhook.QUEUE)
        self._note_queue(depth is not None)
        if depth is None:
            return False  # an older mailer: what is due is better off in the ledger
        if waiting.silent and self._stays_empty(depth + (await self._depth(RecordWebhookAttempt.QUEUE) or 0)):
            again = await self._publish(silent=True)
            log.warning("webhook.silent", attempts=again)
        return waiting.due and await self._publish(silent=False) == _BATCH

    async def _publish(self, *, silent: bool) -> int:
        due = await self._events.take(limit=_BATCH, lease=self._silent_after, silent=silent)
        if failpoints.armed and due:
            await failpoints.reached("h.after_take")
        try:
            await self._dispatch.publish([_outgoing(each) for each in due])
        except BrokerUnavailableError:
            await self._events.give_back(due)
            return 0
        return len(due)

    def _stays_empty(self, depth: int) -> bool:
        """Whether nothing waited at any look for so long that mailers are done with what they had."""
        if depth > 0:
            self._empty_since = None
            return False
        now = time.monotonic()
        if self._empty_since is None:
            self._empty_since = now
        return now - self._empty_since >= self._silent_after / 2

    def _note_queue(self, exists: bool) -> None:  # noqa: FBT001 - a fact, not a switch
        if self._has_queue and not exists:
            log.warning("webhooks.unroutable", queue=PostWebhook.QUEUE)
        self._has_queue = exists

    async def _purge(self) -> None:
        if not self._retention_days or time.monotonic() < self._next_purge:
            return
        self._next_purge = time.monotonic() + self._purge_interval
        purged = 0
        while some := await self._events.purge(self._retention_days * _DAY):
            purged += some
            await asyncio.sleep(0)
        if purged:
            log.info("webhooks.purged", events=purged)


def _outgoing(due: Due) -> Outgoing:
    signature = PostWebhook(
        delivery_id=due.id,
        attempt=due.attempt,
        url=due.url,
        payload=due.payload.decode(),
        secrets=due.secrets,
    )
    return Outgoing(due.id, signature.task, signature.queue, signature.arguments())
