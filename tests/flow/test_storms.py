"""Every provider in a storm: a tenth of its answers are wrong, and the mailer is killed twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import FAKES, Fake, faults
from tests.flow.behind import KEY, behind, doubled, post_many, wait_until_all_ended
from tests.flow.conftest import build
from tests.flow.system import System

MESSAGES = 1000
SEED = 20261125
ALWAYS = ("resend",)  # with its keys nothing may be doubled at all; the others take their time


@pytest.fixture(
    params=[
        pytest.param(kind, marks=[pytest.mark.soak] if kind not in ALWAYS else [], id=kind) for kind in FAKES
    ]
)
def fake(request: pytest.FixtureRequest) -> Iterator[Fake]:
    """A provider that fails in every way, but for those that park the whole account for long.

    Nor does it refuse members of a batch for good: these would be failed, and rightly so.
    """
    fake = FAKES[request.param](api_key=KEY, latency=0.05)
    fake.rule = faults.seeded(SEED, 0.1, without=faults.PARKING | {"partial"}, weights=fake.weights)
    with fake.in_thread():
        yield fake


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path, fake: Fake) -> Iterator[System]:
    """A system behind which that provider stands, whose searches know at once what it took."""
    settings = behind(fake, settle_delay_seconds=1, rate_per_second=500)
    # Longer than a busy machine holds up a fake that means to answer.
    settings |= {"PILLARBOX_ATTEMPT_DEADLINE_SECONDS": "6", "PILLARBOX_LEASE_SECONDS": "12"}
    with build(request, "rabbitmq-postgresql", tmp_path, settings) as system:
        yield system.start()


def test_nothing_is_lost_and_nothing_doubled_without_need(system: System, fake: Fake) -> None:
    """A thousand are sent, half of them as bulk mail that shares requests where the provider takes such.

    What was sent twice is what the provider took without saying so; with idempotency keys, nothing.
    """
    accepted = post_many(system, MESSAGES // 2)
    time.sleep(1.0)
    kill_mailer(system)
    accepted += post_many(system, MESSAGES // 2, priority="bulk")
    time.sleep(1.0)
    kill_mailer(system)
    ended = wait_until_all_ended(system, MESSAGES, 150)
    taken = {entry.message_id for entry in fake.record}

    assert {"sent": MESSAGES} == dict(ended)
    assert set(accepted) <= taken
    assert [] == doubled(fake)
    assert fake.kind != "resend" or len(fake.record) == MESSAGES
    assert sum(entry.fault is not None for entry in fake.requests) > MESSAGES * 0.03


def kill_mailer(system: System) -> None:
    """Kill -9, and start again."""
    system.mailers[0].kill()
    system.mailers[0].start()
