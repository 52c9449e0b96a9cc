"""Processes that are killed, stopped and frozen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tests.torture.faults.fault import Scene, fault

_SHORT_GRACE = 1.0


@fault("G2 G4 G6 K2", holds="gateways", seconds=(0.5, 4.0))
async def gateway_killed(scene: Scene) -> AsyncIterator[None]:
    """Kill -9, and a start some seconds later."""
    one = scene.dice.choice(scene.stage.gateways)
    await one.kill()
    yield
    one.start()


@fault("G14", holds="gateways", seconds=(2.0, 12.0))
async def gateway_frozen(scene: Scene) -> AsyncIterator[None]:
    """SIGSTOP and SIGCONT."""
    one = scene.dice.choice(scene.stage.gateways)
    one.freeze()
    yield
    one.thaw()


@fault("G13 K1", holds="gateways", seconds=(0.5, 3.0))
async def gateway_stopped(scene: Scene) -> AsyncIterator[None]:
    """SIGTERM under load, with all the time it asks for."""
    one = scene.dice.choice(scene.stage.gateways)
    await one.stop()
    yield
    one.start()


@fault("G13 K1", holds="gateways", seconds=(0.5, 3.0))
async def gateway_stopped_short(scene: Scene) -> AsyncIterator[None]:
    """SIGTERM, and SIGKILL before it can be done."""
    one = scene.dice.choice(scene.stage.gateways)
    await one.stop(grace=scene.dice.uniform(0.02, _SHORT_GRACE))
    yield
    one.start()


@fault("W1 W5 W6 W9 W10 K2", holds="mailers", seconds=(0.5, 4.0), disturbs="attempts claims")
async def mailer_killed(scene: Scene) -> AsyncIterator[None]:
    """Kill -9 in the middle of whatever it does."""
    one = scene.dice.choice(scene.stage.mailers)
    await one.kill()
    yield
    one.start()


@fault("K6 W1", holds="mailers", seconds=(0.5, 4.0), disturbs="attempts claims")
async def mailers_killed(scene: Scene) -> AsyncIterator[None]:
    """All of them at once, and all of them back at once."""
    await asyncio.gather(*(one.kill() for one in scene.stage.mailers))
    yield
    for one in scene.stage.mailers:
        one.start()


@fault("W14", holds="mailers", seconds=(1.0, 4.0), disturbs="attempts claims")
async def mailer_frozen(scene: Scene) -> AsyncIterator[None]:
    """For less than its lease."""
    one = scene.dice.choice(scene.stage.mailers)
    one.freeze()
    yield
    one.thaw()


@fault("W14 B6", holds="mailers", seconds=(20.0, 24.0), disturbs="attempts claims")
async def mailer_frozen_beyond_its_lease(scene: Scene) -> AsyncIterator[None]:
    """So long that others may take over what it holds, and then it wakes up."""
    one = scene.dice.choice(scene.stage.mailers)
    one.freeze()
    yield
    one.thaw()


@fault("W13 K1", holds="mailers", seconds=(0.5, 3.0))
async def mailer_stopped(scene: Scene) -> AsyncIterator[None]:
    """SIGTERM with all the time it asks for, as when a pod is moved."""
    one = scene.dice.choice(scene.stage.mailers)
    await one.stop()
    yield
    one.start()


@fault("W13 K1", holds="mailers", seconds=(0.5, 3.0), disturbs="attempts claims")
async def mailer_stopped_short(scene: Scene) -> AsyncIterator[None]:
    """SIGTERM, and SIGKILL before it can be done."""
    one = scene.dice.choice(scene.stage.mailers)
    await one.stop(grace=scene.dice.uniform(0.02, _SHORT_GRACE))
    yield
    one.start()
