"""Clocks that jump, in one gateway and one mailer; the databases keep their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.torture.faults.fault import Scene, fault
from tests.torture.stage import Stage


def _gateways_can(stage: Stage) -> bool:
    return any(one.clock for one in stage.gateways)


def _mailers_can(stage: Stage) -> bool:
    return any(one.clock for one in stage.mailers)


@fault("G17", possible=_gateways_can, holds="clocks", seconds=(2.0, 6.0))
async def gateways_clock_jumps(scene: Scene) -> AsyncIterator[None]:
    """An hour or a day, forward or back."""
    for one in scene.stage.gateways:
        if one.clock:
            one.clock.write_text(scene.dice.choice(("+1h", "-1h", "+1d", "-1d")) + "\n")
    yield
    for one in scene.stage.gateways:
        if one.clock:
            one.clock.write_text("+0\n")


@fault("W18 K5", possible=_mailers_can, holds="clocks", seconds=(2.0, 6.0))
async def mailers_clock_jumps(scene: Scene) -> AsyncIterator[None]:
    """An hour, or ten years."""
    for one in scene.stage.mailers:
        if one.clock:
            one.clock.write_text(scene.dice.choice(("+1h", "-1h", "+3650d", "-1d")) + "\n")
    yield
    for one in scene.stage.mailers:
        if one.clock:
            one.clock.write_text("+0\n")
