"""Processes that die: what was accepted still arrives, and nothing arrives twice without need."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from services.gateway.identifiers import new_message_id
from shared.signatures import Address, OnUncertain, SendEmail
from tests.fakes import faults
from tests.fakes.entry import Entry
from tests.fakes.sendgrid import FakeSendGrid
from tests.flow.conftest import build, through
from tests.flow.system import EMAIL, System, until
from tests.servers.rabbitmq import RabbitMQ


@pytest.mark.soak
def test_two_hundred_messages_survive_a_bad_minute(
    production: System,
    sendgrid: FakeSendGrid,
    rabbitmq: RabbitMQ,
) -> None:
    """With the mailer killed three times and RabbitMQ restarted twice, all is sent, and only what
    the provider took without being able to say so is sent again.
    """
    sendgrid.latency = 0.1
    production.start()
    accepted: list[str] = []
    posting = threading.Thread(target=lambda: accepted.extend(_post_slowly(production, 200, 0.08)))
    posting.start()
    for disaster in ("kill", "restart", "kill", "restart", "kill"):
        time.sleep(1.5)
        _kill_mailer(production) if disaster == "kill" else rabbitmq.restart()
    posting.join()
    production.wait_until_final(accepted, 60)
    sendgrid.latency = 0.0
    taken = Counter(entry.message_id for entry in sendgrid.record)
    in_doubt = Counter(entry.message_id for entry in sendgrid.record if not entry.answered)

    assert 200 == len(accepted)
    assert {"sent"} == {production.email(message_id)["status"] for message_id in accepted}
    assert [] == [message_id for message_id in accepted if not taken[message_id]]
    assert [] == [message_id for message_id in accepted if taken[message_id] - 1 > in_doubt[message_id]], (
        "sent twice although the provider had answered"
    )


@pytest.mark.parametrize(
    "pair", ["rabbitmq-postgresql", pytest.param("redis-sqlite", marks=pytest.mark.soak), "embedded-sqlite"]
)
def test_a_mailer_killed_in_mid_attempt_costs_at_most_one_repetition(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    sendgrid: FakeSendGrid,
    pair: str,
) -> None:
    """The lost attempt is told as uncertain, and the message is sent again: its default."""
    with build(request, pair, tmp_path, through(sendgrid)) as system:
        system.start()
        sendgrid.script(faults.hang(accept=True))
        message_id = system.accept()
        until(lambda: _taken(sendgrid, message_id), 20, "the provider to take the message")
        _kill_mailer(system)
        system.wait_for(message_id, "sent", 60)
        words = [word for word in system.words(message_id) if word in {"uncertain", "sent"}]

        assert ["uncertain", "sent"] == words
        assert [False, True] == [entry.answered for entry in _taken(sendgrid, message_id)]


def test_a_message_that_must_not_be_doubled_is_held(production: System, sendgrid: FakeSendGrid) -> None:
    """With on_uncertain=hold a lost attempt is not repeated, and the state says so."""
    production.start()
    until(lambda: production.wait_for(production.accept(), "sent"), 20, "a first message")
    sendgrid.script(faults.hang(accept=True))
    message_id = smuggle(production, _signature(on_uncertain=OnUncertain.HOLD))
    until(lambda: _taken(sendgrid, message_id), 20, "the provider to take the message")
    _kill_mailer(production)
    production.wait_for(message_id, "held", 60)

    assert 1 == len(_taken(sendgrid, message_id))


def test_a_gateway_killed_after_its_answers_owes_nothing(production: System, sendgrid: FakeSendGrid) -> None:
    """What was answered 202 is published by the next gateway, when the first had no time to."""
    production.start()
    accepted = [production.accept() for _ in range(50)]
    production.gateway.kill()
    production.gateway.start()
    production.wait_until_ready()
    production.wait_until_final(accepted, 60)

    assert {1} == {len(_taken(sendgrid, message_id)) for message_id in accepted}


def test_a_mailer_told_to_stop_finishes_what_it_began(production: System, sendgrid: FakeSendGrid) -> None:
    """SIGTERM in mid attempt ends in one request, one event and exit status 0."""
    production.start()
    sendgrid.script(faults.late(1.0))
    message_id = production.accept()
    until(lambda: _taken(sendgrid, message_id), 20, "the provider to take the message")
    status = production.mailers[0].stop()
    production.wait_for(message_id, "sent")

    assert 0 == status
    assert 1 == len(_taken(sendgrid, message_id))


def test_a_gateway_told_to_stop_answers_what_it_took(production: System) -> None:
    """SIGTERM under load: the gateway ends well, and every 202 is delivered."""
    production.start()
    accepted: list[str] = []
    posting = threading.Thread(target=lambda: accepted.extend(_post_until_closed(production)))
    posting.start()
    until(lambda: len(accepted) == 0 and production.client.get("/healthz").is_success, 5, "traffic")
    time.sleep(0.5)
    status = production.gateway.stop()
    posting.join()
    production.gateway.start()
    production.wait_until_ready()
    production.wait_until_final(accepted, 60)

    assert 0 == status
    assert accepted


class TestBug:
    """A bug in our own code, in a mailer that has one."""

    @pytest.fixture
    def buggy(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
        """A system whose mailer stumbles, and gives a message up after three bugs."""
        settings = {"PILLARBOX_BUG_RETRY_LIMIT": "3"}
        with build(request, "rabbitmq-postgresql", tmp_path, settings) as system:
            system.start(mailers=0)
            mailer = system.add_mailer("tests.flow.buggy_worker")
            assert mailer.process is not None
            yield system

    def test_a_message_that_meets_a_bug_comes_again(self, buggy: System) -> None:
        """An exception never acknowledges a message away."""
        buggy.wait_for(buggy.accept({**EMAIL, "subject": "a bug once"}), "sent")

    def test_a_message_that_always_meets_it_is_a_dead_letter(self, buggy: System, rabbitmq: RabbitMQ) -> None:
        """After the last retry the message is failed with a reason, and kept in mailer.dead."""
        body = {**EMAIL, "subject": "always a bug", "to": "canary@example.org"}
        message_id = buggy.accept(body)
        email = buggy.wait_for(message_id, "failed")

        assert "internal_error: ZeroDivisionError" == email["reason"]
        assert 1 == until(lambda: rabbitmq.queue_depth("mailer.dead"), 10, "the dead letter")
        assert "canary" not in buggy.logs()


def test_a_task_the_mailer_does_not_know_is_not_lost(production: System, rabbitmq: RabbitMQ) -> None:
    """A newer gateway's task waits as a dead letter and as a deferred message with a reason."""
    production.start()
    message_id = smuggle(production, _signature(), task="mailer.send_fax")
    email = until(lambda: _row(production, message_id, "deferred"), 30, "the deferral")

    assert "task_unknown: this mailer does not know mailer.send_fax" == email["reason"]
    assert 1 <= until(lambda: rabbitmq.queue_depth("mailer.dead"), 10, "the dead letter")


