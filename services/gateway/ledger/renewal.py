"""What it takes to send a message once more: whether that can be, and what is written for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from services.gateway.acceptance.entries import Draft, in_series, read_signature
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.schema import moment_in
from services.gateway.states import MOST_SERIES, QUEUED, RELEASED, REPLAYABLE, SENT_PROGRESS, beginning
from shared.signatures import Event


class Obstacle(StrEnum):
    """Why nothing is done with a message."""

    NOT_FOUND = "not_found"
    """The tenant has no such message."""
    NOT_REPLAYABLE = "not_replayable"
    """It is not at an end that it could be brought back from."""
    NOT_HELD = "not_held"
    """Only what is held can be released or dropped."""
    EXPIRED = "message_expired"
    """Its ``expires_at`` has passed."""
    PURGED = "body_purged"
    """There is nothing left to send."""
    SUPPRESSED = "recipients_suppressed"
    """Nobody in ``to`` may be written to."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A message that stays as it is."""

    id: UUID
    obstacle: Obstacle
    status: str | None = None
    """How far it has come; None where there is none."""


def obstacle_of(row: Any, event: str) -> Obstacle | None:
    """Tell what stands against sending the message once more; *event* is ``replayed`` or ``released``."""
    if event == RELEASED and row.status != Event.HELD:
        return Obstacle.NOT_HELD
    if row.status == Event.EXPIRED:
        return Obstacle.EXPIRED
    # What a provider took and dropped afterwards it would drop again; and it may have reached somebody.
    is_sent = row.progress >= SENT_PROGRESS
    if row.status not in REPLAYABLE or is_sent or row.series >= MOST_SERIES:
        return Obstacle.NOT_REPLAYABLE
    if row.expires_at is not None and row.expires_at <= row.now:
        return Obstacle.EXPIRED
    return Obstacle.PURGED if row.purged_at is not None else None


def renewed(row: Any, arguments: bytes, suppressed: frozenset[str]) -> Entry | None:
    """The message in its next series, without *suppressed* recipients; None if nobody in ``to`` is left."""
    entry = Entry(row.id, row.tenant, row.lane, row.task, arguments, row.trace, summary=row.summary)
    if suppressed:
        try:
            entry = Draft(read_signature(row.task, arguments)).entry(suppressed, row.trace)
        except ValidationError:
            return None  # only the newer gateway that wrote it can leave somebody out
    if entry.status == Event.SUPPRESSED:
        return None
    series = row.series + 1
    summary = entry.summary and in_series(entry.summary, series)
    return replace(entry, arguments=in_series(entry.arguments, series), summary=summary)


def change(row: Any, entry: Entry) -> dict[str, Any]:
    """What is written of the message, beside that it is accepted."""
    return {
        "of": entry.id,
        "begun": row.series + 1,
        "reached": beginning(row.series + 1),
        "content": entry.arguments,
        "shown": entry.summary,
        "because": entry.reason,
    }


def notes(row: Any, entry: Entry, event: str) -> Iterator[dict[str, Any]]:
    """What its timeline says of it."""
    if row.queued_at is not None:
        # The row has room for one confirm only: the one to come.  It is no news, so the feed is spared it.
        yield note(row, QUEUED, row.series) | {"at": row.queued_at, "tenant": None}
    yield note(row, event, row.series + 1)
    if entry.event is not None:
        yield note(row, entry.event, row.series + 1, entry.reason)


def note(row: Any, event: str, series: int, reason: str | None = None) -> dict[str, Any]:
    """One event of the gateway about the message in *row*; in each series it happens once."""
    return {
        "message_id": row.id,
        "tenant": row.tenant,
        "key": f"{event}:{series}",
        "event": event,
        "actor": "gateway",
        "at": moment_in(0),
        "reason": reason,
    }
