"""``deploy/rabbitmq/setup.sh`` as an operator runs it."""

from __future__ import annotations

import secrets
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import amqp
import pytest
from amqp.exceptions import AccessRefused

from tests.servers.packages import program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.rabbitmq import RabbitMQ

TABLES = (
    ("list_vhosts",),
    ("list_users",),
    ("list_permissions", "--vhost", "pillarbox"),
    ("list_topic_permissions", "--vhost", "pillarbox"),
)


def can_log_in(rabbitmq: RabbitMQ, user: str, password: str) -> bool:
    """Whether RabbitMQ lets the user in with this password."""
    address = f"127.0.0.1:{rabbitmq.port}"
    try:
        with amqp.Connection(address, userid=user, password=password, virtual_host="pillarbox"):
            return True
    except AccessRefused:
        return False


def test_running_again_changes_nothing(rabbitmq: RabbitMQ) -> None:
    """Users, tags and rights are the same after a second run, here with a command of several words."""
    before = [sorted(rabbitmq.ctl(*table).splitlines()) for table in TABLES]
    rabbitmq.run_setup(RABBITMQCTL=f"{program('rabbitmqctl')} --timeout 30")
    assert before == [sorted(rabbitmq.ctl(*table).splitlines()) for table in TABLES]


def test_services_have_no_tags(rabbitmq: RabbitMQ) -> None:
    """Neither service may use the management API."""
    users = dict(line.split("\t") for line in rabbitmq.ctl("list_users", "--no-table-headers").splitlines())
    assert {"gateway": "[]", "mailer": "[]", "admin": "[administrator]"} == users


def test_new_password_replaces_the_old_one(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    """A run with another password, here from a file, is how an operator changes it."""
    password = secrets.token_hex(16)
    (tmp_path / "password").write_text(f"{password}\n")
    try:
        rabbitmq.run_setup(MAILER_PASSWORD="", MAILER_PASSWORD_FILE=str(tmp_path / "password"))
        assert can_log_in(rabbitmq, "mailer", password)
    finally:
        rabbitmq.run_setup()
    assert not can_log_in(rabbitmq, "mailer", password)


@pytest.mark.parametrize(
    ("password", "complaint"),
    [
        ("", "set MAILER_PASSWORD or MAILER_PASSWORD_FILE"),
        ("changeme", "placeholder"),
        ("please-ChangeMe-please", "placeholder"),
        ("0123456789abcde", "shorter than 16"),
    ],
)
def test_bad_password_is_refused(rabbitmq: RabbitMQ, password: str, complaint: str) -> None:
    """Without a real password nothing is touched, and the message says what is wrong."""
    with pytest.raises(CalledProcessError) as refusal:
        rabbitmq.run_setup(MAILER_PASSWORD=password, RABBITMQCTL="false")
    assert complaint in refusal.value.stderr


def test_one_password_for_both_is_refused(rabbitmq: RabbitMQ) -> None:
    """Whoever gets hold of one service's password has not got the other's rights."""
    password = secrets.token_hex(16)
    with pytest.raises(CalledProcessError) as refusal:
        rabbitmq.run_setup(MAILER_PASSWORD=password, GATEWAY_PASSWORD=password, RABBITMQCTL="false")
    assert "gateway and mailer need different passwords" in refusal.value.stderr
