"""What the tests of claims and rates have in common: mailers that share a database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg

from services.mailer.claims.claims import (
    Beginning,
    Busy,
    Claim,
    Claims,
    ClaimsStore,
    Granted,
    InDoubt,
    Settled,
    Settlement,
    State,
    Wish,
)
from services.mailer.claims.postgresql import PostgresqlClaims
from services.mailer.claims.sqlite import SqliteClaims
from services.mailer.rates.postgresql import PostgresqlRates
from services.mailer.rates.sqlite import SqliteRates
from tests.mailer.aging import TABLES, age_postgresql, age_sqlite

LEASE = 300.0
SHORT = 60.0
ACCOUNT, OTHER = "main", "spare"

AnyClaims = PostgresqlClaims | SqliteClaims
AnyRates = PostgresqlRates | SqliteRates


class Stores:
    """Opens any number of stores on one database, as several mailers do."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._stores: list[AnyClaims | AnyRates] = []

    @property
    def path(self) -> str:
        """The file, where the database is one."""
        return self.url.removeprefix("sqlite:///")

    @property
    def is_postgresql(self) -> bool:
        """Whether it is a server."""
        return self.url.startswith("postgresql")

    def open(self, lease: float = LEASE) -> AnyClaims:
        """Open claims as the mailer's composition root does."""
        store = (
            PostgresqlClaims(self.url, lease=lease)
            if self.is_postgresql
            else SqliteClaims(self.path, lease=lease)
        )
        self._stores.append(store)
        return store

    def rates(self, ahead: float = 1.0) -> AnyRates:
        """Open rates as the mailer's composition root does."""
        store = (
            PostgresqlRates(self.url, ahead=ahead)
            if self.is_postgresql
            else SqliteRates(self.path, ahead=ahead)
        )
        self._stores.append(store)
        return store

    async def mailers(self, count: int, lease: float = LEASE) -> list[Claims]:
        """Several mailers that are at work already."""
        mailers = [Claims(self.open(lease)) for _ in range(count)]
        for claims in mailers:
            await granted(claims, uuid4())
        return mailers

    async def pass_time(self, seconds: float = SHORT, *ids: UUID) -> None:
        """Let so many seconds pass, for the claims of these messages or for everything."""
        tables = TABLES[:1] if ids else TABLES
        if self.is_postgresql:
            await age_postgresql(self.url, seconds, tables, ids)
        else:
            age_sqlite(self.path, seconds, tables, ids)

    async def close(self) -> None:
        """Let go of what a mailer keeps until its process ends."""
        while self._stores:
            await self._stores.pop().close()


class CountingStore:
    """Passes everything on to a real store, and remembers the sizes of the batches."""

    def __init__(self, store: ClaimsStore) -> None:
        self._store = store
        self.takes: list[int] = []
        self.begins: list[int] = []
        self.settles: list[int] = []

    async def take(self, wishes: Sequence[Wish]) -> list[Claim]:
        self.takes.append(len(wishes))
        return await self._store.take(wishes)

    async def begin(self, beginnings: Sequence[Beginning]) -> list[int | None]:
        self.begins.append(len(beginnings))
        return await self._store.begin(beginnings)

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        self.settles.append(len(settlements))
        return await self._store.settle(settlements)

    async def purge(self, *, older_than: float, limit: int) -> int:
        return await self._store.purge(older_than=older_than, limit=limit)


async def take(claims: Claims, message_id: UUID, provider: str = ACCOUNT, series: int = 0) -> Claim:
    """Ask for a message."""
    return await claims.take(Wish(message_id, provider, series))


async def granted(claims: Claims, message_id: UUID, provider: str = ACCOUNT, series: int = 0) -> Granted:
    """Take a claim that must be granted."""
    claim = await take(claims, message_id, provider, series)
    assert isinstance(claim, Granted), claim
    return claim


async def in_doubt(claims: Claims, message_id: UUID, provider: str = ACCOUNT, series: int = 0) -> InDoubt:
    """Take a claim that must come with a doubt."""
    claim = await take(claims, message_id, provider, series)
    assert isinstance(claim, InDoubt), claim
    return claim


async def busy(claims: Claims, message_id: UUID) -> Busy:
    """Ask for a claim that must not be given yet."""
    claim = await take(claims, message_id)
    assert isinstance(claim, Busy), claim
    return claim


async def settled(claims: Claims, message_id: UUID) -> Settled:
    """Ask for a message that must have come to its end."""
    claim = await take(claims, message_id)
    assert isinstance(claim, Settled), claim
    return claim


async def settle(
    claims: Claims, claim: Granted | InDoubt, state: State, wait: float | None = None, **more: object
) -> bool:
    """Write down how the attempt under a claim ended; due again at once, unless it is the end."""
    if wait is None and state in {State.DEFERRED, State.UNCERTAIN}:
        wait = 0.0
    return await claims.settle(Settlement(claim.message_id, claim.token, state, wait, **more))  # type: ignore[arg-type]


@asynccontextmanager
async def locked_claims(url: str, *ids: UUID) -> AsyncIterator[None]:
    """Hold back whoever wants to write to these claims in PostgreSQL, or to any that is there."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT * FROM claims WHERE message_id = ANY ($1) OR $1 = '{}' FOR UPDATE", ids
            )
            yield
    finally:
        await connection.close()
