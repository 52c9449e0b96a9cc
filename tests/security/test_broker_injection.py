"""Whoever gets at the broker can send nothing: an accepted message goes out once, and nothing else does."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.gateway.relay import wire
from shared.seals import HEADER, Seals
from shared.signatures import MAILER_QUEUES, PostWebhook, RecordEvent, RecordEvents
from tests.fakes import faults
from tests.fakes.sendgrid import FakeSendGrid
from tests.flow.conftest import build, through
from tests.flow.system import BIN, EMAIL, ROOT, System, until
from tests.security.injecting import FORGERIES, KEYS, TRANSACTIONAL, Attacker, Task, email
from tests.servers.rabbitmq import RabbitMQ

MONTH = 30 * 86_400


@dataclass
class Attack:
    """What was there before, and what was tried."""

    system: System
    attacker: Attacker
    sent: str
    """A message that went out."""
    waiting: str
    """One that waits for its time."""
    heard: Task
    """The task message of the one that went out."""
    told: Task
    """The event that it was sent."""
    seen: int = 0
    """Requests that the provider had seen."""


@pytest.fixture(scope="module")
def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sendgrid: FakeSendGrid
) -> Iterator[System]:
    """A gateway and a mailer that have keys; the gateway's is the older one."""
    settings = through(sendgrid) | {"PILLARBOX_SEAL_KEYS": ",".join(KEYS)}
    folder = tmp_path_factory.mktemp("injection")
    with build(request, "rabbitmq-sqlite", folder, settings) as system:
        system.gateway.environment["PILLARBOX_SEAL_KEYS"] = ",".join(reversed(KEYS))
        yield system.start()


