"""What nobody could process is kept, told, and can be looked at and put back by a human."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Producer

from services.gateway.identifiers import new_message_id
from shared.signatures import EXCHANGE, SendEmail
from tests.flow.conftest import build
from tests.flow.system import EMAIL, ROOT, System, until
from tests.servers.rabbitmq import RabbitMQ


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """A system whose mailer stumbles over some messages, and gives them up after one more try."""
    settings = {"PILLARBOX_BUG_RETRY_LIMIT": "1"}
    with build(request, "rabbitmq-postgresql", tmp_path, settings) as system:
        system.start(mailers=0)
        yield system


def test_a_dead_letter_is_put_back_when_the_bug_is_mended(system: System, rabbitmq: RabbitMQ) -> None:
    """It is listed without an address, shown whole to who asks, and delivered by a mailer without the bug."""
    buggy = system.add_mailer("tests.flow.buggy_worker")
    message_id = system.accept({**EMAIL, "subject": "always a bug", "to": "canary@example.org"})
    system.wait_for(message_id, "failed", 60)
    until(lambda: rabbitmq.queue_depth("mailer.dead"), 10, "the dead letter")
    listed = _command(rabbitmq.admin_url, "list")
    shown = _command(rabbitmq.admin_url, "show", message_id)
    buggy.stop()
    system.add_mailer()
    put_back = _command(rabbitmq.admin_url, "put-back", message_id)
    system.wait_for(message_id, "sent", 60)

    assert [message_id, SendEmail.task, "mailer.transactional", "rejected"] == _rows(listed)[0][:4]
    assert "canary" not in listed.stdout
    assert "canary@example.org" == json.loads(shown.stdout)[1]["to"][0]["email"]
    assert 1 == len(_rows(put_back))
    assert 0 == rabbitmq.queue_depth("mailer.dead")


def test_what_is_no_json_is_kept_and_told(system: System, rabbitmq: RabbitMQ) -> None:
    """Celery would acknowledge it away."""
    mailer = system.add_mailer()
    system.wait_for(system.accept(), "sent", 60)
    message_id = str(new_message_id())
    with Connection(rabbitmq.admin_url) as connection:
        Producer(connection, Exchange(EXCHANGE, "topic", passive=True), auto_declare=False).publish(
            b"\xff not a message of canary@example.org",
            routing_key="mailer.transactional",
            content_type="application/x-python-serialize",
            content_encoding="binary",
            correlation_id=message_id,
            headers={"task": SendEmail.task, "id": message_id},
        )
    until(lambda: rabbitmq.queue_depth("mailer.dead"), 20, "the dead letter")
    listed = _rows(_command(rabbitmq.admin_url, "list"))
    until(lambda: message_id in system.gateway.log(), 10, "the alarm")

    assert [message_id] == [row[0] for row in listed]
    assert "signature.invalid" in mailer.log()
    assert "canary" not in system.logs()


def test_the_mailer_s_own_user_may_not_read_them(system: System, rabbitmq: RabbitMQ) -> None:
    """The command says whose rights it takes."""
    system.add_mailer()
    system.wait_for(system.accept(), "sent", 60)
    refused = _command(rabbitmq.mailer_url, "list", check=False)

    assert 1 == refused.returncode
    assert "administrator" in refused.stderr


def _command(url: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.mailer", "dead-letters", *arguments],
        env={"PILLARBOX_BROKER_URL": url, "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=check,
        timeout=60,
    )


def _rows(listed: subprocess.CompletedProcess[str]) -> list[list[str]]:
    _, *rows = listed.stdout.splitlines()
    return [row.split("\t") for row in rows]
