"""What the task makes of an attempt: done, given back to the broker, or kept for a human."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from celery.exceptions import Reject

from services.mailer.background import BackgroundLoop
from services.mailer.delivery.ports import UnreportedError
from services.mailer.webhooks import tasks
from shared.signatures import PostWebhook, RecordWebhookAttempt

DELIVERY = "01900000-0000-7000-8000-000000000001"
ARGUMENTS: dict[str, Any] = {
    "delivery_id": DELIVERY,
    "attempt": 2,
    "url": "https://hooks.example.com/",
    "payload": "{}",
    "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
}


class Posting:
    """Keeps what it is to post and to report, or cannot report."""

    def __init__(self) -> None:
        self.outage = False
        self.posted: list[PostWebhook] = []
        self.told: list[RecordWebhookAttempt] = []

    async def attempt(self, webhook: PostWebhook) -> None:
        self.posted.append(webhook)
        if self.outage:
            raise UnreportedError

    async def report(self, attempt: RecordWebhookAttempt) -> None:
        if self.outage:
            raise UnreportedError
        self.told.append(attempt)


@pytest.fixture
def posting() -> Posting:
    """What the task is given."""
    return Posting()


def run(posting: Posting, **arguments: Any) -> None:
    """Run the task as a worker does."""
    app = Celery("post", broker=f"memory://{uuid4()}", set_as_current=False)
    task: Any = tasks.register(app, posting=posting, background=BackgroundLoop())  # type: ignore[arg-type]
    task.push_request(id=DELIVERY, args=(), kwargs=arguments, called_directly=False, is_eager=False)
    try:
        task(**arguments)
    finally:
        task.pop_request()


def test_an_attempt_is_made_and_acknowledged(posting: Posting) -> None:
    """With what a newer gateway says beyond it left out."""
    run(posting, **ARGUMENTS, something_new=1)
    (webhook,) = posting.posted

    assert (DELIVERY, 2) == (str(webhook.delivery_id), webhook.attempt)


def test_what_could_not_be_reported_goes_back_to_the_broker(posting: Posting) -> None:
    """The gateway would publish it again, but later."""
    posting.outage = True
    with pytest.raises(Reject) as back:
        run(posting, **ARGUMENTS)

    assert back.value.requeue is True


@pytest.mark.parametrize("outage", [True, False])
def test_what_cannot_be_read_is_kept_for_a_human(posting: Posting, *, outage: bool) -> None:
    """And told, if anybody can be, without a word of what stands in it."""
    posting.outage = outage
    with pytest.raises(Reject) as refused:
        run(posting, **{**ARGUMENTS, "secrets": "whsec_canary"})

    assert refused.value.requeue is False
    assert not posting.posted
    assert ["signature_invalid: secrets"] * (not outage) == [attempt.reason for attempt in posting.told]


def test_what_cannot_be_told_of_is_only_kept(posting: Posting) -> None:
    """Without the id of a delivery there is nothing to tell."""
    with pytest.raises(Reject):
        run(posting, url="https://hooks.example.com/")

    assert not posting.told