@pytest.fixture(scope="module")
def attack(system: System, rabbitmq: RabbitMQ, sendgrid: FakeSendGrid) -> Attack:
    """Every forgery, tried on one system."""
    attacker = Attacker(rabbitmq)
    attacker.listen()
    sent = system.accept()
    system.wait_for(sent, "sent")
    waiting = system.accept(
        EMAIL | {"scheduled_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(), "subject": "Later"}
    )
    tasks = attacker.heard()
    (heard,) = [task for task in tasks if task.queue == TRANSACTIONAL]
    (told,) = [task for task in tasks if b'"sent"' in task.body]
    attack = Attack(system, attacker, sent, waiting, heard, told, len(sendgrid.requests))
    attacker.publish(*(forge(heard, waiting) for forge in FORGERIES.values()))
    until(lambda: rabbitmq.queue_depth("mailer.dead") >= len(FORGERIES), 30, "dead letters of all")
    return attack


def test_nothing_that_is_forged_is_sent(attack: Attack, sendgrid: FakeSendGrid) -> None:
    """Each is a dead letter, with a line in the log, and no request is made."""
    refused = [line for line in lines(attack.system) if line["event"] == "seal.refused"]

    assert attack.seen == len(sendgrid.requests)
    assert len(FORGERIES) == len(refused)
    assert {"unsealed", "forged"} == {line["verdict"] for line in refused}


def test_what_is_forged_tells_nothing(attack: Attack) -> None:
    """Neither message comes to its end by it, and no event is added."""
    assert "scheduled" == attack.system.email(attack.waiting)["status"]
    assert ["accepted", "scheduled"] == attack.system.words(attack.waiting)
    assert "sent" == attack.system.email(attack.sent)["status"]
    assert {"accepted", "queued", "sending", "sent"} == set(attack.system.words(attack.sent))


def test_a_copy_is_sent_no_second_time(attack: Attack, sendgrid: FakeSendGrid) -> None:
    """Genuine, and come again: the claim knows it, and the gateway hears what it knows already."""
    words = attack.system.words(attack.sent)
    attack.attacker.publish(*[attack.heard] * 3, replace(attack.heard, queue="mailer.bulk"))
    attack.attacker.publish(attack.told)
    after = attack.system.accept()
    attack.system.wait_for(after, "sent")

    assert 1 == Counter(entry.message_id for entry in sendgrid.requests)[attack.sent]
    assert words == attack.system.words(attack.sent)


def test_events_cannot_be_made_up(attack: Attack, rabbitmq: RabbitMQ) -> None:
    """Unsealed, sealed by a stranger, or genuine and about another message."""
    event = RecordEvent(message_id=attack.waiting, event="delivered", at=datetime.now(UTC))
    headers = wire.headers(RecordEvent.task, str(uuid4()))
    made_up = Task(wire.body(event.arguments()), headers, RecordEvent.QUEUE)
    about_another = replace(
        attack.told, body=attack.told.body.replace(attack.sent.encode(), attack.waiting.encode())
    )
    batch = RecordEvents(events=(event,))
    together = Task(wire.body(batch.arguments()), wire.headers(batch.task, str(uuid4())), batch.queue)
    attack.attacker.publish(made_up, made_up.sealed(Seals(["a stranger's key"])), about_another, together)
    until(lambda: rabbitmq.queue_depth("gateway.dead") == 4, 20, "dead letters")

    assert ["accepted", "scheduled"] == attack.system.words(attack.waiting)


def test_a_copy_of_last_month_is_sent_no_second_time(
    attack: Attack, rabbitmq: RabbitMQ, sendgrid: FakeSendGrid
) -> None:
    """The claims may have forgotten it: what is too old is published anew by who still waits for it."""
    before = rabbitmq.queue_depth("mailer.dead")
    old = email().sealed(Seals(KEYS, clock=lambda: time.time() - MONTH))
    attack.attacker.publish(old)
    until(lambda: rabbitmq.queue_depth("mailer.dead") == before + 1, 20, "the dead letter")

    assert old.correlation_id not in {entry.message_id for entry in sendgrid.requests}
    assert "stale" in {line.get("verdict") for line in lines(attack.system)}


def test_every_queue_of_the_mailer_is_tried(attack: Attack) -> None:
    """None of them is a back door."""
    tried = {forge(attack.heard, attack.waiting).queue for forge in FORGERIES.values()}

    assert {*MAILER_QUEUES, PostWebhook.QUEUE} == tried


def test_what_waited_too_long_is_published_anew(attack: Attack, rabbitmq: RabbitMQ) -> None:
    """A message that is still awaited only comes later."""
    attack.system.mailers[0].stop()
    attack.attacker.heard()
    late = attack.system.accept()
    attack.system.wait_for(late, "queued")
    (task,) = [task for task in attack.attacker.heard() if task.correlation_id == late]
    rabbitmq.purge(TRANSACTIONAL)
    attack.attacker.publish(task.sealed(Seals(KEYS, clock=lambda: time.time() - MONTH)))
    attack.system.mailers[0].start()
    attack.system.wait_for(late, "sent", 60)

    assert ["accepted", "queued", "deferred", "republished", "sending", "sent"] == attack.system.words(late)


def test_a_retry_is_sealed_anew(attack: Attack, sendgrid: FakeSendGrid) -> None:
    """By the mailer, since what it puts into the broker is another message.

    The broker does the waiting, so it names no time: another mailer's clock may think otherwise of it.
    """
    sendgrid.script(faults.refuse(503, headers={"Retry-After": "1"}))
    attack.attacker.heard()
    message_id = attack.system.accept()
    attack.system.wait_for(message_id, "sent")
    _, retry = [task for task in attack.attacker.heard() if task.correlation_id == message_id]

    assert retry.headers.get("eta") is None
    assert retry.headers[HEADER]
    assert 2 == attack.system.email(message_id)["attempts"]


def test_python_that_has_the_keys_is_believed(attack: Attack, sendgrid: FakeSendGrid) -> None:
    """With the mailer's settings ``.delay()`` works as ever; a Celery client without them is refused."""
    task_id = _delay(attack.system.mailers[0].environment)
    strangers = _delay(
        {name: value for name, value in attack.system.mailers[0].environment.items() if "SEAL" not in name}
    )
    until(lambda: f'"{strangers}"' in attack.system.logs(), 20, "the refusal")
    until(lambda: [e for e in sendgrid.requests if e.message_id == task_id], 20, "the request")

    assert strangers not in {entry.message_id for entry in sendgrid.requests}


def test_no_log_shows_a_key(attack: Attack) -> None:
    """Of those that are set."""
    assert "canary" not in attack.system.logs()


def _delay(environment: dict[str, str]) -> str:
    program = (
        "from services.mailer.worker import send_welcome_email;"
        "print(send_welcome_email.delay('joao@example.com').id)"
    )
    result = subprocess.run(
        [str(BIN / "python"), "-c", program],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return result.stdout.strip()


def lines(system: System) -> list[dict[str, Any]]:
    """What the mailers said."""
    return [
        json.loads(line)
        for mailer in system.mailers
        for line in mailer.log().splitlines()
        if line.startswith("{")
    ]
