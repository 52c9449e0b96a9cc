"""Dead letters of the mailer's queues: what RabbitMQ says of them.

The header ``x-death`` lists where and why a broker message was dead-lettered, the latest first.
Waiting for a retry counts as a death, too, in one of the queues that native delayed delivery uses.
https://www.rabbitmq.com/docs/dlx#effects
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json

from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.states import MOST_SERIES
from shared.signatures import MAILER_QUEUES, Event

POISON: Final = "poison: whichever mailer took it died of it or gave it back, until RabbitMQ gave it up"
"""How often is in no header: a queue's ``x-delivery-limit`` says so."""

_DELIVERY_LIMIT: Final = "delivery_limit"
_TASK_LENGTH: Final = 100


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A broker message that no mailer could process; without its body."""

    message_id: UUID | None
    """None if it is none of the gateway's."""
    task: str | None
    queue: str | None
    """Where it was dead-lettered."""
    reason: str | None
    """RabbitMQ's word: ``rejected``, ``delivery_limit``, ``expired`` or ``maxlen``."""
    count: int
    """How often that happened there."""
    series: int = 0

    def told(self) -> dict[str, Any]:
        """What a log line says of it."""
        message_id = str(self.message_id) if self.message_id else None
        fields = {"task": self.task, "queue": self.queue, "reason": self.reason, "count": self.count}
        return {"message_id": message_id, **fields}

    def event(self) -> LedgerEvent | None:
        """What is to be recorded; None for what a mailer rejected, since that mailer has reported it."""
        if self.reason != _DELIVERY_LIMIT or self.message_id is None:
            return None
        key, now = f"poison:{self.series}", datetime.now(UTC)
        return LedgerEvent(
            self.message_id, key, Event.FAILED, "gateway", now, reason=POISON, series=self.series
        )


def read_dead_letter(
    headers: Mapping[str, Any], properties: Mapping[str, Any], body: bytes | str
) -> DeadLetter:
    """Read a dead letter, whatever it looks like; nothing of it is believed to be as it should."""
    death = _death(headers.get("x-death"))
    task = headers.get("task")
    count = death.get("count")
    return DeadLetter(
        message_id=_identifier(properties.get("correlation_id")) or _identifier(headers.get("id")),
        task=task[:_TASK_LENGTH] if isinstance(task, str) else None,
        queue=death.get("queue"),
        reason=death.get("reason"),
        count=count if isinstance(count, int) else 1,
        series=_series(body),
    )


def _death(deaths: Any) -> dict[str, Any]:
    every = [death for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else []
    ours = [death for death in every if death.get("queue") in MAILER_QUEUES]
    return next(iter(ours or every), {})


def _identifier(text: Any) -> UUID | None:
    try:
        return UUID(text)
    except (AttributeError, TypeError, ValueError):
        return None


def _series(body: bytes | str) -> int:
    try:
        series = from_json(body)[1]["series"]
    except (ValueError, TypeError, LookupError):
        return 0
    return series if isinstance(series, int) and 0 <= series <= MOST_SERIES else 0
