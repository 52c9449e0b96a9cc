"""What an operator does after a disaster: ledger and claims as they were at the last backup."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.torture.faults.fault import Scene, fault
from tests.torture.stage import Stage

_HOLD = "deploy/restore/hold.sql"


def _asked_for(stage: Stage) -> bool:
    """What is accepted after a backup is lost with it: for runs that are about it."""
    return "restored_from_backup" in stage.plan.kinds and stage.servers.database is not None


@fault("D7", holds="broker claims database gateways mailers", possible=_asked_for, seconds=(0.5, 1.0))
async def restored_from_backup(scene: Scene) -> AsyncIterator[None]:
    """A backup while mail is under way; everything is sent; the backup comes back, and is held.

    By what docs/operations.md says: nothing runs while the ledger is restored, and ``hold.sql`` comes before
    the first gateway.
    """
    stage = scene.stage
    await asyncio.gather(*(one.stop() for one in stage.mailers))
    await asyncio.sleep(3.0)  # what is accepted now waits
    scene.fleet.going.clear()
    while scene.fleet.waiting:  # noqa: ASYNC110 - the fleet rings no bell
        await asyncio.sleep(0.1)
    await _stop_gateways(stage)
    await asyncio.to_thread(_copy, stage, "", "_backup")
    for one in stage.parties:
        one.start()
    await asyncio.sleep(10.0)  # it goes out
    await asyncio.gather(*(one.stop() for one in stage.mailers))
    await _stop_gateways(stage)
    await asyncio.to_thread(_copy, stage, "_backup", "")
    await asyncio.to_thread(_hold, stage)
    for one in stage.parties:
        one.start()
    yield
    scene.fleet.going.set()


async def _stop_gateways(stage: Stage) -> None:
    await asyncio.gather(*(one.stop() for one in stage.gateways))


def _copy(stage: Stage, source: str, target: str) -> None:
    """Make one state of both databases into the other."""
    server = stage.servers.database
    assert server is not None
    for url in (stage.ledger_url, stage.claims_url):
        name = urlsplit(url).path.strip("/")
        server.execute(f'DROP DATABASE IF EXISTS "{name}{target}" WITH (FORCE)')
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name}{source}' AND pid <> pg_backend_pid()"
        )
        server.execute(f'CREATE DATABASE "{name}{target}" TEMPLATE "{name}{source}"')


def _hold(stage: Stage) -> None:
    server = stage.servers.database
    assert server is not None
    server.execute((stage.plan.code / _HOLD).read_text(), stage.ledger_url)
