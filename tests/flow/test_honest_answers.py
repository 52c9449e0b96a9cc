"""How fast callers are answered while the ledger or the broker is away: at once, and honestly."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import httpx
import pytest

from tests.flow.system import System, until
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ


@pytest.mark.parametrize("outage", ["stopped", "frozen"])
def test_a_ledger_that_is_away_is_an_honest_503(
    production: System,
    postgresql: PostgreSQL,
    outage: str,
) -> None:
    """Without PostgreSQL every POST is answered 503 with Retry-After within 1.5 s, and stores nothing."""
    production.start()
    before = production.accept()
    production.wait_for(before, "sent")
    postgresql.stop("immediate") if outage == "stopped" else postgresql.freeze()
    try:
        with ThreadPoolExecutor(10) as callers:
            timed = list(callers.map(lambda _: _timed_post(production), range(30)))
        ready = production.client.get("/readyz").status_code
    finally:
        postgresql.start() if outage == "stopped" else postgresql.thaw()
    after = _accepted_again(production)
    production.wait_for(after, "sent", 60)
    in_doubt = {answer.json()["message_id"] for answer, _ in timed if "message_id" in answer.json()}
    stored = _stored(production.ledger_url)

    assert {503} == {answer.status_code for answer, _ in timed}
    assert {"2"} == {answer.headers.get("Retry-After") for answer, _ in timed}
    assert max(seconds for _, seconds in timed) < 1.5
    assert 503 == ready
    assert {before, after} == stored - in_doubt


def test_publishers_held_up_by_an_alarm_do_not_hold_up_callers(
    production: System,
    rabbitmq: RabbitMQ,
) -> None:
    """While RabbitMQ blocks publishers, POSTs are answered as ever; afterwards all is delivered."""
    production.start()
    production.wait_for(production.accept(), "sent")
    rabbitmq.ctl("set_vm_memory_high_watermark", "0")
    try:
        started = time.monotonic()
        accepted = [production.accept() for _ in range(20)]
        seconds = time.monotonic() - started
        time.sleep(3)
    finally:
        rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")
    production.wait_until_final(accepted, 60)

    assert seconds < 2


def _timed_post(system: System) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    answer = system.post()
    return answer, time.monotonic() - started


def _accepted_again(system: System) -> str:
    def post() -> str | None:
        answer = system.post()
        return answer.json()["id"] if answer.status_code == 202 else None

    return until(post, 30, "the ledger's return")


def _stored(url: str) -> set[str]:
    async def select() -> set[str]:
        connection = await asyncpg.connect(url)
        try:
            return {str(row["id"]) for row in await connection.fetch("SELECT id FROM messages")}
        finally:
            await connection.close()

    return asyncio.run(select())
