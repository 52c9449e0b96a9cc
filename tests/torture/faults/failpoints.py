"""Every failpoint of both services, as faults: kinds of their own, since each hits another line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from services.gateway.failpoint_names import FAILPOINTS as OF_GATEWAYS
from services.mailer.failpoint_names import FAILPOINTS as OF_MAILERS
from tests.torture.faults.fault import Inject, Scene, fault

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


def _register(name: str, meaning: str, action: str) -> None:
    rows = meaning.rpartition("(")[2].rstrip(")").replace(",", "")
    is_mailers = name in OF_MAILERS
    word = action.rstrip("0123456789.")

    async def inject(scene: Scene) -> AsyncIterator[None]:
        parties = scene.stage.mailers if is_mailers else scene.stage.gateways
        # What kills happens once in a process, at a pass that the dice choose; the rest now and then.
        nth = scene.dice.randint(1, 4)
        rule = f"{name}={action}@n{nth}" if word in ("kill9", "hang", "block") else f"{name}={action}@p0.1"
        for one in parties:
            one.rules.write_text(rule)
        yield
        for one in parties:
            one.rules.write_text("")
            if word == "hang":  # nothing looks after a slot that is taken for ever but a restart
                await one.kill()
                one.start()
        await asyncio.sleep(0)

    kind: Inject = inject
    fault(
        rows,
        name=f"{name}:{word}",
        holds="mailers" if is_mailers else "gateways",
        seconds=(2.0, 5.0),
        disturbs="attempts claims" if is_mailers else "",
    )(kind)


for _names in (OF_GATEWAYS, OF_MAILERS):
    for _name, _meaning in _names.items():
        for _action in ("kill9", *_MORE.get(_name, ())):
            _register(_name, _meaning, _action)
