"""Broker messages that nobody of ours has published: forged, replayed, unreadable, unknown.

Those that are to get past the door are sealed, as a bug of ours, or a copy of a genuine message, would be.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID, uuid4

from kombu import Connection, Producer

from services.gateway.submission.email import parse_email
from services.mailer import frames
from shared.seals import HEADER, Seals
from shared.signatures import EXCHANGE, MAILER_QUEUES, RecordEvent, SendEmail
from tests.mailer.carried import READERS
from tests.servers.rabbitmq import RabbitMQ
from tests.torture.faults.fault import Scene, fault
from tests.torture.orders import number_in
from tests.torture.plan import PROVIDERS

_JSON: Final = ("application/json", "utf-8")


def _publish(scene: Scene, queue: str, *messages: dict[str, Any]) -> None:
    """Put messages into a queue, as whoever has the broker's password can."""
    broker = scene.stage.servers.broker
    is_amqp = isinstance(broker, RabbitMQ)
    url = broker.admin_url if isinstance(broker, RabbitMQ) else broker.url
    with contextlib.suppress(Exception), Connection(url, connect_timeout=3) as connection:
        producer = Producer(connection.channel(), auto_declare=False)
        for message in messages:
            producer.publish(exchange=EXCHANGE if is_amqp else "", routing_key=queue, **message)


def _sealed(scene: Scene, task: str, message_id: str, arguments: bytes) -> dict[str, Any]:
    message = _task(task, message_id, arguments)
    seal = Seals([scene.stage.plan.seal_key]).seal(message["headers"], message["body"])
    return message | {"headers": message["headers"] | {HEADER: seal}}


def _task(task: str, message_id: str, arguments: bytes) -> dict[str, Any]:
    return {
        "body": b"[[], "
        + arguments
        + b', {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
        "headers": frames.headers(task, message_id),
        "content_type": _JSON[0],
        "content_encoding": _JSON[1],
        "correlation_id": message_id,
    }


@fault("B12 B17", holds="broker", seconds=(0.2, 1.0))
async def unreadable_messages(scene: Scene) -> AsyncIterator[None]:
    """Bytes, pickles, JSON that is no task, and tasks without their arguments."""
    queue = scene.dice.choice((*MAILER_QUEUES, RecordEvent.QUEUE))
    bare = {"content_type": "application/octet-stream", "content_encoding": "binary"}
    pickled = {"content_type": "application/x-python-serialize", "content_encoding": "binary"}
    await asyncio.to_thread(
        _publish,
        scene,
        queue,
        {"body": b"\xff\xfe\x00 garbage", **bare},
        {
            "body": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
            **pickled,
            "headers": {"task": "x", "id": str(uuid4())},
        },
        {"body": b'{"a": 1}', "content_type": _JSON[0], "content_encoding": _JSON[1]},
        _sealed(scene, SendEmail.task, str(uuid4()), b'{"nothing": "here"}'),
        _sealed(scene, "mailer.send_fax", str(uuid4()), b"{}"),
    )
    yield


@fault("B17", holds="broker", seconds=(0.2, 1.0))
async def forged_events(scene: Scene) -> AsyncIterator[None]:
    """Somebody tells the gateway of messages that do not exist, and of one that does in an unknown word."""
    events = [
        {"message_id": str(uuid4()), "event": word, "at": "2026-01-01T00:00:00Z", "attempt": 1}
        for word in ("sent", "teleported")
    ]
    messages = [
        _sealed(scene, RecordEvent.task, str(uuid4()), json.dumps(event).encode()) for event in events
    ]
    await asyncio.to_thread(_publish, scene, RecordEvent.QUEUE, *messages)
    yield


@fault("B17", holds="broker", seconds=(0.2, 1.0))
async def unsealed_messages(scene: Scene) -> AsyncIterator[None]:
    """Somebody without the key has mail sent, and tells of messages that there are what is not true."""
    forged = {
        "from": {"email": "ceo@example.com"},
        "to": [{"email": "victim@recipients.example.org"}],
        "subject": "Urgent",
        "text": "Please pay.",
    }
    known = [entry.message_id for fake in scene.stage.fakes.values() for entry in fake.record[-5:]]
    for message_id in (str(uuid4()), *filter(None, known)):
        task = _task(SendEmail.task, message_id, json.dumps(forged | {"message_id": message_id}).encode())
        await asyncio.to_thread(_publish, scene, scene.dice.choice(MAILER_QUEUES), task)
        event = {"message_id": message_id, "event": "bounced", "at": "2026-01-01T00:00:00Z", "series": 1}
        told = _task(RecordEvent.task, str(uuid4()), json.dumps(event).encode())
        await asyncio.to_thread(_publish, scene, RecordEvent.QUEUE, told)
    yield


@fault("B17 R1 W8", holds="broker", seconds=(0.2, 1.0))
async def replayed_messages(scene: Scene) -> AsyncIterator[None]:
    """What a provider has already is published once more, word for word, several times."""
    known = {order.number: order for order in scene.fleet.orders}
    taken = [entry for fake in scene.stage.fakes.values() for entry in fake.record[-20:]]
    for entry in taken[:10]:
        carried = READERS[entry_kind(scene)](entry.payload)
        order = known.get(number_in(carried.to[0][0]) or -1)
        if entry.message_id is None or order is None:
            continue
        signature = parse_email(json.dumps(order.body).encode()).signature(
            UUID(entry.message_id), order.tenant
        )
        task = _sealed(scene, SendEmail.task, entry.message_id, signature.arguments())
        await asyncio.to_thread(_publish, scene, f"mailer.{signature.lane}", task, task)
    yield


def entry_kind(scene: Scene) -> str:
    """The word of the providers of this run."""
    return PROVIDERS[scene.stage.plan.profile]
