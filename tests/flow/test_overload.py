"""More than there is room for, and a part that does nothing: who has nothing to do with it hardly notices.

The short versions say what holds on any machine; those under ``make soak`` hold the figures of
docs/reliability.md, on a machine that does nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.fakes import FakePostmark, FakeSendGrid, faults
from tests.flow.behind import KEY, account, doubled
from tests.flow.conftest import build
from tests.flow.pressure import Answers, press, pressing
from tests.flow.system import EMAIL, System, until
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ

Start = Callable[..., System]
PLACES = 16
SOAK = [pytest.mark.soak, pytest.mark.timeout(1800)]


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


@pytest.mark.parametrize(
    ("turns", "patience", "bars"),
    [
        ([3], 0.02, (0.5, 4.0, 0.5, 1.0)),
        *(pytest.param([20] * 15, after, (0.8, 2.0, 0.05, 0.05), marks=SOAK) for after in (0.02, 0.1)),
    ],
)
def test_three_times_as_much_as_there_is_room_for(
    start: Start, turns: list[float], patience: float, bars: tuple[float, float, float, float]
) -> None:
    """What fits is accepted about as fast as ever; the rest is refused at once, and nothing breaks.

    Both by turns: what the broker and the ledger hold meanwhile makes either slower.
    """
    share, times, slack, refused_within = bars
    system = start({"PILLARBOX_IN_FLIGHT_LIMIT": str(PLACES)})
    system.mailers[0].stop()
    full, over = Answers(0.0), Answers(0.0)
    for seconds in turns:
        full += pressing(press(system, PLACES, seconds))
        over += pressing(press(system, PLACES * 3, seconds, patience=patience))
    _tell("three times capacity", full=full.goodput, over=over.goodput, p99=over.slow(), before=full.slow(),
          refused=over.slow(503) if 503 in over.by_status else 0.0)  # fmt: skip

    assert {202, 503} >= set(over.statuses)
    assert over.statuses[503] > 0
    assert 0 == over.unanswered
    assert over.goodput >= share * full.goodput
    assert over.slow() <= times * full.slow() + slack
    assert over.slow(503) <= refused_within


@pytest.mark.parametrize(
    ("turns", "times", "slack"),
    [([4], 5.0, 0.05), pytest.param([10] * 12, 1.2, 0.0, marks=SOAK)],
)
def test_one_noisy_tenant(start: Start, turns: list[float], times: float, slack: float) -> None:
    """Whoever posts ten times as much as its rate allows is refused; others are answered as they were
    while it posted what it may.
    """
    system = start({})
    system.mailers[0].stop()
    noisy = system.create_key("--tenant", "noisy", "--rate", "20")
    quiet = system.create_key("--tenant", "quiet")

    async def beside(callers: int, seconds: float) -> tuple[Answers, Answers]:
        loud = asyncio.create_task(press(system, callers, 1 + seconds, key=noisy, pause=0.05, patience=0.05))
        await asyncio.sleep(1)  # what it may post at once after a rest, it has posted by then
        calm = await press(system, 1, seconds, key=quiet, pause=0.02)
        return await loud, calm

    before, loud, calm = Answers(0.0), Answers(0.0), Answers(0.0)
    for seconds in turns:
        before += pressing(beside(1, seconds))[1]
        told = pressing(beside(10, seconds))
        loud, calm = loud + told[0], calm + told[1]
    _tell("one noisy tenant", before=before.slow(), beside=calm.slow(), median_before=before.typical(),
          median_beside=calm.typical(), refused=loud.statuses[429] / loud.seconds)  # fmt: skip

    assert {202} == set(calm.statuses)
    assert {202, 429} == set(loud.statuses)
    assert loud.statuses[429] > loud.statuses[202]
    assert calm.slow() <= times * before.slow() + slack


@pytest.mark.parametrize(("count", "times"), [(15, 3.0), pytest.param(300, 1.1, marks=SOAK)])
def test_one_account_that_takes_and_never_answers(start: Start, count: int, times: float) -> None:
    """Its lane waits; the other one's mail leaves as ever."""
    with FakeSendGrid(api_key=KEY).in_thread() as well, FakePostmark(api_key=KEY).in_thread() as ill:
        settings = {
            "PILLARBOX_PROVIDER": "well",
            "PILLARBOX_BULK_PROVIDER": "ill",
            **account(well, "well"),
            **account(ill, "ill"),
        }
        system = start(settings)
        system.wait_for(system.accept(), "sent")
        before = [_delivered(system, well) for _ in range(count)]
        ill.rule = lambda _: faults.hang()
        waiting = [system.accept(EMAIL | {"priority": "bulk"}) for _ in range(count * 4)]
        beside = [_delivered(system, well) for _ in range(count)]
        _tell("one black-holed account", before=median(before), beside=median(beside))
        states = {system.email(message_id)["status"] for message_id in waiting}

    assert "sent" not in states
    assert median(beside) <= times * median(before) + 0.05


def _delivered(system: System, provider: FakeSendGrid) -> float:
    """Seconds from posting until the provider has it."""
    begun = time.monotonic()
    message_id = system.accept()
    return until(
        lambda: next((e.arrived - begun for e in provider.requests if e.message_id == message_id), None),
        30, "the provider",
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_broker_that_is_dead_for_ten_minutes(start: Start, rabbitmq: RabbitMQ) -> None:
    """Every call is answered 202, and all is sent within 90 s of its return, once."""
    with FakeSendGrid(api_key=KEY).in_thread() as fake:
        system = start({"PILLARBOX_PROVIDER": "main", **account(fake, "main")})
        system.wait_for(system.accept(), "sent")
        rabbitmq.stop()
        pressed = pressing(press(system, 1, 600, pause=0.5))
        rabbitmq.start()
        back = time.monotonic()
        accepted = 1 + pressed.statuses[202]
        until(lambda: len({e.message_id for e in fake.record}) >= accepted, 120, "all to be sent")
        took = time.monotonic() - back
        _tell("broker dead", messages=accepted, drained=took)

        assert {202} == set(pressed.statuses)
        assert took <= 90
        assert [] == doubled(fake)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_database_that_is_frozen_for_a_minute(start: Start, postgresql: PostgreSQL) -> None:
    """Only 503, each at once; well within 5 s of its return, and no memory gone."""
    system = start({})
    system.wait_for(system.accept(), "sent")
    before = _resident(system)
    postgresql.freeze()
    try:
        pressed = pressing(press(system, 10, 60))
        grown = _resident(system) - before
    finally:
        postgresql.thaw()
    back = time.monotonic()
    until(lambda: system.post().status_code == 202, 30, "the ledger")
    took = time.monotonic() - back
    slowest = max(pressed.by_status[503])
    _tell("database frozen", slowest=slowest, recovered=took, grown=grown / 1e6)

    assert {503} == set(pressed.statuses)
    assert slowest <= 1.2
    assert took <= 5
    assert grown < 30_000_000


def _resident(system: System) -> int:
    process = system.gateway.process
    assert process is not None
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def _tell(scenario: str, **figures: float) -> None:
    """For docs/reliability.md: shown by ``pytest -s``."""
    print(scenario, {name: round(value, 4) for name, value in figures.items()})
