"""A mailer as it really is, but for Celery and the broker, and a clock that a test moves on.

It is made by the mailer's own ``parts_of``, with claims in SQLite, and delivers through fakes over sockets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from services.mailer.accounts.account import Account
from services.mailer.broker import Broker
from services.mailer.delivery.ports import Transport
from services.mailer.delivery.telling import Telling
from services.mailer.outcome import Deferred, Outcome, Redundant
from services.mailer.parts import parts_of
from services.mailer.providers.base import Outgoing, Response
from services.mailer.settings import Settings
from services.mailer.transport import Transports
from shared.signatures import Lane, RecordEvent, SendEmail
from tests.contract.conformance.passing_time import PassingTime
from tests.fakes import Fake
from tests.mailer.made import ARGUMENTS

BACKOFF = 4.0
"""Seconds; the longest wait after the first attempt, where nobody asked for another one."""
PAUSE = 77.0
"""Seconds; the wait after a refusal of the account."""
SETTLED = 20.0
"""Seconds after which a search knows of what was taken."""
PATIENT = 10.0
"""Seconds that an attempt may take."""
RESENDS = 3
"""Attempts of one message that may end in doubt."""
_MOST_ATTEMPTS = 20


class EndlessError(Exception):
    """A message came again and again."""


class _Given(Settings):
    """Settings that no environment changes."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


@dataclass
class Diary:
    """Takes the events in place of the gateway."""

    events: list[RecordEvent] = field(default_factory=list)

    async def report(self, event: RecordEvent) -> None:
        self.events.append(event)

    def mention(self, event: RecordEvent) -> None:
        self.events.append(event)


@dataclass
class Tap:
    """Lets every request through, and keeps what it was."""

    transport: Transport
    requests: list[Outgoing] = field(default_factory=list)

    async def perform(self, request: Outgoing) -> Response:
        self.requests.append(request)
        return await self.transport.perform(request)


class Mailer:
    """One mailer process, with accounts at *fakes*, by name and in their order."""

    def __init__(
        self, file: Path, fakes: Mapping[str, Fake], *, settled: float = SETTLED, **settings: Any
    ) -> None:
        plain: dict[str, Any] = {
            "attempt_deadline_seconds": PATIENT,
            "lease_seconds": 3 * PATIENT,
            "backoff_base_seconds": BACKOFF,
            "unauthorised_pause_seconds": PAUSE,
            "resend_limit": RESENDS,
            "circuit_failures": 1,
            "account_patience_seconds": 0.0,
            "claims_url": f"sqlite:///{file}",
            "provider": ",".join(fakes),
            "providers": {name: _account(fake, settled) for name, fake in fakes.items()},
        }
        self._parts = parts_of(_Given(**(plain | settings)), Broker("amqp://nowhere", is_amqp=True))
        self.time = PassingTime(file)
        self.diary = Diary()
        made = self._parts.delivery
        self._transports = cast("Transports", made.doubts.transport)
        self.sendings, self.searches = Tap(self._transports), Tap(self._transports)
        telling = Telling(self.diary)
        ending = replace(made.ending, telling=telling)
        exchange = replace(made.attempting.exchange, transport=self.sendings)
        self._delivery = replace(
            made,
            telling=telling,
            ending=ending,
            attempting=replace(made.attempting, telling=telling, ending=ending, exchange=exchange),
            doubts=replace(made.doubts, transport=self.searches),
        )
        self.accounts: dict[str, Account] = {
            account.name: account for account in self._parts.routes.all(Lane.TRANSACTIONAL)
        }
        for account in self.accounts.values():
            account.circuit._clock = account.pace._clock = self.time.now

    async def attempt(self, message: SendEmail) -> Outcome | Redundant:
        """Let the message come once; no time has passed since the last attempt."""
        self.time.stood_still()
        return await self._delivery.attempt(message)

    async def to_its_end(self, message: SendEmail, outcome: Outcome | Redundant) -> Outcome | Redundant:
        """Let the message come as often as it is told to, each time when it is told to.

        Raises:
            EndlessError: There is no end to it.
        """
        for _ in range(_MOST_ATTEMPTS):
            if not isinstance(outcome, Deferred):
                return outcome
            self.time.passes(outcome.retry_after or 0.0)
            outcome = await self.attempt(message)
        raise EndlessError(outcome)

    def told(self, message: SendEmail) -> list[RecordEvent]:
        """Every event of the message so far."""
        return [event for event in self.diary.events if event.message_id == message.message_id]

    async def pause_of(self, name: str) -> float:
        """How many seconds everybody leaves the account alone for having been too fast."""
        self.time.stood_still()
        seconds, _ = await self.accounts[name].pace._store.paused(name)
        return seconds

    @asynccontextmanager
    async def patient_for(self, seconds: float) -> AsyncIterator[None]:
        """Give each attempt so little time."""
        http, smtp = self._transports.http, self._transports.smtp
        http.deadline = smtp.deadline = seconds
        try:
            yield
        finally:
            http.deadline = smtp.deadline = PATIENT
            await self.hang_up()  # a connection keeps the patience that it was made with

    async def hang_up(self) -> None:
        """Close all connections to providers."""
        http, smtp = self._transports.http, self._transports.smtp
        if http._client is not None:
            await http._client.aclose()
            http._client = None
        await smtp.close()

    async def close(self) -> None:
        await self.hang_up()
        stores: set[Any] = {account.pace._store for account in self.accounts.values()}
        for store in (self._parts.claims._store, *stores):
            await store.close()
            store._database._thread.shutdown()


@asynccontextmanager
async def mailing(file: Path, fakes: Mapping[str, Fake], **settings: Any) -> AsyncIterator[Mailer]:
    """A mailer for a while."""
    mailer = Mailer(file, fakes, **settings)
    try:
        yield mailer
    finally:
        await mailer.close()


def _account(fake: Fake, settled: float) -> dict[str, Any]:
    return {"kind": fake.kind, "settle_delay_seconds": settled, **ARGUMENTS[fake.kind](fake.base_url)}
