"""What happens to RabbitMQ."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from subprocess import CalledProcessError

from amqp.exceptions import NotFound

from shared.signatures import MAILER_QUEUES, PostWebhook, RecordEvent
from tests.servers.rabbitmq import VHOST, RabbitMQ
from tests.torture.faults.fault import Scene, fault
from tests.torture.stage import Stage

_ELECTION_SECONDS = 3.0
_WATERMARK = "0.4"  # what the node begins with
_DISK = "50MB"


def _is_here(stage: Stage) -> bool:
    return isinstance(stage.servers.broker, RabbitMQ)


def _rabbit(scene: Scene) -> RabbitMQ:
    broker = scene.stage.servers.broker
    assert isinstance(broker, RabbitMQ)
    return broker


async def _started(broker: RabbitMQ) -> None:
    """Start it, and let its queues elect their leaders before anything else happens to it.

    Whoever deletes a quorum queue within the first quarter of a second brings RabbitMQ 3.10 down for good:
    its dead-letter worker dies of that so often that all quorum queues go with it, until the next start.
    """
    await asyncio.to_thread(broker.start)
    await asyncio.sleep(_ELECTION_SECONDS)


async def _ctl(broker: RabbitMQ, *words: str) -> None:
    with contextlib.suppress(CalledProcessError):  # the node may be busy coming back
        await asyncio.to_thread(broker.ctl, *words)


@fault("B1 B2", possible=_is_here, holds="broker", seconds=(0.5, 4.0))
async def rabbitmq_killed(scene: Scene) -> AsyncIterator[None]:
    """Kill -9, and a start on the same data.  Its queues are older than a second: see ``settle``."""
    broker = _rabbit(scene)
    await asyncio.to_thread(broker.settle)
    await asyncio.to_thread(broker.kill)
    yield
    await _started(broker)


@fault("B1", possible=_is_here, holds="broker", seconds=(0.5, 4.0))
async def rabbitmq_restarted(scene: Scene) -> AsyncIterator[None]:
    """Stopped in order, and started."""
    broker = _rabbit(scene)
    await asyncio.to_thread(broker.stop)
    yield
    await _started(broker)


@fault("B5", possible=_is_here, holds="broker", seconds=(3.0, 15.0))
async def rabbitmq_frozen(scene: Scene) -> AsyncIterator[None]:
    """It hangs, and its connections stay."""
    broker = _rabbit(scene)
    await asyncio.to_thread(broker.freeze)
    yield
    await asyncio.to_thread(broker.thaw)


@fault("G7 R3 B3", possible=_is_here, holds="broker", seconds=(2.0, 8.0))
async def memory_alarm(scene: Scene) -> AsyncIterator[None]:
    """It reads nothing that is published."""
    broker = _rabbit(scene)
    await _ctl(broker, "set_vm_memory_high_watermark", "0")
    yield
    await _ctl(broker, "set_vm_memory_high_watermark", _WATERMARK)


@fault("G7 B4", possible=_is_here, holds="broker", seconds=(4.0, 12.0))
async def disk_alarm(scene: Scene) -> AsyncIterator[None]:
    """The same for want of disk, as it thinks."""
    broker = _rabbit(scene)
    await _ctl(broker, "set_disk_free_limit", "100000GB")
    yield
    await _ctl(broker, "set_disk_free_limit", _DISK)


@fault("G9 B10", possible=_is_here, holds="broker")
async def queue_deleted(scene: Scene) -> AsyncIterator[None]:
    """A lane's queue, or the events', with all that is in it."""
    broker = _rabbit(scene)
    name = scene.dice.choice((*MAILER_QUEUES, RecordEvent.QUEUE))
    await asyncio.to_thread(broker.delete_queue, name)
    yield


@fault("B10", possible=_is_here, holds="broker")
async def queues_purged(scene: Scene) -> AsyncIterator[None]:
    """What is ready in every queue."""
    broker = _rabbit(scene)
    for name in (*MAILER_QUEUES, RecordEvent.QUEUE, PostWebhook.QUEUE):
        with contextlib.suppress(NotFound):
            await asyncio.to_thread(broker.purge, name)
    yield


@fault("B9", possible=_is_here, holds="broker", seconds=(3.0, 8.0))
async def queues_bounded(scene: Scene) -> AsyncIterator[None]:
    """Somebody's policy lets the lanes hold five messages, and drops the oldest.

    RabbitMQ takes the policy's or the queue's own words, whichever are stricter.
    """
    broker = _rabbit(scene)
    policy = json.dumps({"max-length": 5, "overflow": "drop-head"})
    await _ctl(
        broker, "set_policy", "--vhost", VHOST, "--apply-to", "queues", "few", r"^mailer\..*al$", policy
    )
    yield
    await _ctl(broker, "clear_policy", "--vhost", VHOST, "few")


@fault("B6 W15 W17", possible=_is_here, holds="broker")
async def connections_closed(scene: Scene) -> AsyncIterator[None]:
    """An operator closes all of them."""
    await _ctl(_rabbit(scene), "close_all_connections", "--vhost", VHOST, "torture")
    yield
