"""Clocks that differ between machines: no message waits for one."""

from __future__ import annotations

from kombu import Connection, Producer

from services.gateway.identifiers import new_message_id
from services.mailer import frames
from shared.signatures import EXCHANGE, Address, SendEmail
from tests.fakes.sendgrid import FakeSendGrid
from tests.flow.system import System, until
from tests.servers.rabbitmq import RabbitMQ


def test_a_mailer_whose_clock_is_ahead_keeps_no_message_back(
    production: System, sendgrid: FakeSendGrid, rabbitmq: RabbitMQ
) -> None:
    """What it deferred to its own tomorrow is sent as soon as RabbitMQ hands it out, and is let go of."""
    production.start()
    until(lambda: rabbitmq.consumers("mailer.transactional") == 1, 30, "the mailer")
    signature = SendEmail(
        message_id=new_message_id(),
        sender=Address(email="shop@example.com"),
        to=(Address(email="ann@example.com"),),
        subject="Hello",
        text="It works.",
    )
    message_id = str(signature.message_id)
    with Connection(rabbitmq.admin_url) as connection:
        Producer(connection.channel(), auto_declare=False).publish(
            frames.body(signature),
            exchange=EXCHANGE,
            routing_key=signature.queue,
            headers={**frames.headers(signature.task, message_id), "eta": "2099-01-01T00:00:00+00:00"},
            content_type=frames.CONTENT_TYPE,
            content_encoding=frames.CONTENT_ENCODING,
            correlation_id=message_id,
        )
    until(lambda: message_id in {entry.message_id for entry in sendgrid.record}, 30, "the sending")

    assert until(lambda: held(rabbitmq) == "0", 30, "the acknowledgement")


def held(rabbitmq: RabbitMQ) -> str:
    """How many messages the lane's consumers have not acknowledged."""
    rows = rabbitmq.ctl(
        "list_queues", "--vhost", "pillarbox", "--no-table-headers", "name", "messages_unacknowledged"
    )
    return dict(row.split() for row in rows.splitlines())["mailer.transactional"]
