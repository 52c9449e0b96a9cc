"""Networks: every kind of link is torn, swallows what it is given, and is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from tests.torture.faults.fault import Scene, fault
from tests.torture.proxies import DOWN, UP, Direction, Link
from tests.torture.stage import Stage

_WAYS: Final[tuple[set[Direction], ...]] = ({UP}, {DOWN}, {UP, DOWN})

_KINDS: Final = {
    # which links, how they are called, the table's rows, whose work is disturbed
    "callers_link": ("gateway", "G1 G6 G14", ""),
    "ledger_link": ("ledger", "G5 G15 D2", ""),
    "claims_link": ("claims", "W16", "claims"),
    "gateway_broker_link": ("broker", "G8 R5 B6 B7 B13", ""),
    "mailer_broker_link": ("broker", "B6 B7 W15 W17", ""),
    "provider_link": ("provider", "P8 P9 P11 P12 W5 W6", "attempts"),
    "sink_link": ("sink", "P8", ""),
}


def _links(stage: Stage, kind: str) -> list[Link]:
    links = stage.to(_KINDS[kind][0])
    if "broker" in kind:
        links = [link for link in links if link.name.startswith(kind.partition("_")[0])]
    return links


def _some(scene: Scene, kind: str) -> list[Link]:
    """One of the links, or all of them."""
    links = _links(scene.stage, kind)
    return links if scene.dice.random() < 0.3 else [scene.dice.choice(links)]


def _register(kind: str) -> None:
    _, rows, disturbs = _KINDS[kind]
    possible: Callable[[Stage], bool] = lambda stage: bool(_links(stage, kind))  # noqa: E731 - one fact

    @fault(rows, name=f"{kind}_torn", possible=possible, seconds=(0.5, 4.0), disturbs=disturbs)
    async def torn(scene: Scene) -> AsyncIterator[None]:
        """Reset or ended, again and again."""
        links = _some(scene, kind)
        tear = Link.reset if scene.dice.random() < 0.7 else Link.cut
        for _ in range(scene.dice.randint(1, 4)):
            for link in links:
                tear(link)
            await asyncio.sleep(scene.seconds / 8)
        yield

    @fault(rows, name=f"{kind}_silent", possible=possible, holds=kind, seconds=(2.0, 12.0), disturbs=disturbs)
    async def silent(scene: Scene) -> AsyncIterator[None]:
        """A black hole, in one direction or in both."""
        ways = scene.dice.choice(_WAYS)
        links = _some(scene, kind)
        for link in links:
            link.silent |= ways
        yield
        for link in links:
            await link.heal()

    @fault(rows, name=f"{kind}_slow", possible=possible, holds=kind, seconds=(2.0, 8.0), disturbs=disturbs)
    async def slow(scene: Scene) -> AsyncIterator[None]:
        """Late, or narrow."""
        links = _some(scene, kind)
        is_late = scene.dice.random() < 0.5
        amount = scene.dice.uniform(0.1, 2.0)
        for link in links:
            link.delay = amount if is_late else 0.0
            link.bandwidth = None if is_late else 20_000 * amount
        yield
        for link in links:
            await link.heal()


for _kind in _KINDS:
    _register(_kind)


@fault(
    "G5", possible=lambda stage: stage.servers.database is not None, holds="ledger_link", seconds=(1.0, 3.0)
)
async def commit_unknown(scene: Scene) -> AsyncIterator[None]:
    """The link is torn between the COMMIT and its answer: nobody knows whether it counts."""
    links = scene.stage.to("ledger")
    for link in links:
        link.watched = b"COMMIT"
    yield
    for link in links:
        link.watched = None


@fault(
    "P2 K7",
    possible=lambda stage: stage.hosts is not None,
    holds="provider_link",
    seconds=(2.0, 6.0),
    disturbs="attempts",
)
async def name_unknown(scene: Scene) -> AsyncIterator[None]:
    """The provider's name is not known any more, and who was connected is not."""
    hosts = scene.stage.hosts
    assert hosts is not None
    before = hosts.read_text()
    hosts.write_text("127.0.0.1 localhost\n")
    for link in scene.stage.to("provider"):
        link.reset()
    yield
    hosts.write_text(before)


@fault("P1 K7", holds="provider_link", seconds=(2.0, 6.0), disturbs="attempts")
async def provider_refuses_connections(scene: Scene) -> AsyncIterator[None]:
    """Nobody listens at one account's provider, or at both."""
    links = [link for link in scene.stage.to("provider") if scene.dice.random() < 0.5 or "first" in link.name]
    for link in links:
        await link.refuse()
        link.reset()
    yield
    for link in links:
        await link.heal()
