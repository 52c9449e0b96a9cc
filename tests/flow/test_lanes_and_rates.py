"""How fast a provider is asked, by all mailers together, and whose turn it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes import Fake, FakePostmark, FakeSendGrid
from tests.fakes.bucket import Bucket
from tests.flow.behind import KEY, behind, post_many, wait_until_all_ended
from tests.flow.conftest import build
from tests.flow.system import System, until

RATE = 50
WINDOW = 6.0

Start = Callable[..., System]


@pytest.fixture
def sendgrid() -> Iterator[FakeSendGrid]:
    """A fake of this test's own."""
    with FakeSendGrid(api_key=KEY, latency=0.05).in_thread() as fake:
        yield fake


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Start a system behind a provider, with a rate and so many mailers."""
    started: list[System] = []

    def start(fake: Fake, *, mailers: int = 1, **account: object) -> System:
        system = build(request, "rabbitmq-postgresql", tmp_path, behind(fake, **account))
        started.append(system)
        return system.start(mailers=mailers)

    yield start
    for system in started:
        system.stop()


@pytest.mark.parametrize("mailers", [*(pytest.param(n, marks=pytest.mark.soak) for n in (1, 2)), 4])
def test_all_mailers_together_keep_to_the_rate(start: Start, sendgrid: FakeSendGrid, mailers: int) -> None:
    """The provider sees the same rate whoever sends, within 5 %, and has no reason to complain."""
    sendgrid.limit = Bucket(RATE * 1.05, burst=RATE / 2)
    system = start(sendgrid, mailers=0, rate_per_second=RATE)
    system.add_mailer()
    until(lambda: system.wait_for(system.accept(), "sent"), 30, "the queue to be there")
    for _ in range(mailers - 1):
        system.add_mailer()
    time.sleep(5.0)  # Celery has no sign by which they could tell that they consume
    post_many(system, int(RATE * (WINDOW + 4)))
    until(lambda: len(sendgrid.record) > RATE, 30, "a steady state")
    begin = sendgrid.record[RATE]
    time.sleep(WINDOW + 0.5)
    moments = [entry.accepted_monotonic or 0.0 for entry in sendgrid.record]
    first = begin.accepted_monotonic or 0.0
    seen = sum(first < moment <= first + WINDOW for moment in moments)

    assert pytest.approx(RATE * WINDOW, rel=0.05) == seen
    assert 0 == sendgrid.throttled


@pytest.mark.parametrize("backlog", [1500, pytest.param(20_000, marks=pytest.mark.soak)])
def test_a_newsletter_does_not_delay_a_password_reset(
    start: Start, sendgrid: FakeSendGrid, backlog: int
) -> None:
    """With a long backlog of bulk mail at a slow provider, transactional mail is there within a second."""
    system = start(sendgrid, rate_per_second=RATE)
    post_many(system, backlog, priority="bulk")
    until(lambda: len(sendgrid.record) > RATE, 30, "the newsletter to be under way")
    delays = [_delay(system, sendgrid) for _ in range(10)]
    bulk_left = backlog + len(delays) - len(sendgrid.record)

    assert max(delays) < 1.0
    assert bulk_left > RATE


def _delay(system: System, fake: Fake) -> float:
    """Seconds from the POST of a transactional message to its arrival at the provider."""
    posted = time.monotonic()
    message_id = system.accept()
    entry = until(
        lambda: next((entry for entry in reversed(fake.requests) if entry.message_id == message_id), None),
        10,
        "the message at the provider",
    )
    return entry.arrived - posted


def test_bulk_messages_that_wait_share_requests(start: Start) -> None:
    """Each keeps its own outcome: what one member is refused for, the others do not suffer."""
    with FakePostmark(api_key=KEY, latency=0.2).in_thread() as postmark:
        postmark.inactive.add("user7@recipients.example.org")
        system = start(postmark)
        post_many(system, 400, priority="bulk")
        ended = wait_until_all_ended(system, 400, 60)
        transactional = system.accept()
        system.wait_for(transactional, "sent")
        alone = [entry for entry in postmark.requests if entry.message_id == transactional]

        assert {"sent": 399, "suppressed": 1} == dict(ended)
        assert len(postmark.requests) < 400 / 4
        assert 1 == len(alone)
