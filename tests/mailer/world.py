"""Everything around a delivery, and a diary of what happened in it.

The claims are real, in SQLite; the providers say what they are told to say, and time passes when a test
wants it to.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from services.mailer.accounts.account import Account
from services.mailer.accounts.circuit import Circuit, Fuse
from services.mailer.accounts.lobby import Lobby
from services.mailer.accounts.pace import Pace
from services.mailer.accounts.routes import Routes
from services.mailer.backoff import Backoff
from services.mailer.claims.claims import (
    Beginning,
    Claim,
    Claims,
    ClaimsUnavailableError,
    InDoubt,
    Settlement,
    Wish,
)
from services.mailer.claims.sqlite import SqliteClaims
from services.mailer.delivery.attempting import Attempting
from services.mailer.delivery.consequence import Patience
from services.mailer.delivery.delivery import Delivery
from services.mailer.delivery.doubt import Doubts
from services.mailer.delivery.ending import Ending
from services.mailer.delivery.exchange import Exchange
from services.mailer.delivery.ports import UNWATCHED, UnreportedError, Watch
from services.mailer.delivery.telling import Telling
from services.mailer.outcome import Accepted, Outcome
from services.mailer.providers.base import (
    Absent,
    Finding,
    Outgoing,
    Provider,
    Request,
    Response,
    Traits,
)
from services.mailer.rates.sqlite import SqliteRates
from shared.signatures import Address, Lane, RecordEvent, SendEmail
from tests.mailer.aging import age_sqlite

LEASE = 30.0
CAP = 60.0
HORIZON = 3600.0
PAUSE = 77.0
WINDOW = 600.0
SETTLED = 20.0
"""Seconds after which a search knows of what was sent."""

Happening = Callable[[], Any]
Answer = Outcome | Exception | Happening | Sequence[Outcome]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.now += seconds


@dataclass
class Postbox:
    """A provider that says what it is told to say, and of which nothing can be found out."""

    name: str
    answers: deque[Answer] = field(default_factory=lambda: deque[Answer]([Accepted("theirs")]))
    refuses: Exception | None = None
    """What building a message comes to."""
    refused: dict[UUID, Exception] = field(default_factory=dict)
    building: Happening | None = None
    """What happens while a message is built."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of every answer."""
    said: dict[bytes, Answer] = field(default_factory=dict)
    kind: ClassVar[str] = "postbox"
    traits: ClassVar[Traits] = Traits()

    def says(self, *answers: Answer) -> None:
        """Answer so, one after the other; the last one stays."""
        self.answers = deque(answers)

    def refuses_only(self, message_id: UUID, error: Exception) -> None:
        """Let building that one message come to an error."""
        self.refused[message_id] = error

    def build(self, message: SendEmail) -> Request:
        if self.building is not None:
            self.building()
        if self.refuses is not None:
            raise self.refuses
        if message.message_id in self.refused:
            raise self.refused[message.message_id]
        return Request(f"https://{self.name}.example/send", message.message_id.bytes + message.arguments())

    def read(self, response: Response) -> Any:
        return self.said[response.body]

    def next(self) -> Answer:
        """What is said now."""
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]


class Keyed(Postbox):
    """A provider that takes a repeated request for the same one."""

    kind: ClassVar[str] = "keyed"
    traits: ClassVar[Traits] = Traits(key_window=WINDOW)


@dataclass
class Searched(Postbox):
    """A provider that can be searched."""

    findings: deque[Finding | Exception] = field(default_factory=lambda: deque([Absent()]))
    kind: ClassVar[str] = "searched"
    traits: ClassVar[Traits] = Traits(settle_delay=SETTLED)

    def build_search(self, message: SendEmail, since: datetime) -> Request:
        self.asked = (message.message_id, since)
        return Request(f"https://{self.name}.example/search", b"", method="GET")

    def read_search(self, response: Response, _: SendEmail) -> Finding:
        assert response.status == 200
        found = self.findings.popleft() if len(self.findings) > 1 else self.findings[0]
        assert not isinstance(found, Exception)
        return found


