"""What probes see of a mailer: a beat for as long as there is progress, and readiness while it consumes."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.mailer.background import BackgroundLoop
from services.mailer.health import Health

SLOTS = 4
LONGEST = 60.0


@dataclass(slots=True)
class Request:
    """A message in a slot."""

    time_start: float | None


@dataclass(slots=True)
class Mailer:
    """A mailer as its health sees it."""

    health: Health
    folder: Path
    background: BackgroundLoop
    underway: list[Request]

    def beats(self, within: float = 10.0) -> bool:
        """Whether going round once makes a beat, within so many seconds."""
        with suppress(OSError):
            (self.folder / "beat").unlink()
        self.health._last = 0.0
        self.health.round()
        end = time.monotonic() + within
        while time.monotonic() < end and not (self.folder / "beat").exists():
            time.sleep(0.01)
        return (self.folder / "beat").exists()


@pytest.fixture
def mailer(tmp_path: Path) -> Mailer:
    """One that has nothing to do."""
    background, underway = BackgroundLoop(), list[Request]()
    health = Health(tmp_path, background, longest=LONGEST, slots=SLOTS, underway=lambda: underway)
    return Mailer(health, tmp_path, background, underway)


def test_an_idle_mailer_beats(mailer: Mailer) -> None:
    """Nothing to do is no illness."""
    assert mailer.beats()


def test_it_beats_once_a_second_however_often_it_goes_round(mailer: Mailer) -> None:
    """The consumer's loop may go round thousands of times."""
    assert mailer.beats()
    (mailer.folder / "beat").unlink()
    for _ in range(100):
        mailer.health.round()
    time.sleep(0.05)

    assert not (mailer.folder / "beat").exists()


def test_a_loop_that_is_blocked_stops_the_beat(mailer: Mailer) -> None:
    """The consumer goes round all the same, but no attempt gets any further."""
    blocked = threading.Event()

    async def block() -> None:
        blocked.wait(5)  # what a bug would do

    mailer.background.submit(block())
    beats = mailer.beats(within=0.5)
    blocked.set()

    assert not beats
    assert mailer.beats()


@pytest.mark.parametrize(("overdue", "beats"), [(0, True), (2, True), (3, False), (4, False)])
def test_slots_that_never_end_stop_the_beat(mailer: Mailer, overdue: int, *, beats: bool) -> None:
    """One message that hangs is no reason to end the others; most of the slots are."""
    now = time.time()
    mailer.underway += (
        [Request(now - LONGEST - 1)] * overdue + [Request(now - LONGEST + 5)] * 4 + [Request(None)]
    )

    assert beats == mailer.beats(within=10.0 if beats else 0.5)


def test_what_is_stuck_is_said_once(mailer: Mailer) -> None:
    """Whoever finds the mailer restarted must be able to read why."""
    mailer.underway += [Request(0.0)] * SLOTS
    with capture_logs() as lines:
        mailer.beats(within=0.5)
        mailer.beats(within=0.5)

    assert [{"event": "mailer.stuck", "log_level": "error", "messages": SLOTS, "longest_s": LONGEST}] == lines


def test_it_is_ready_until_it_is_told_to_stop(mailer: Mailer) -> None:
    """A second word to stop changes nothing."""
    ready = mailer.folder / "ready"
    before = ready.exists()
    mailer.health.ready()
    consuming = ready.exists()
    mailer.health.stopping()
    mailer.health.stopping()

    assert (False, True, False) == (before, consuming, ready.exists())


def test_without_a_folder_there_is_nothing_to_see(tmp_path: Path) -> None:
    """Nobody need have one."""
    health = Health(None, BackgroundLoop(), longest=LONGEST, slots=SLOTS, underway=lambda: ())
    health.round()
    health.ready()
    health.stopping()

    assert [] == list(tmp_path.iterdir())


def test_a_full_disk_does_not_end_it(mailer: Mailer) -> None:
    """Nor does any other fault of the folder: the probe finds no beat, and what follows is its business."""
    mailer.folder.rmdir()
    mailer.folder.touch()

    assert not mailer.beats(within=0.5)
