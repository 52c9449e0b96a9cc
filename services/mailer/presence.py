"""What a mailer tells of itself: which queues it serves, how busy it is, and how its accounts fare."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from uuid import uuid4

from services.mailer import __version__
from services.mailer.accounts.account import Account
from services.mailer.accounts.routes import Routes
from shared.signatures import AccountUse, Lane, RecordMailer, SlotUse


class Presence:
    """One process, from its start to its end; ``every`` is how many seconds lie between two looks."""

    def __init__(self, routes: Routes, queues: Callable[[], Iterable[SlotUse]], *, every: float) -> None:
        self._routes = routes
        self._queues = queues
        self.every = every
        self._id, self._started_at = uuid4(), datetime.now(UTC)

    def look(self, *, ends: bool = False) -> RecordMailer:
        """Tell how it is now, on the loop that the accounts live on; *ends* for the last time."""
        return RecordMailer(
            mailer_id=self._id,
            at=datetime.now(UTC),
            started_at=self._started_at,
            host=socket.gethostname(),
            version=__version__,
            every_seconds=self.every,
            ends=ends,
            queues=tuple(self._queues()),
            accounts=tuple(map(self._use_of, self._routes.accounts)),
        )

    def _use_of(self, account: Account) -> AccountUse:
        limit = account.pace.limit
        return AccountUse(
            name=account.name,
            kind=account.provider.kind,
            lanes=tuple(lane.value for lane in Lane if account in self._routes.all(lane)),
            circuit=account.circuit.position.value,
            limit_per_second=None if limit is None else round(limit, 2),
            sent_per_second=round(account.pace.accepted_per_second, 2),
            in_flight=account.in_flight,
            waiting=account.waiting,
        )
