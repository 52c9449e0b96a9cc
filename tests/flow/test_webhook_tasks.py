"""Mailers take webhooks off their queue, post them, and tell the gateway; mail does not depend on it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from amqp.exceptions import NotFound
from kombu import Exchange, Queue
from standardwebhooks import Webhook

from shared.signatures import EXCHANGE, PostWebhook, RecordWebhookAttempt, SendWelcomeEmail, Signature
from tests.contract.brokers import EmbeddedPlace, Place, RabbitMQPlace, RedisPlace
from tests.flow.conftest import build
from tests.flow.system import until
from tests.servers.rabbitmq import VHOST, RabbitMQ

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECONDS = 0.5
"""That the receiver takes to answer: long enough for a mailer to be told to stop meanwhile."""


class Receiver(ThreadingHTTPServer):
    """A tenant's server on this machine; keeps what is posted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: list[tuple[dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(({name.lower(): value for name, value in self.headers.items()}, body))
        time.sleep(SECONDS)
        self.send_response(202)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"Merci")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that answers after a moment."""
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


def place_of(request: pytest.FixtureRequest, pair: str, folder: Path) -> Place:
    """The system's broker, for the tests' own use; what the gateway declares is there."""
    if pair.startswith("embedded"):
        return EmbeddedPlace(folder / "broker")
    if pair.startswith("redis"):
        return RedisPlace(request.getfixturevalue("redis"))
    place = RabbitMQPlace(request.getfixturevalue("rabbitmq"))
    with place.connect() as connection:
        events = RecordWebhookAttempt.QUEUE
        Queue(events, Exchange(EXCHANGE, "topic"), routing_key=events)(connection.default_channel).declare()
    return place


def put(place: Place, signature: Signature, task_id: UUID) -> None:
    """Publish a signature as the gateway does."""
    body = b"[[]," + signature.arguments() + b',{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]'
    place.put(signature.queue, body, task=signature.task, id=str(task_id), root_id=str(task_id), lang="py")


def consumers(place: Place, queue: str) -> int:
    """How many mailers consume a queue of RabbitMQ's."""
    with place.connect() as connection:
        try:
            return int(connection.default_channel.queue_declare(queue, passive=True).consumer_count)
        except NotFound:
            return 0


@pytest.mark.parametrize("pair", ["rabbitmq-sqlite", "redis-sqlite", "embedded-sqlite"])
def test_a_webhook_is_posted_and_told_of(
    request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver, pair: str
) -> None:
    """And acknowledged, also by a mailer that is told to stop in the middle of it."""
    webhook = PostWebhook(
        delivery_id=uuid4(), attempt=1, url=receiver.url, payload='{"type":"é"}', secrets=(SECRET,)
    )
    with build(request, pair, tmp_path, {"PILLARBOX_WEBHOOK_NETWORKS": "127.0.0.1"}) as system:
        place = place_of(request, pair, tmp_path)
        mailer = system.add_mailer()
        if place.is_amqp:  # elsewhere whoever publishes makes the queue
            until(lambda: consumers(place, webhook.queue), 60, "the mailer to consume")
        put(place, webhook, webhook.delivery_id)
        until(lambda: receiver.posted, 60, "the webhook to be posted")
        status = mailer.stop()
        (event,) = place.receive(RecordWebhookAttempt.QUEUE, 1)
        left = place.depth(webhook.queue)
    (headers, posted), *more = receiver.posted
    told = RecordWebhookAttempt.model_validate(json.loads(event.body)[1])

    assert (0, 0, []) == (status, left, more)
    assert {"type": "é"} == Webhook(SECRET).verify(posted, headers)
    assert RecordWebhookAttempt.task == event.headers["task"]
    assert (webhook.delivery_id, 1) == (told.delivery_id, told.attempt)
    assert (202, "Merci") == (told.status_code, told.response)
    assert told.duration_ms >= SECONDS * 1000
    assert SECRET not in mailer.log()


@pytest.fixture
def rights(rabbitmq: RabbitMQ) -> Iterator[list[str]]:
    """The mailer's rights, which are given back in the end: configure, write, read."""
    listed = rabbitmq.ctl("list_user_permissions", "mailer", "--no-table-headers").strip().split("\t")[1:]
    yield listed
    rabbitmq.ctl("set_permissions", "--vhost", VHOST, "mailer", *listed)


def test_mail_goes_out_where_webhooks_are_not_permitted_yet(
    request: pytest.FixtureRequest, tmp_path: Path, rabbitmq: RabbitMQ, rights: list[str]
) -> None:
    """With the rights of 0.3 the mailer says what is missing; with those of today it consumes them."""
    older = [names.replace("|webhooks", "") for names in rights]
    rabbitmq.ctl("set_permissions", "--vhost", VHOST, "mailer", *older)
    message_id, welcome = uuid4(), SendWelcomeEmail(email="joao@example.com")
    with build(request, "rabbitmq-sqlite", tmp_path, {}) as system:
        place = place_of(request, "rabbitmq-sqlite", tmp_path)
        mailer = system.add_mailer()
        until(lambda: consumers(place, welcome.queue), 60, "the mailer to consume mail")
        until(lambda: "webhooks.unserved" in mailer.log(), 10, "the mailer to complain")
        put(place, welcome, message_id)
        until((tmp_path / "outbox" / f"{message_id}.eml").exists, 60, "the mail to be sent")
        before = consumers(place, PostWebhook.QUEUE)
        rabbitmq.ctl("set_permissions", "--vhost", VHOST, "mailer", *rights)
        rabbitmq.ctl("close_all_connections", "--vhost", VHOST, "for a test")
        until(lambda: consumers(place, PostWebhook.QUEUE), 60, "the mailer to consume webhooks")

    assert older != rights
    assert before == 0
