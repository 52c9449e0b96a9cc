"""Recording what happened to messages: a batch is one transaction.

An event is added once, and only what is new has consequences: its message moves on, a recipient is
suppressed, webhooks are told, counts grow.  Whoever writes here locks in one order: events,
messages by their ids, suppressions, and the counts last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.ledger import recording_postgresql, recording_sqlite, stray_events
from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.moves import moves_of
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.statistics import Counted, count
from services.gateway.ledger.suppressions import suppress_told
from services.gateway.ledger.webhook_fan_out import Happened, fan_out

log = structlog.get_logger()

Place = tuple[int, str]
"""Where an event is kept: the message's id and the event's key.  A number compares faster than a UUID."""

Theirs = tuple[str | None, str]
"""An account, and its provider's id for a message."""

OnAdded = Callable[[Sequence[tuple[KnownMessage, LedgerEvent]], float], object]
"""Told of events that are new, with their messages, and for how many seconds they have been worked on."""

_SUPPRESSING: Final = {"bounced": "bounce", "complained": "complaint", "unsubscribed": "unsubscribe"}
"""What is told to the reason of the suppression that it makes."""


class Recording:
    """Each method raises what :class:`~services.gateway.ledger.sessions.Sessions` raises.

    ``silent_after`` is how long, in seconds, a mailer may be silent about a message that is under way.
    """

    def __init__(
        self, sessions: Sessions, *, silent_after: float, on_added: OnAdded = lambda *_: None
    ) -> None:
        self._sessions = sessions
        self._silent_after = silent_after
        self._on_added = on_added
        self._tables = recording_sqlite if sessions.is_sqlite else recording_postgresql

    async def record(self, batch: Sequence[LedgerEvent]) -> None:
        """Add events and do what follows from them; doubled events change nothing.

        What a provider told of a message that nobody knows is set aside, and taken up again with the
        mailer's word of what that provider calls the message.
        """
        if not batch:
            return
        async with self._sessions.writing() as connection:
            waiting = await stray_events.awaiting(connection, _theirs(batch))
            unknown = await self.add(connection, [*batch, *(one.event for one in waiting)])
            kept = {one.event for one in waiting}
            new = [event for event in unknown if event not in kept]
            await stray_events.set_aside(connection, new)
            known = [one.sequence for one in waiting if one.event not in unknown]
            await stray_events.forget(connection, known)
        if new:
            log.info("event.set_aside", events=len(new))

    async def add(self, connection: AsyncConnection, batch: Sequence[LedgerEvent]) -> set[LedgerEvent]:
        """Do the same inside a transaction; return those events whose messages nobody knows."""
        begun = time.perf_counter()
        named, unknown = await self._named(connection, batch)
        known = await self._tables.known(connection, {message_id for message_id, _ in named})
        events, strangers = _sorted(named, known)
        if not events:
            return unknown | strangers
        tenants = [known[key[0]].tenant if key[0] in known else None for key in events]
        added = await self._tables.append(connection, list(events.values()), tenants)
        pairs = [(known[key[0]], events[key]) for key in events if key in added and key[0] in known]
        if pairs:
            await self._consequences(connection, pairs)
            self._on_added(pairs, time.perf_counter() - begun)
        return unknown | strangers

    async def _consequences(
        self, connection: AsyncConnection, pairs: Sequence[tuple[KnownMessage, LedgerEvent]]
    ) -> None:
        await self._tables.advance(connection, moves_of((event for _, event in pairs), self._silent_after))
        told = [
            (message.tenant, who, _SUPPRESSING[event.event], message.id)
            for message, event in pairs
            if event.is_told and event.event in _SUPPRESSING and (who := message.concerned(event.recipient))
        ]
        await suppress_told(connection, self._sessions.insert, told)
        await fan_out(connection, [_happened(*pair) for pair in pairs])
        await count(connection, [_counted(*pair) for pair in pairs])

    async def _named(
        self, connection: AsyncConnection, batch: Iterable[LedgerEvent]
    ) -> tuple[list[tuple[UUID, LedgerEvent]], set[LedgerEvent]]:
        """Find out which messages the events are of; and which events are of no message that is known."""
        named = [(event.message_id, event) for event in batch if event.message_id is not None]
        nameless = [event for event in batch if event.message_id is None]
        if not nameless:
            return named, set()
        owners: dict[Theirs, set[UUID]] = {}
        for message_id, event in named:
            if event.provider_message_id and not event.is_told:
                owners.setdefault((event.provider, event.provider_message_id), set()).add(message_id)
        theirs = {event.provider_message_id for event in nameless if event.provider_message_id}
        for provider, text, message_id in await self._tables.named(connection, theirs):
            owners.setdefault((provider, text), set()).add(message_id)
        unknown = set()
        for event in nameless:
            its = owners.get((event.provider, event.provider_message_id or ""), set())
            # Where several go by the same name it could be any of them.
            if len(its) == 1:
                named.append((next(iter(its)), event))
            else:
                unknown.add(event)
        return named, unknown


def _theirs(batch: Iterable[LedgerEvent]) -> set[str]:
    """What providers call the messages that a mailer tells of."""
    return {event.provider_message_id for event in batch if event.provider_message_id and not event.is_told}


def _sorted(
    named: Iterable[tuple[UUID, LedgerEvent]], known: Collection[int]
) -> tuple[Mapping[Place, LedgerEvent], set[LedgerEvent]]:
    """Events by what they are kept under, in its order; and what providers tell of unknown messages.

    What a mailer tells of a message that was published past the gateway is kept.
    """
    events: dict[Place, LedgerEvent] = {}
    strangers = set()
    for message_id, event in named:
        number = message_id.int
        if event.is_told and number not in known:
            strangers.add(event)
        else:
            its = event if event.message_id else replace(event, message_id=message_id)
            events.setdefault((number, event.key), its)
    return {place: events[place] for place in sorted(events)}, strangers


def _happened(message: KnownMessage, event: LedgerEvent) -> Happened:
    who = event.recipient
    return Happened(message.id, message.tenant, event.event, event.at, who, event.reason, event.provider)


def _counted(message: KnownMessage, event: LedgerEvent) -> Counted:
    return Counted(
        tenant=message.tenant,
        tags=message.tags(),
        provider=event.provider,
        event=event.event,
        at=event.at,
        accepted_at=message.accepted_at,
        scheduled_at=message.scheduled_at,
    )
