"""Looking after strays: do they have their messages by now, and how long have they waited?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.gateway.ledger import stray_events
from services.gateway.ledger.errors import EntryRefusedError
from services.gateway.ledger.recording import Recording
from services.gateway.ledger.sessions import Sessions

_ROWS: Final = 500
_PATIENCE: Final = 5.0


class Strays:
    """Each method is a batch of its own, and raises what :class:`Sessions` raises."""

    def __init__(self, sessions: Sessions, recording: Recording) -> None:
        self._sessions = sessions
        self._recording = recording

    async def look(self, *, after: int = 0) -> tuple[int, int | None]:
        """Record those that have their messages by now, of the next ones behind a place.

        Returns how many, and where to go on; None at the end.
        """
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            known, place = await stray_events.at_hand(connection, after=after, limit=_ROWS)
        if not known:
            return 0, place
        try:
            return await self._record(known), place
        except EntryRefusedError:  # that one must not keep the others here; it will be dropped in time
            return sum([await self._record_alone(one) for one in known]), place

    async def drop(self, seconds: float) -> int:
        """Remove some of those that have waited for longer than *seconds*; return how many."""
        async with self._sessions.reading(patience=_PATIENCE) as connection:
            if (await connection.execute(stray_events.older_than(seconds).limit(1))).first() is None:
                return 0  # as nearly always, and no reason to ask for the right to write
        async with self._sessions.writing() as connection:
            return await stray_events.drop(connection, seconds, limit=_ROWS)

    async def _record_alone(self, sequence: int) -> int:
        try:
            return await self._record([sequence])
        except EntryRefusedError:
            return 0

    async def _record(self, sequences: Sequence[int]) -> int:
        async with self._sessions.writing() as connection:
            some = await stray_events.take(connection, sequences)
            unknown = await self._recording.add(connection, [one.event for one in some])
            found = [one.sequence for one in some if one.event not in unknown]
            await stray_events.forget(connection, found)
        return len(found)
