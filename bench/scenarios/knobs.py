"""What there is to turn, and what it does: the slots of a mailer, beside as many as it has by default."""

from __future__ import annotations

from bench.contest import Comparison, Scenario
from bench.delivering import SLOTS, pillarbox

_COUNTS = (10, 50, 100, 400)
_DEFAULT = f"{SLOTS} slots, the default"


def _slots(latency: float) -> Comparison:
    return Comparison(
        f"PILLARBOX_SLOTS at {latency * 1000:g} ms",
        tuple(pillarbox(latency, f"{slots} slots", slots=slots) for slots in _COUNTS),
        pillarbox(latency, _DEFAULT),
    )


SCENARIO = Scenario(
    "knobs",
    "One mailer with more slots, or fewer, than by default",
    (_slots(0.1), _slots(0.5)),
)
