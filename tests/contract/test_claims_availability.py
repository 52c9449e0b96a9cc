"""What happens to claims when their database is away, busy, frozen, or back again."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.mailer.claims.claims import (
    Beginning,
    Claims,
    ClaimsUnavailableError,
    Settlement,
    State,
)
from tests.contract.mailers import ACCOUNT, Stores, granted, locked_claims, settle, settled, take
from tests.servers.postgresql import PostgreSQL
from tests.servers.server import free_port


@pytest.fixture(params=["sqlite", "postgresql"])
def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """Claims that cannot be reached."""
    if request.param == "postgresql":
        yield Stores(f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/nowhere")
    else:
        yield Stores(f"sqlite:///{tmp_path}")  # a folder


async def test_unreachable_claims_are_unavailable(nowhere: Stores) -> None:
    """Everybody who asks is told, and nothing may be sent."""
    claims = Claims(nowhere.open())
    calls = [
        *(take(claims, uuid4()) for _ in range(3)),
        *(claims.begin(Beginning(uuid4(), 1, ACCOUNT, doubts=0)) for _ in range(3)),
        *(claims.settle(Settlement(uuid4(), 1, State.SENT)) for _ in range(3)),
        claims.purge(older_than=1.0, limit=1),
    ]

    answers = await asyncio.gather(*calls, return_exceptions=True)
    await nowhere.close()

    assert {ClaimsUnavailableError} == set(map(type, answers))


async def test_claims_are_used_again_once_they_are_back(tmp_path: Path) -> None:
    """A folder that appears late is as good as one that was always there."""
    place = tmp_path / "claims"
    place.write_text("in the way")
    stores = Stores(f"sqlite:///{place}/claims.sqlite3")
    claims = Claims(stores.open())
    with pytest.raises(ClaimsUnavailableError):
        await take(claims, uuid4())

    place.unlink()

    assert (await granted(claims, uuid4())).attempt == 1

    await stores.close()


async def test_two_mailers_may_open_new_claims_at_once(tmp_path: Path) -> None:
    """One of them waits until the other has made the table."""
    stores = Stores(f"sqlite:///{tmp_path}/claims.sqlite3")
    other = sqlite3.connect(tmp_path / "claims.sqlite3", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    soon = threading.Timer(0.3, other.rollback)
    soon.start()

    try:
        assert (await granted(Claims(stores.open()), uuid4())).attempt == 1
    finally:
        soon.join()
        other.close()
        await stores.close()


async def test_locked_claims_are_unavailable_until_they_are_free(tmp_path: Path) -> None:
    """Another process writes for too long: then nothing was claimed."""
    message_id = uuid4()
    stores = Stores(f"sqlite:///{tmp_path}/claims.sqlite3")
    claims = Claims(stores.open())
    await granted(claims, uuid4())
    locker = sqlite3.connect(tmp_path / "claims.sqlite3")
    locker.execute("BEGIN EXCLUSIVE")

    with pytest.raises(ClaimsUnavailableError):
        await take(claims, message_id)

    locker.rollback()
    locker.close()

    assert (await granted(claims, message_id)).attempt == 1

    await stores.close()


async def test_what_was_not_done_in_time_is_not_done_later(server_stores: Stores) -> None:
    """A statement that waited for a lock for too long is given up by the server too, not by us alone."""
    message_id = uuid4()
    claims = Claims(server_stores.open())
    await settle(claims, await granted(claims, message_id), State.DEFERRED)
    async with locked_claims(server_stores.url):
        with pytest.raises(ClaimsUnavailableError):
            await take(claims, message_id)

    assert (await granted(claims, message_id)).token == 2


async def test_a_restarted_postgresql_is_used_again(postgresql: PostgreSQL, server_stores: Stores) -> None:
    """Without it nothing may be sent; with it everything goes on, and nothing is forgotten."""
    message_id = uuid4()
    claims = Claims(server_stores.open())
    claim = await granted(claims, message_id)
    await asyncio.to_thread(postgresql.stop)
    with pytest.raises(ClaimsUnavailableError):
        await take(claims, message_id)
    with pytest.raises(ClaimsUnavailableError):
        await claims.begin(Beginning(message_id, claim.token, ACCOUNT, doubts=0))
    with pytest.raises(ClaimsUnavailableError):
        await settle(claims, claim, State.SENT)
    await asyncio.to_thread(postgresql.start)

    assert await settle(claims, claim, State.SENT)
    assert (await settled(claims, message_id)).attempt == 1


async def test_a_frozen_postgresql_is_unavailable_in_time(
    postgresql: PostgreSQL, server_stores: Stores
) -> None:
    """Sooner than the lease ends."""
    claims = Claims(server_stores.open())
    await granted(claims, uuid4())
    postgresql.freeze()
    async with asyncio.timeout(15):
        with pytest.raises(ClaimsUnavailableError):
            await take(claims, uuid4())
    postgresql.thaw()

    assert (await granted(claims, uuid4())).attempt == 1
