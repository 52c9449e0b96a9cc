"""Every failpoint of both services, as faults: kinds of their own, since each hits another line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from services.gateway.failpoint_names import FAILPOINTS as OF_GATEWAYS
from services.mailer.failpoint_names import FAILPOINTS as OF_MAILERS
from tests.fakes import faults
from tests.fakes.entry import Entry
from tests.fakes.faults.fault import Fault as Treatment
from tests.torture.faults.fault import Scene, fault

_MORE: Final[Mapping[str, tuple[str, ...]]] = {
    "g.before_commit": ("raise",),
    "g.after_commit": ("sleep2",),
    "r.before_publish": ("block4",),
    "r.before_mark": ("sleep2",),
    "w.start": ("raise",),
    "w.in_attempt": ("raise", "hang", "block3", "sleep2"),
    "w.before_request": ("sleep6",),
    "w.after_response": ("raise", "sleep12"),
    "w.before_settle": ("sleep3",),
    "w.before_ack": ("raise",),
}
"""What else than dying may happen there."""


_PATIENCE: Final = 25.0
"""Seconds, beyond those drawn, that somebody is given to come by."""


_ABOUT_RETRIES: Final = frozenset({"w.before_retry", "w.after_retry"})


class NobodyCameByError(Exception):
    """Nothing happened at the failpoint, so the fault does not count."""


def _register(name: str, meaning: str, action: str) -> None:
    rows = meaning.rpartition("(")[2].rstrip(")").replace(",", "")
    is_mailers = name in OF_MAILERS
    word = action if action == "kill9" else action.rstrip("0123456789.")

    async def inject(scene: Scene) -> AsyncIterator[None]:
        parties = scene.stage.mailers if is_mailers else scene.stage.gateways
        # What kills happens once in a process, at a pass that the dice choose; the rest now and then.
        once = word in ("kill9", "hang", "block")
        when = f"n{scene.dice.randint(1, 3)}" if once else "p0.3"
        before = _hits(scene, name)
        for one in parties:
            one.rules.write_text(f"{name}={action}@{when}")
        with _encouraged(scene, name):
            yield
            until = time.monotonic() + _PATIENCE
            while _hits(scene, name) == before:
                if time.monotonic() > until:
                    break
                await asyncio.sleep(0.2)
        for one in parties:
            one.rules.write_text("")
            if word == "hang":  # nothing looks after a slot that is taken for ever but a restart
                await one.kill()
                one.start()
        if _hits(scene, name) == before:
            raise NobodyCameByError

    fault(
        rows,
        name=f"{name}:{word}",
        holds=("mailers" if is_mailers else "gateways") + " provider" * (name in _ABOUT_RETRIES),
        seconds=(1.0, 4.0),
        disturbs="attempts claims" if is_mailers else "",
    )(inject)


@contextmanager
def _encouraged(scene: Scene, name: str) -> Iterator[None]:
    """See to it that somebody comes by where hardly anybody does."""
    if name == "s.after_take":  # the sweeper finds nothing unless a relay loses its way
        for link in scene.stage.to("broker"):
            link.reset()
    # As long as there is a second provider to turn to, retries are rare.
    refusing = list(scene.stage.fakes.values()) if name in _ABOUT_RETRIES else []
    before = [fake.rule for fake in refusing]
    for fake in refusing:
        fake.rule = _refused
    try:
        yield
    finally:
        for fake, rule in zip(refusing, before, strict=True):
            fake.rule = rule


def _refused(_: Entry) -> Treatment:
    return faults.refuse(503)


def _hits(scene: Scene, name: str) -> int:
    """How often something has happened there, in all processes."""
    records = scene.stage.plan.folder.glob("*.failpoints")
    return sum(record.read_text().count(f" {name} ") for record in records)


for _names in (OF_GATEWAYS, OF_MAILERS):
    for _name, _meaning in _names.items():
        for _action in ("kill9", *_MORE.get(_name, ())):
            _register(_name, _meaning, _action)