def test_arguments_that_cannot_be_read_are_a_dead_letter(production: System, rabbitmq: RabbitMQ) -> None:
    """A signature without its required fields fails with their names, and is kept."""
    production.start()
    signature = _signature()
    email = {"message_id": str(signature.message_id), "from": {"email": "a@example.com"}}
    message_id = smuggle(production, signature, arguments=str(email).replace("'", '"').encode())
    row = until(lambda: _row(production, message_id, "failed"), 30, "the failure")

    assert "signature_invalid: to, subject" == row["reason"]
    assert 1 == until(lambda: rabbitmq.queue_depth("mailer.dead"), 10, "the dead letter")


def smuggle(
    system: System,
    signature: SendEmail,
    *,
    task: str = SendEmail.task,
    arguments: bytes | None = None,
) -> str:
    """Put a message into the ledger that the API would not take yet."""

    async def insert() -> None:
        connection = await asyncpg.connect(system.ledger_url)
        await connection.execute(
            "INSERT INTO messages (id, tenant, lane, task, arguments, accepted_at, due_at)"
            " VALUES ($1, 'default', 'transactional', $2, $3, now(), now())",
            signature.message_id,
            task,
            arguments or signature.arguments(),
        )
        await connection.close()

    asyncio.run(insert())
    return str(signature.message_id)


def _row(system: System, message_id: str, status: str) -> asyncpg.Record | None:
    async def select() -> asyncpg.Record | None:
        connection = await asyncpg.connect(system.ledger_url)
        try:
            query = "SELECT * FROM messages WHERE id = $1 AND status = $2"
            return await connection.fetchrow(query, message_id, status)
        finally:
            await connection.close()

    return asyncio.run(select())


def _signature(**fields: object) -> SendEmail:
    return SendEmail(
        message_id=new_message_id(),
        sender=Address(email="shop@example.com"),
        to=(Address(email=f"{uuid4().hex}@example.com"),),
        subject="Hello",
        text="It works.",
        **fields,
    )


def _taken(fake: FakeSendGrid, message_id: str) -> list[Entry]:
    return [entry for entry in fake.record if entry.message_id == message_id]


def _kill_mailer(system: System) -> None:
    system.mailers[0].kill()
    system.mailers[0].start()


def _post_slowly(system: System, count: int, pause: float) -> Iterator[str]:
    for _ in range(count):
        yield system.accept()
        time.sleep(pause)


def _post_until_closed(system: System) -> Iterator[str]:
    while True:
        try:
            response = system.post()
        except httpx.TransportError:  # closed between two requests: this one was not answered
            return
        assert 202 == response.status_code
        yield response.json()["id"]
