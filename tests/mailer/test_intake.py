"""What a mailer leaves to others: Deployments of their own for newsletters and for all else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from kombu import Queue
from pydantic import SecretStr

from services.mailer.intake import PausingStep
from services.mailer.settings import Settings
from services.mailer.webhooks.intake import WebhookStep
from shared.signatures import MAILER_QUEUES, Lane


class Consumer:
    """As much of Celery's consumer as the step talks to."""

    def __init__(self, include: str | None, exclude: str | None) -> None:
        self.app: Any = Celery("tests", set_as_current=False)
        self.app.conf.task_queues = [Queue(name) for name in MAILER_QUEUES]
        self.app.amqp.queues.select(include)
        self.app.amqp.queues.deselect(exclude)
        self.paused: bool = False
        self.app.is_paused = lambda _: self.paused
        self.app.is_amqp = True
        self.app.health = SimpleNamespace(round=lambda: None)
        self.hub, self.read = object(), list[object]()
        transport = SimpleNamespace(on_readable=lambda link, _: self.read.append(link))
        self.connection = SimpleNamespace(connection="link", transport=transport)
        self.consumed = set(self.app.amqp.queues.consume_from)
        self.task_consumer = SimpleNamespace(
            cancel_by_queue=self.consumed.discard,
            add_queue=lambda queue: self.consumed.add(queue.name),
            consume=lambda: None,
        )
        self.timer = SimpleNamespace(call_repeatedly=self._remember)
        self.call_soon: Callable[..., object] = lambda look, *arguments: look(*arguments)
        self.look: Callable[[], object] = lambda: None

    def _remember(self, _: float, call: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self.look = lambda: call(*arguments)


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (None, None, set(MAILER_QUEUES)),
        ("mailer.bulk", None, {"mailer.bulk"}),
        (None, "mailer.bulk", {"mailer.transactional"}),
    ],
)
def test_a_lane_left_to_others_stays_theirs(
    include: str | None, exclude: str | None, expected: set[str]
) -> None:
    """Also after all accounts were away and came back."""
    consumer = Consumer(include, exclude)
    step = PausingStep(consumer)
    step.start(consumer)

    assert expected == consumer.consumed

    consumer.paused = True
    consumer.look()

    assert set() == consumer.consumed

    consumer.paused = False
    consumer.look()

    assert expected == consumer.consumed
    assert {f"mailer.{lane}" for lane in Lane} == set(MAILER_QUEUES)


def test_what_came_with_an_answer_is_looked_for() -> None:
    """TLS may hold it already, and then no socket tells of it; Redis is asked for everything anyway."""
    consumer = Consumer(None, None)
    PausingStep(consumer).start(consumer)

    consumer.look()

    assert ["link"] == consumer.read

    consumer.app.is_amqp = False
    consumer.look()

    assert ["link"] == consumer.read


@pytest.mark.parametrize(("slots", "takes"), [(0, False), (1, True)])
def test_webhooks_are_taken_where_there_are_slots(
    slots: int,
    takes: bool,  # noqa: FBT001 - a fact
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With none, they are left to others."""
    monkeypatch.chdir(tmp_path)
    from services.mailer.worker import create_worker  # noqa: PLC0415 - it makes a mailer when it is imported

    urls = {"broker_url": SecretStr("amqp://mq"), "claims_url": SecretStr("sqlite:///claims.sqlite3")}
    app = create_worker(Settings(webhook_slots=slots, **urls))  # type: ignore[arg-type]

    assert takes == (WebhookStep in app.steps["consumer"])
