"""An attacker who may publish to the broker what the gateway may, and listens in on what passes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from amqp import Message
from kombu import Connection, Exchange, Queue

from services.gateway.relay import wire
from shared.seals import HEADER, Seals
from shared.signatures import EXCHANGE, PostWebhook, SendEmail
from tests.servers.rabbitmq import RabbitMQ

KEYS = ("canary-current-key-of-32-characters", "canary-previous-key-of-32-character")
STRANGE = "canary-key-that-nobody-has-ever-made"
SPY = "spy"
TRANSACTIONAL = "mailer.transactional"


@dataclass(frozen=True)
class Task:
    """A task message, as it goes over the wire."""

    body: bytes
    headers: dict[str, Any] = field(default_factory=dict)
    queue: str = TRANSACTIONAL
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    correlation_id: str = ""

    def saying(self, **headers: Any) -> Task:
        """The same with other headers."""
        return replace(self, headers=self.headers | headers)

    def sealed(self, seals: Seals) -> Task:
        """The same under a seal."""
        return self.saying(**{HEADER: seals.seal(self.headers, self.body)})


class Attacker:
    """Speaks with the gateway's own user, who may publish more than the mailer's."""

    def __init__(self, rabbitmq: RabbitMQ) -> None:
        self._rabbitmq = rabbitmq

    def listen(self) -> None:
        """Have everything that passes the exchange copied."""
        with Connection(self._rabbitmq.admin_url) as connection:
            Queue(SPY, Exchange(EXCHANGE, "topic", durable=True), routing_key="#")(connection).declare()

    def heard(self) -> list[Task]:
        """What passed since the last time."""
        tasks = []
        with Connection(self._rabbitmq.admin_url) as connection:
            while (message := connection.default_channel.basic_get(SPY, no_ack=True)) is not None:
                properties, body = message.properties, message.body
                tasks.append(
                    Task(
                        body.encode() if isinstance(body, str) else bytes(body),
                        dict(properties.get("application_headers") or {}),
                        message.delivery_info["routing_key"],
                        properties["content_type"],
                        properties["content_encoding"],
                        properties.get("correlation_id", ""),
                    )
                )
        return tasks

    def publish(self, *tasks: Task) -> None:
        """Publish, and wait until the broker has all of them."""
        options = {"confirm_publish": True}
        with Connection(self._rabbitmq.gateway_url, transport_options=options) as connection:
            for task in tasks:
                message = Message(
                    task.body,
                    application_headers=task.headers,
                    content_type=task.content_type,
                    content_encoding=task.content_encoding,
                    correlation_id=task.correlation_id,
                    delivery_mode=2,
                )
                connection.default_channel.basic_publish_confirm(
                    message, EXCHANGE, task.queue, mandatory=True
                )


def email(message_id: str | None = None, **fields: Any) -> Task:
    """A task that would send mail, of nobody's."""
    message_id = message_id or str(uuid4())
    arguments = {
        "message_id": message_id,
        "from": {"email": "ceo@example.com"},
        "to": [{"email": "victim@example.org"}],
        "subject": "Urgent",
        "text": "Please pay.",
        **fields,
    }
    body = wire.body(json.dumps(arguments).encode())
    return Task(body, wire.headers(SendEmail.task, message_id), correlation_id=message_id)


def webhook(url: str) -> Task:
    """A task that would post to somewhere inside."""
    fields: dict[str, Any] = {
        "delivery_id": str(uuid4()),
        "attempt": 1,
        "url": url,
        "payload": "{}",
        "secrets": ["whsec_YQ=="],
    }
    body = wire.body(json.dumps(fields).encode())
    return Task(body, wire.headers(PostWebhook.task, fields["delivery_id"]), PostWebhook.QUEUE)


DEATH = {"queue": TRANSACTIONAL, "reason": "delivery_limit", "count": 20, "exchange": EXCHANGE,
         "routing-keys": [TRANSACTIONAL]}  # fmt: skip

FORGERIES: dict[str, Callable[[Task, str], Task]] = {
    "of a message that nobody accepted": lambda _, __: email(),
    "of a message that was accepted": lambda _, waiting: email(waiting),
    "under a strange key": lambda _, waiting: email(waiting).sealed(Seals([STRANGE])),
    "under the seal of another": lambda heard, _: email().saying(**{HEADER: heard.headers[HEADER]}),
    "under another's seal and id": lambda heard, _: replace(heard, body=email().body),
    "a copy with another id": lambda heard, _: heard.saying(id=str(uuid4())),
    "a copy with a waiting one's id": lambda heard, waiting: heard.saying(id=waiting),
    "a copy with another task": lambda heard, _: heard.saying(task="mailer.send_welcome_email"),
    "a copy for later": lambda heard, _: heard.saying(eta="2036-01-01T00:00:00+00:00"),
    "a copy that has expired": lambda heard, _: heard.saying(expires="2016-01-01T00:00:00+00:00"),
    "a copy at its last try": lambda heard, _: heard.saying(retries=60),
    "a copy with one byte changed": lambda heard, _: replace(
        heard, body=heard.body.replace(b"Hello", b"Jello")
    ),
    "a compressed copy": lambda heard, _: replace(heard, body=zlib.compress(heard.body)).saying(
        compression="application/x-gzip"
    ),
    "a copy that calls itself pickle": lambda heard, _: replace(
        heard, content_type="application/x-python-serialize", content_encoding="binary"
    ),
    "a copy that calls itself YAML": lambda heard, _: replace(heard, content_type="application/x-yaml"),
    "a copy in UTF-16": lambda heard, _: replace(heard, content_encoding="utf-16"),
    "pickle": lambda _, waiting: replace(
        email(waiting), body=b"cposix\nsystem\n(S'exit'\ntR.", content_type="application/x-python-serialize"
    ),
    "YAML": lambda _, waiting: replace(
        email(waiting), body=b"!!python/object/apply:os.system [exit]", content_type="application/x-yaml"
    ),
    "no JSON": lambda _, waiting: replace(email(waiting), body=b"[[],{"),
    "nothing": lambda _, waiting: replace(email(waiting), body=b""),
    "arguments by place": lambda _, waiting: replace(email(waiting), body=b'[["a@example.org"],{},{}]'),
    "arguments that are wrong": lambda _, waiting: replace(email(waiting), body=wire.body(b'{"to": 7}')),
    "a callback": lambda _, waiting: replace(
        email(waiting), body=b'[[],{},{"callbacks":[{"task":"mailer.send_email","args":[],"kwargs":{}}]}]'
    ),
    "an unknown task": lambda _, waiting: email(waiting).saying(task="os.system"),
    "Celery's own task": lambda _, waiting: email(waiting).saying(task="celery.backend_cleanup"),
    "no task": lambda _, waiting: replace(email(waiting), headers={"id": waiting}),
    "no headers": lambda _, waiting: replace(email(waiting), headers={}),
    "the first protocol": lambda _, waiting: replace(
        email(), headers={}, body=json.dumps({"task": SendEmail.task, "id": waiting, "kwargs": {}}).encode()
    ),
    "a death by others": lambda _, waiting: email(waiting).saying(**{"x-death": [DEATH]}),
    "a webhook": lambda _, __: webhook("http://127.0.0.1:1/"),
    "in the lane of newsletters": lambda _, __: replace(email(), queue="mailer.bulk"),
}
"""Made of a genuine message that has been sent, and of the id of one that waits for its time."""
