"""Brokers that go away, lose things, or freeze: mail is late, and never lost or doubled."""

from __future__ import annotations

import time

import pytest

from tests.fakes.sendgrid import FakeSendGrid
from tests.flow.system import System, until
from tests.servers.rabbitmq import RabbitMQ


@pytest.mark.parametrize("outage", ["stopped", "frozen"])
def test_a_broker_that_is_away_is_invisible_to_callers(
    production: System,
    sendgrid: FakeSendGrid,
    rabbitmq: RabbitMQ,
    outage: str,
) -> None:
    """Without the broker every POST is answered 202, and all is delivered after its return."""
    production.start()
    rabbitmq.stop() if outage == "stopped" else rabbitmq.freeze()
    try:
        answers = [production.post() for _ in range(50)]
        broker = until(lambda: production.client.get("/readyz").json()["broker"] != "ok", 20, "the loss")
        ready = production.client.get("/readyz").status_code
    finally:
        rabbitmq.start() if outage == "stopped" else rabbitmq.thaw()
    accepted = [answer.json()["id"] for answer in answers]
    production.wait_until_final(accepted, 60)

    assert {202} == {answer.status_code for answer in answers}
    assert (True, 200) == (broker, ready)
    assert {1} == {taken(sendgrid, message_id) for message_id in accepted}


def test_a_message_without_a_queue_waits_in_the_ledger(
    production: System,
    sendgrid: FakeSendGrid,
    rabbitmq: RabbitMQ,
) -> None:
    """A queue deleted behind our back makes the message wait, visibly, until there is one again."""
    production.start()
    production.wait_for(production.accept(), "sent")
    production.mailers[0].stop()
    rabbitmq.delete_queue("mailer.transactional")
    message_id = production.accept()
    until(lambda: "unroutable" in production.words(message_id), 10, "the broker's return")
    status = production.email(message_id)["status"]
    production.mailers[0].start()
    production.wait_for(message_id, "sent")

    assert "accepted" == status
    assert 1 == taken(sendgrid, message_id)


@pytest.mark.parametrize("production", [{"PILLARBOX_SILENT_AFTER_SECONDS": "2"}], indirect=True)
def test_a_backlog_that_merely_waits_is_not_published_twice(
    production: System,
    sendgrid: FakeSendGrid,
    rabbitmq: RabbitMQ,
) -> None:
    """While the mailer is scaled to zero, silence is no reason to publish again."""
    production.start()
    production.wait_for(production.accept(), "sent")
    production.mailers[0].stop()
    accepted = [production.accept() for _ in range(30)]
    until(lambda: rabbitmq.queue_depth("mailer.transactional") == 30, 10, "the backlog")
    time.sleep(6)
    depth = rabbitmq.queue_depth("mailer.transactional")
    production.mailers[0].start()
    production.wait_until_final(accepted, 30)

    assert 30 == depth
    assert {1} == {taken(sendgrid, message_id) for message_id in accepted}
    assert [] == [i for i in accepted if "republished" in production.words(i)]


@pytest.mark.parametrize("production", [{"PILLARBOX_SILENT_AFTER_SECONDS": "2"}], indirect=True)
def test_what_the_broker_lost_is_published_again(
    production: System,
    sendgrid: FakeSendGrid,
    rabbitmq: RabbitMQ,
) -> None:
    """A purged queue costs seconds, never mail."""
    production.start()
    production.wait_for(production.accept(), "sent")
    production.mailers[0].stop()
    accepted = [production.accept() for _ in range(20)]
    until(lambda: rabbitmq.queue_depth("mailer.transactional") == 20, 10, "the backlog")
    rabbitmq.purge("mailer.transactional")
    production.mailers[0].start()
    production.wait_until_final(accepted, 60)

    assert {1} == {taken(sendgrid, message_id) for message_id in accepted}
    assert all("republished" in production.words(message_id) for message_id in accepted)


@pytest.mark.soak
def test_an_alarm_does_not_stop_the_mailer(
    production: System,
    sendgrid: FakeSendGrid,
    rabbitmq: RabbitMQ,
) -> None:
    """While RabbitMQ blocks publishers, what waits in it is delivered: that is what relieves it."""
    production.start()
    production.wait_for(production.accept(), "sent")
    production.mailers[0].stop()
    accepted = [production.accept() for _ in range(20)]
    until(lambda: rabbitmq.queue_depth("mailer.transactional") == 20, 10, "the backlog")
    rabbitmq.ctl("set_vm_memory_high_watermark", "0")
    try:
        production.mailers[0].start()
        until(lambda: all(taken(sendgrid, i) for i in accepted), 30, "the provider to take all")
        until(lambda: rabbitmq.queue_depth("mailer.transactional") == 0, 10, "the queue to be empty")
    finally:
        rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")
    production.wait_until_final(accepted, 60)

    assert {1} == {taken(sendgrid, message_id) for message_id in accepted}


@pytest.mark.soak
def test_a_mailer_without_its_broker_says_so(production: System, rabbitmq: RabbitMQ) -> None:
    """One cannot reach what is not there; an operator must be able to read that, without the password.

    It lives all the same, and an orchestrator must not restart it; it becomes ready when it consumes.
    """
    health = production.folder / "health"
    rabbitmq.stop()
    try:
        mailer = production.add_mailer(settings={"PILLARBOX_HEALTH_DIRECTORY": str(health)})
        until(lambda: "broker.unreachable" in mailer.log(), 30, "a word of it")
        (health / "beat").unlink()
        until((health / "beat").exists, 5, "a sign of life")
        ready = (health / "ready").exists()
    finally:
        rabbitmq.start()
    until((health / "ready").exists, 30, "the mailer to consume")
    mailer.stop()
    password = production.mailer_broker.split(":")[2].split("@")[0]

    assert not ready
    assert not (health / "ready").exists()
    assert password not in mailer.log()


def taken(fake: FakeSendGrid, message_id: str) -> int:
    """How often the provider took the message."""
    return sum(entry.message_id == message_id for entry in fake.record)
