"""Work that can wait gives way to callers, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from services.gateway.courtesy import Courtesy


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def ends(courtesy: Courtesy, worked: float, *beside: float) -> list[float | str]:
    """In which order a rest and sleeps of so many seconds end that begin at the same moment."""
    ended: list[float | str] = []

    async def note(name: float | str, what: Awaitable[None]) -> None:
        await what
        ended.append(name)

    sleeps = (note(seconds, asyncio.sleep(seconds)) for seconds in beside)
    await asyncio.gather(note("rest", courtesy.rest(worked)), *sleeps)
    return ended


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
    assert ["rest", 0.05] == await ends(Courtesy(Clock()), 10.0, 0.05)


@pytest.mark.parametrize(("worked", "less", "more"), [(0.02, 0.05, 0.1), (10.0, 0.2, 0.3)])
async def test_a_rest_is_in_proportion_and_bounded(worked: float, less: float, more: float) -> None:
    """Three times the work, and a quarter of a second at most."""
    courtesy = Courtesy(Clock())
    courtesy.accepting()

    assert [less, "rest", more] == await ends(courtesy, worked, less, more)