@dataclass
class Batched(Postbox):
    """A provider that takes many messages in one request; those of one tenant may share it."""

    sizes: list[int] = field(default_factory=list)
    """Of its requests with more than one."""
    overfull: Exception | None = None
    """What building a batch comes to."""
    kind: ClassVar[str] = "batched"
    traits: ClassVar[Traits] = Traits(batch_size=5)

    def shared(self, message: SendEmail) -> Hashable | None:
        return None if message.attachments else message.tenant

    def build_batch(self, messages: Sequence[SendEmail]) -> Request:
        assert len({self.shared(message) for message in messages}) == 1
        if self.overfull is not None:
            raise self.overfull
        self.sizes.append(len(messages))
        return Request(
            f"https://{self.name}.example/batch", b"".join(each.message_id.bytes for each in messages)
        )

    def read_batch(self, response: Response, messages: Sequence[SendEmail]) -> Any:
        said = self.said[response.body]
        return list(said) if isinstance(said, Sequence) else [said] * len(messages)


@dataclass
class World:
    """Makes deliveries, and is the claims' store, the transport and the reporter of all of them."""

    path: Path
    diary: list[str] = field(default_factory=list)
    events: list[RecordEvent] = field(default_factory=list)
    """What was reported, and waited for."""
    mentioned: list[RecordEvent] = field(default_factory=list)
    told: list[RecordEvent] = field(default_factory=list)
    """Both, in their order."""
    requests: list[Request] = field(default_factory=list)
    outages: Counter[str] = field(default_factory=Counter)
    """How often the claims will be away yet, by what is asked of them."""
    before: dict[str, Happening] = field(default_factory=dict)
    """What happens before the claims do what is asked of them."""
    during: Happening | None = None
    """What happens while a provider is asked."""
    unreported: bool = False
    clock: Clock = field(default_factory=Clock)
    """The circuits'."""
    watch: Watch = UNWATCHED
    claims: Claims = field(init=False, repr=False)
    _stores: list[SqliteClaims | SqliteRates] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rates = SqliteRates(str(self.path))
        self._stores.append(self.rates)

    def account(
        self,
        provider: Provider,
        *,
        limit: float | None = None,
        fuse: Fuse | None = None,
        traits: Traits | None = None,
        requests: int = 4,
    ) -> Account:
        """An account at *provider*, with a lobby if it takes batches."""
        name = provider.name  # type: ignore[attr-defined]
        traits = traits or provider.traits
        circuit = Circuit(fuse or Fuse(), self.clock)
        pace = Pace(self.rates, name, limit)
        lobby = (
            Lobby(provider, traits.batch_size, pace, requests=requests)
            if isinstance(provider, Batched)
            else None
        )
        self._providers[name] = provider
        return Account(
            name=name,
            provider=provider,
            traits=traits,
            circuit=circuit,
            pace=pace,
            slots=100,
            pause=PAUSE,
            lobby=lobby,
        )

    def delivery(
        self,
        *providers: Provider | Account,
        lease: float = LEASE,
        horizon: float = HORIZON,
        resend_limit: int = 5,
        waits: float = 0.0,
        copies_breed: bool = False,
    ) -> Delivery:
        """A mailer in this world, with these accounts in both lanes."""
        accounts = [each if isinstance(each, Account) else self.account(each) for each in providers]
        self._store = SqliteClaims(str(self.path), lease=lease)
        self._stores.append(self._store)
        patience = Patience(Backoff(5.0, CAP), horizon, PAUSE, lease, resend_limit)
        claims, telling = Claims(self), Telling(self)
        self.claims = claims
        routes = Routes(dict.fromkeys(Lane, accounts), patience=waits)
        ending = Ending(claims, telling, lease, self.watch)
        exchange = Exchange(self, lease / 2, self.watch)
        return Delivery(
            routes=routes,
            claims=claims,
            doubts=Doubts(routes, self, patience),
            attempting=Attempting(routes, claims, exchange, telling, ending, patience, self.watch),
            ending=ending,
            telling=telling,
            patience=patience,
            watch=self.watch,
            copies_breed=copies_breed,
        )

    # The claims' store

    async def take(self, wishes: Sequence[Wish]) -> list[Claim]:
        await self._note("claim")
        return await self._store.take(wishes)

    async def begin(self, beginnings: Sequence[Beginning]) -> list[int | None]:
        await self._note("begin")
        return await self._store.begin(beginnings)

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        await self._note("settle")
        return await self._store.settle(settlements)

    async def purge(self, *, older_than: float, limit: int) -> int:
        return await self._store.purge(older_than=older_than, limit=limit)

    async def _note(self, what: str) -> None:
        self.diary.append(what)
        if what in self.before:
            await _happens(self.before[what])
        if self.outages[what] > 0:
            self.outages[what] -= 1
            raise ClaimsUnavailableError

    # The transport

    async def perform(self, request: Outgoing) -> Response:
        assert isinstance(request, Request)
        url = urlsplit(request.url)
        provider = self._providers[(url.hostname or "").removesuffix(".example")]
        self.requests.append(request)
        if url.path == "/search":
            self.diary.append(f"search {provider.name}")
            return self._search(provider)
        self.diary.append(f"request {provider.name}")
        if self.during is not None:
            await _happens(self.during)
        answer = provider.next()
        if callable(answer):
            answer = await _happens(answer) or Accepted("theirs")
        if isinstance(answer, Exception):
            raise answer
        place = str(len(self.requests)).encode()
        provider.said[place] = answer
        return Response(202, place, provider.headers)

    @staticmethod
    def _search(provider: Any) -> Response:
        if isinstance(provider.findings[0], Exception):
            raise provider.findings.popleft() if len(provider.findings) > 1 else provider.findings[0]
        return Response(200)

    # The reporter

    async def report(self, event: RecordEvent) -> None:
        self.diary.append(f"report {event.event}")
        if self.unreported:
            raise UnreportedError
        self.events.append(event)
        self.told.append(event)

    def mention(self, event: RecordEvent) -> None:
        self.diary.append(f"mention {event.event}")
        self.mentioned.append(event)
        self.told.append(event)

    # What a test asks and does

    async def claim(self, message: SendEmail, provider: str = "another", series: int = 0) -> Claim:
        """Take the message as another mailer would, and say how that went."""
        (claim,) = await self._store.take([Wish(message.message_id, provider, series)])
        return claim

    async def crash(self, message: SendEmail, provider: str) -> None:
        """Begin an attempt, die, and let the lease end."""
        claim = await self.claim(message, provider)
        if isinstance(claim, InDoubt):
            again = Beginning(message.message_id, claim.token, provider, claim.doubts, claim.elsewhere)
            await self._store.begin([again])
        self.pass_time(LEASE + 1)

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass, as far as the claims know of time."""
        age_sqlite(self.path, seconds, ["claims"])

    def hurry(self) -> None:
        """Let the time of every next attempt come now; everything else stays as it was a moment ago."""
        with closing(sqlite3.connect(self.path)) as database:
            database.execute("UPDATE claims SET free_at = 0 WHERE free_at > 0")
            database.commit()

    def row(self, message: SendEmail) -> dict[str, Any]:
        """What the claims keep of a message."""
        with closing(sqlite3.connect(self.path)) as database:
            database.row_factory = sqlite3.Row
            key = str(message.message_id)
            return dict(database.execute("SELECT * FROM claims WHERE message_id = ?", (key,)).fetchone())

    def asked(self) -> list[str]:
        """Who was sent to and searched, in order."""
        return [word for word in self.diary if word.split()[0] in {"request", "search"}]

    def timeline(self) -> list[tuple[str, int, str | None]]:
        """Everything that was told: event, attempt, provider."""
        return [(event.event, event.attempt, event.provider) for event in self.told]

    async def close(self) -> None:
        """Let go of all connections."""
        for store in self._stores:
            await store.close()
            store._database._thread.shutdown()

    _providers: dict[str, Any] = field(default_factory=dict)
    _store: SqliteClaims = field(init=False, repr=False)


async def _happens(happening: Happening) -> Any:
    happened = happening()
    return await happened if asyncio.iscoroutine(happened) else happened


def email(**fields: Any) -> SendEmail:
    """A message."""
    plain: dict[str, Any] = {
        "message_id": uuid4(),
        "sender": Address(email="letters@example.com"),
        "to": (Address(email="ann@example.org"),),
        "subject": "Hi",
        "text": "Hello",
    }
    return SendEmail(**{**plain, **fields})


def again(message: SendEmail, series: int) -> SendEmail:
    """The message in a new series of attempts."""
    return message.model_copy(update={"series": series})
