"""What the providers do, beyond the bad answers that they always mix in during a storm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Final

from tests.fakes import FakeESP, faults
from tests.fakes.entry import Entry
from tests.fakes.faults.fault import Fault as Treatment
from tests.torture.faults.fault import Scene, fault
from tests.torture.stage import Stage

PATIENCE: Final = 4.0
"""Seconds that a provider asks for when it throttles."""
THROTTLED: Final = "429-patience"

ELSEWHERE: Final = "/elsewhere"
"""Where a provider points to that redirects; it keeps account of who follows."""

UNFAIR: Final = faults.PARKING | {"partial", "accept-503"}
"""What no run mixes in: what parks the account for a quarter of an hour, what is a refusal for good, and a
503 in the provider's own words about a message that it took (RFC 9110, 15.6.4: unable to handle the request).
"""

Rule = Callable[[Entry], Treatment | None]


async def _answering(scene: Scene, rule: Rule) -> AsyncIterator[None]:
    """Have one provider, or both, treat everything by a rule for a while."""
    fakes: list[FakeESP] = list(scene.stage.fakes.values())
    if scene.dice.random() < 0.6:
        fakes = [scene.dice.choice(fakes)]
    before = [fake.rule for fake in fakes]
    for fake in fakes:
        fake.rule = rule
    yield
    for fake, old in zip(fakes, before, strict=True):
        fake.rule = old


def _register(name: str, rows: str, rule: Callable[[], Treatment], seconds: tuple[float, float]) -> None:
    @fault(rows, name=name, holds="provider", seconds=seconds)
    async def answers(scene: Scene) -> AsyncIterator[None]:
        treatment = rule()
        async for _ in _answering(scene, lambda _: treatment):
            yield


_register("provider_dead", "P7", lambda: faults.refuse(503), (4.0, 12.0))
_register("provider_wrong_after_taking", "P5", lambda: faults.refuse(502, accept=True), (1.0, 4.0))
_register("provider_wrong_before_taking", "P4", lambda: faults.refuse(500), (1.0, 4.0))
_register("provider_silent", "P8 W6", lambda: faults.hang(accept=True), (2.0, 6.0))
_register("provider_silent_before_taking", "P8", faults.hang, (2.0, 6.0))
_register("provider_drips", "P9", faults.drip, (2.0, 5.0))
_register("provider_tears", "P11 P12", lambda: faults.reset(accept=True), (1.0, 4.0))
_register(
    "provider_throttles",
    "P6",
    lambda: replace(faults.throttle("seconds", PATIENCE), name=THROTTLED),
    (2.0, 6.0),
)
_register("provider_refuses_the_key", "P14 K4", lambda: faults.refuse(401), (2.0, 6.0))
_register("provider_says_nonsense", "P10", lambda: faults.page(200), (1.0, 4.0))
_register("provider_says_nothing", "P10 P20", faults.empty, (1.0, 4.0))
_register("provider_says_too_much", "P16", lambda: faults.gzip_bomb(1 << 22), (1.0, 4.0))


@fault("P5 P10 P18", holds="provider", seconds=(3.0, 8.0))
async def provider_lies_at_random(scene: Scene) -> AsyncIterator[None]:
    """Half of the answers are bad ones, of every kind."""
    rule = faults.seeded(scene.dice.randrange(1 << 30), 0.5, without=UNFAIR)
    async for _ in _answering(scene, rule):
        yield


def _asked_for(stage: Stage) -> bool:
    """It parks an account for a quarter of an hour, as it should: for runs that are about it."""
    return "provider_redirects" in stage.plan.kinds


@fault("P13", holds="provider", seconds=(1.0, 3.0), possible=_asked_for)
async def provider_redirects(scene: Scene) -> AsyncIterator[None]:
    """It points to another place."""
    async for _ in _answering(scene, lambda entry: None if entry.path == ELSEWHERE else faults.redirect()):
        yield


@fault("P8", seconds=(2.0, 6.0))
async def webhooks_refused(scene: Scene) -> AsyncIterator[None]:
    """The tenants' own server is not well."""
    scene.stage.sink.status = scene.dice.choice((500, 503, 404, 429))
    yield
    scene.stage.sink.status = 200
