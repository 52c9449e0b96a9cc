"""The mailers that were heard of lately: every gateway hears a part of them, and all shall know of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from pydantic import ValidationError

from services.gateway.ledger.dashboard_tables import mailers
from services.gateway.ledger.schema import moment_in
from services.gateway.ledger.sessions import Sessions
from shared.signatures import RecordMailer

FORGOTTEN_SECONDS: Final = 600.0
"""How long after its last word a mailer is shown as silent, before nobody speaks of it any more."""

_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class KnownMailer:
    """What a mailer told, and how long ago by the database's clock."""

    told: RecordMailer
    seconds_ago: float

    @property
    def is_silent(self) -> bool:
        """Whether it has missed three of its own beats."""
        return self.seconds_ago > 3 * self.told.every_seconds + 2


class Mailers:
    """The table; every method is one transaction.

    Each raises what :class:`~services.gateway.ledger.sessions.Sessions` raises.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def record(self, told: Sequence[RecordMailer]) -> None:
        """Take in what mailers told; of each, the last word counts."""
        latest = {one.mailer_id: one for one in sorted(told, key=lambda one: one.at)}
        ended = [mailer_id for mailer_id, one in latest.items() if one.ends]
        insert = self._sessions.insert(mailers)
        upsert = insert.on_conflict_do_update(
            index_elements=[mailers.c.id],
            set_={"told_at": insert.excluded.told_at, "arguments": insert.excluded.arguments},
        )
        gone = mailers.c.told_at < moment_in(-FORGOTTEN_SECONDS)
        async with self._sessions.writing() as connection:
            # In one order, since other gateways do the same.
            for mailer_id in sorted(latest.keys() - ended):
                row = {"id": mailer_id, "arguments": latest[mailer_id].arguments()}
                await connection.execute(upsert.values(**row, told_at=moment_in(0)))
            await connection.execute(sa.delete(mailers).where(sa.or_(gone, mailers.c.id.in_(ended))))

    async def known(self) -> list[KnownMailer]:
        """Return the mailers that were heard of, by host and age."""
        query = sa.select(mailers.c.arguments, mailers.c.told_at, moment_in(0).label("now")).limit(_MOST)
        async with self._sessions.reading() as connection:
            rows = (await connection.execute(query)).all()
        found = [one for row in rows if (one := _read(row.arguments, row.told_at, row.now)) is not None]
        return sorted(found, key=lambda one: (one.told.host, one.told.started_at))


def _read(arguments: bytes, told_at: datetime, now: datetime) -> KnownMailer | None:
    try:
        told = RecordMailer.parse(arguments)
    except ValidationError:  # a gateway of another version wrote it
        return None
    return KnownMailer(told, max(0.0, (now - told_at).total_seconds()))
