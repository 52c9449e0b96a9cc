"""What a task makes of an attempt: done, once more, or given back to the broker."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from celery.exceptions import Reject, Retry

from services.mailer import tasks
from services.mailer.accounts.routes import ClosingError
from services.mailer.background import BackgroundLoop
from services.mailer.claims.claims import ClaimsUnavailableError
from services.mailer.delivery.ports import UnreportedError
from services.mailer.outcome import Accepted, Deferred, Outcome, Redundant, Rejected
from services.mailer.rates.rates import RatesUnavailableError
from services.mailer.rendering import Welcome
from shared.signatures import Address, RecordEvent, SendEmail

ARGUMENTS: dict[str, Any] = {
    "from": {"email": "letters@example.com"},
    "to": [{"email": "ann@example.org"}],
    "subject": "Hi",
    "text": "Hello",
}


class Delivery:
    """Comes to what it is told to come to."""

    outcome: Outcome | Redundant | Exception = Accepted("theirs")

    def __init__(self) -> None:
        self.attempted: list[SendEmail] = []

    async def attempt(self, message: SendEmail) -> Outcome | Redundant:
        self.attempted.append(message)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Reporter:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[RecordEvent] = []

    async def report(self, event: RecordEvent) -> None:
        self.events.append(event)

    def mention(self, event: RecordEvent) -> None:
        raise NotImplementedError


class Post:
    """The tasks of a mailer, on a broker in memory."""

    def __init__(self) -> None:
        self.delivery, self.reporter = Delivery(), Reporter()
        app = Celery("post", broker=f"memory://{uuid4()}", set_as_current=False)
        self.send_email, self.send_welcome_email = tasks.register(
            app,
            delivery=self.delivery,  # type: ignore[arg-type]
            reporter=self.reporter,
            background=BackgroundLoop(),
            welcome=Welcome(Address(email="welcome@example.com")),
            bug_retry_limit=3,
            bug_backoff_cap=10,
        )
        self.message_id = str(uuid4())

    def run(self, **arguments: Any) -> Any:
        """Run the task as a worker does, with its arguments and those of a message."""
        given = {"message_id": self.message_id, **ARGUMENTS, **arguments}
        task: Any = self.send_email
        task.push_request(
            id=self.message_id, args=(), kwargs=given, retries=0, called_directly=False, is_eager=False
        )
        try:
            return task(**given)
        finally:
            task.pop_request()


@pytest.fixture
def post() -> Post:
    """A mailer's tasks."""
    return Post()


@pytest.mark.parametrize(
    "outcome", [Accepted("theirs"), Rejected("HTTP 422"), Redundant("Another copy is on its way.")]
)
def test_an_end_is_acknowledged(post: Post, outcome: Outcome | Redundant) -> None:
    """Nothing is left to do."""
    post.delivery.outcome = outcome
    post.run(series=2)
    (message,) = post.delivery.attempted

    assert (post.message_id, 2) == (str(message.message_id), message.series)


@pytest.mark.parametrize(("wait", "countdown"), [(None, 1), (0.2, 1), (7.1, 8), (600.0, 600)])
def test_a_deferred_message_comes_again(post: Post, wait: float | None, countdown: int) -> None:
    """In whole seconds, and never too early."""
    post.delivery.outcome = Deferred("HTTP 503", wait)
    with pytest.raises(Retry) as retry:
        post.run()

    assert countdown == retry.value.when


@pytest.mark.parametrize("outage", [ClaimsUnavailableError(), RatesUnavailableError(), UnreportedError()])
def test_an_outage_of_our_own_brings_the_message_back(post: Post, outage: Exception) -> None:
    """Soon, and without being counted as a bug."""
    post.delivery.outcome = outage
    with pytest.raises(Retry) as retry:
        post.run()

    assert retry.value.when == 5
    assert retry.value.sig.options["retries"] == 0


def test_a_mailer_that_ends_gives_the_message_back(post: Post) -> None:
    """At once: another one may have it, and nothing was begun."""
    post.delivery.outcome = ClosingError()
    with pytest.raises(Reject) as back:
        post.run()

    assert back.value.requeue is True


def test_a_bug_brings_the_message_back_and_is_counted(post: Post) -> None:
    """So that it is a dead letter some day."""
    post.delivery.outcome = ZeroDivisionError("bug")
    with pytest.raises(Retry) as retry:
        post.run()

    assert retry.value.sig.options["retries"] == 1


@pytest.mark.parametrize(
    ("series", "told"), [(3, 3), (0, 0), (2**15 - 1, 2**15 - 1), (-1, 0), (2**15, 0), ("x", 0), (None, 0)]
)
def test_what_cannot_be_read_is_told_of_in_its_series(post: Post, series: object, told: int) -> None:
    """As far as that can be read; or a failure of the one before would not count."""
    with pytest.raises(Reject) as refused:
        post.run(series=series, to="nobody")
    (event,) = post.reporter.events

    assert refused.value.requeue is False
    assert ("failed", told, 0) == (event.event, event.series, event.attempt)
    assert post.message_id == str(event.message_id)
    assert "nobody" not in (event.reason or "")


def test_what_is_given_up_for_a_bug_is_told_of_in_its_series(post: Post) -> None:
    """It is what the gateway waits for."""
    task: Any = post.send_email
    task.on_failure(ZeroDivisionError("bug"), post.message_id, (), {"series": 4}, None)
    (event,) = post.reporter.events

    assert ("failed", 4, "internal_error: ZeroDivisionError") == (event.event, event.series, event.reason)
