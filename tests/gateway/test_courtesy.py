"""Work that can wait gives way to callers, and to nobody else."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.gateway.courtesy import Courtesy


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def seconds_of_rest(courtesy: Courtesy, worked: float) -> float:
    """How long a rest takes, by the loop's own clock."""
    begun = time.monotonic()
    await courtesy.rest(worked)
    return time.monotonic() - begun


@pytest.mark.parametrize(("ago", "called_for"), [(0.0, True), (0.2, True), (0.3, False), (3600.0, False)])
def test_it_is_called_for_while_mail_is_accepted(ago: float, *, called_for: bool) -> None:
    """And a quarter of a second longer."""
    clock = Clock()
    courtesy = Courtesy(clock)
    courtesy.accepting()
    clock.now += ago

    assert called_for == courtesy.is_called_for


def test_it_is_not_called_for_before_any_mail_came() -> None:
    """A gateway that only takes feedback takes it as fast as it can."""
    assert not Courtesy(Clock()).is_called_for


async def test_nobody_rests_without_need() -> None:
    """However much was worked."""
    assert await seconds_of_rest(Courtesy(Clock()), 10.0) < 0.05


async def test_a_rest_is_in_proportion_and_bounded() -> None:
    """Three times the work, and a quarter of a second at most."""
    courtesy = Courtesy(Clock())
    courtesy.accepting()
    short, long = await asyncio.gather(seconds_of_rest(courtesy, 0.02), seconds_of_rest(courtesy, 10.0))

    assert 0.05 < short < 0.2
    assert 0.2 < long < 0.5
