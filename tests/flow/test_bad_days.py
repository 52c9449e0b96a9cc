"""Providers that are away for long, and messages that wait for long: time passes, mail does not."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes import Fake, FakePostmark, FakeSendGrid, FakeSmtp, faults
from tests.fakes.bucket import Bucket
from tests.flow.behind import KEY, account, behind, doubled, post_many, wait_until_all_ended
from tests.flow.conftest import build
from tests.flow.system import System, until
from tests.servers.rabbitmq import RabbitMQ

ARRIVING = 50
PERMITTED = 150

Start = Callable[..., System]


@pytest.fixture
def sendgrid() -> Iterator[FakeSendGrid]:
    """A fake of this test's own."""
    with FakeSendGrid(api_key=KEY, latency=0.05).in_thread() as fake:
        yield fake


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Start a system with settings."""
    started: list[System] = []

    def start(settings: dict[str, str]) -> System:
        system = build(request, "rabbitmq-postgresql", tmp_path, settings)
        started.append(system)
        return system.start()

    yield start
    for system in started:
        system.stop()


@pytest.fixture
def unpaused() -> Iterator[None]:
    """No collection of garbage: over what a fake keeps of ninety thousand messages it takes most of a second.

    What comes meanwhile would then be more than the fake permits at once, and that is nobody's fault.
    """
    gc.disable()
    yield
    gc.enable()


QUICK = {"PILLARBOX_CIRCUIT_LONGEST_SECONDS": "1", "PILLARBOX_RECOVERY_RAMP_SECONDS": "1"}


@pytest.mark.parametrize(
    ("seconds", "settings"),
    [
        (8, QUICK),
        pytest.param(120, {}, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
        pytest.param(1800, {}, marks=[pytest.mark.soak, pytest.mark.timeout(5400)]),
    ],
)
@pytest.mark.usefixtures("unpaused")
def test_a_dead_provider_costs_time_and_nothing_else(
    start: Start,
    sendgrid: FakeSendGrid,
    rabbitmq: RabbitMQ,
    seconds: int,
    settings: dict[str, str],
) -> None:
    """While it is away hardly an attempt is burned, and its lane is not consumed; afterwards the backlog
    goes out at the permitted rate, with no burst.
    """
    sendgrid.limit = Bucket(PERMITTED * 1.05, burst=PERMITTED / 2)
    system = start({**behind(sendgrid, rate_per_second=PERMITTED), **settings})
    system.wait_for(system.accept(), "sent")
    sendgrid.call(sendgrid.stop())
    accepted = _post_steadily(system, seconds)
    paused = until(lambda: rabbitmq.consumers("mailer.transactional") == 0, 5, "the lane to be paused")
    backlog = len(accepted)
    sendgrid.call(sendgrid.start())
    back = time.monotonic()
    until(lambda: len(sendgrid.record) > backlog, 60 + seconds, "the backlog to be sent")
    took = time.monotonic() - back
    ended = wait_until_all_ended(system, backlog + 1, 30)
    burned = sum(system.email(message_id)["attempts"] - 1 for message_id in accepted)

    assert paused
    assert {"sent": backlog + 1} == dict(ended)
    # Until the return is noticed, and until the rate is the permitted one again: 10 s each by default.
    slow = sum(float(settings.get(name, 10)) for name in QUICK)
    assert took <= 1.2 * backlog / PERMITTED + slow
    assert burned <= 20 + seconds
    assert 0 == sendgrid.throttled
    assert [] == doubled(sendgrid)


def test_a_second_account_takes_over(start: Start, sendgrid: FakeSendGrid) -> None:
    """While the first one is away nothing waits, and when it is back the mail goes there again."""
    with FakePostmark(api_key=KEY).in_thread() as postmark:
        settings = {
            "PILLARBOX_PROVIDER": "main,spare",
            **account(sendgrid, "main"),
            **account(postmark, "spare"),
            **QUICK,
        }
        system = start(settings)
        system.wait_for(system.accept(), "sent")
        sendgrid.call(sendgrid.stop())
        away = [system.accept() for _ in range(20)]
        system.wait_until_final(away, 20)
        sendgrid.call(sendgrid.start())
        until(lambda: _sent_by(system, "main"), 20, "the first account to be used again")
        providers = Counter(system.email(message_id)["provider"] for message_id in away)

        assert {"spare": 20} == dict(providers)
        assert 20 <= len(postmark.record)
        assert "circuit.opened" in system.logs()
        assert "circuit.closed" in system.logs()


def test_a_revoked_key_pauses_the_account_and_says_so(start: Start, sendgrid: FakeSendGrid) -> None:
    """401 fails no message: all of them are sent when the key is good again."""
    system = start({**behind(sendgrid), "PILLARBOX_UNAUTHORISED_PAUSE_SECONDS": "2", **QUICK})
    system.wait_for(system.accept(), "sent")
    sendgrid.api_key = "another one"
    refused = [system.accept() for _ in range(30)]
    until(lambda: "account.paused" in system.logs(), 20, "the pause to be told")
    asked = len(sendgrid.requests)
    sendgrid.api_key = KEY
    system.wait_until_final(refused, 60)

    assert {"sent"} == {system.email(message_id)["status"] for message_id in refused}
    assert asked < 1 + len(refused) * 2
    assert KEY not in system.logs()


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(400, marks=pytest.mark.soak),
        pytest.param(20_000, marks=[pytest.mark.soak, pytest.mark.timeout(2400)]),
    ],
)
def test_waiting_retries_wait_in_the_broker(start: Start, rabbitmq: RabbitMQ, count: int) -> None:
    """However many wait, the mailer's memory stays flat; and they survive the end of everything."""
    wait = 20 + count / 70  # seconds, until all are deferred and everything has ended and begun anew
    with FakeSmtp(api_key=KEY).in_thread() as smtp:
        settings = {
            **behind(smtp),
            "PILLARBOX_SLOTS": "20",  # each has had something to do when memory is looked at first
            "PILLARBOX_BACKOFF_BASE_SECONDS": str(wait),
            "PILLARBOX_BACKOFF_CAP_SECONDS": str(wait),
        }
        system = start(settings)
        system.wait_for(system.accept(), "sent")
        smtp.rule = lambda _: faults.refuse(450)
        post_many(system, count // 4)
        until(lambda: len(smtp.requests) > count // 4, 60 + count / 50, "the first to be deferred")
        before = _memory(system)
        post_many(system, count - count // 4)
        until(lambda: _asked_about(smtp) > count, 60 + count / 50, "all to be deferred")
        after = _memory(system)
        for service in (*system.mailers, system.gateway):
            service.kill()
        rabbitmq.restart()
        smtp.rule = None
        for service in (*system.mailers, system.gateway):
            service.start()
        system.wait_until_ready()
        ended = wait_until_all_ended(system, count + 1, 60 + wait * 2)

        assert {"sent": count + 1} == dict(ended)
        assert after - before < 30_000_000
        assert [] == doubled(smtp)


def _post_steadily(system: System, seconds: int) -> list[str]:
    """POST so many a second, and return the ids of what was accepted."""
    accepted: list[str] = []
    begin = time.monotonic()
    for number in range(seconds * ARRIVING // 10):
        time.sleep(max(0.0, begin + number * 10 / ARRIVING - time.monotonic()))
        accepted += post_many(system, 10)
    return accepted


def _sent_by(system: System, name: str) -> bool:
    return bool(system.wait_for(system.accept(), "sent")["provider"] == name)


def _asked_about(fake: Fake) -> int:
    """How many messages the fake has been offered, however often."""
    time.sleep(0.5)
    return len({entry.message_id for entry in fake.requests})


def _memory(system: System) -> int:
    """Resident memory of the first mailer, in bytes."""
    process = system.mailers[0].process
    assert process is not None
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * 4096
