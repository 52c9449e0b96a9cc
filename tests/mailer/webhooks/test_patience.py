"""A receiver that never answers is not to take the slots of those that do."""

from __future__ import annotations

import pytest

from services.mailer.webhooks.destination import NotPostedError
from services.mailer.webhooks.patience import Patience

URL = "https://slow.example.com/"
OTHER = "https://quick.example.com/"


class Clock:
    """Tells the time that it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patience(clock: Clock) -> Patience:
    """With a receiver that has just used it up."""
    patience = Patience(clock)
    for _ in range(5):
        patience.admit(URL)
        patience.waited_in_vain(URL)
    return patience


def test_who_lets_five_deadlines_pass_is_left_alone(patience: Patience, clock: Clock) -> None:
    """For half a minute, and nobody else is."""
    clock.now += 10
    with pytest.raises(NotPostedError) as refused:
        patience.admit(URL)
    patience.admit(OTHER)

    assert refused.value.wait == 20.0


def test_then_one_attempt_finds_out(patience: Patience, clock: Clock) -> None:
    """The others wait for what it comes to."""
    clock.now += 30
    patience.admit(URL)
    with pytest.raises(NotPostedError):
        patience.admit(URL)
    patience.answered(URL)
    patience.admit(URL)
    patience.admit(URL)


def test_an_answer_in_between_begins_the_count_anew(clock: Clock) -> None:
    """Slow now and then is not dead."""
    patience = Patience(clock)
    for _ in range(3):
        for _ in range(4):
            patience.waited_in_vain(URL)
        patience.answered(URL)
        patience.admit(URL)


def test_what_is_remembered_is_bounded(patience: Patience) -> None:
    """The longest known are forgotten first."""
    for number in range(10_000):
        patience.waited_in_vain(f"{OTHER}{number}")
    patience.admit(URL)
