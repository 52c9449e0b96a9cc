"""What one more mailer brings, where it is the provider's latency that limits one, and not the machine."""

from __future__ import annotations

from bench.contest import Comparison, Scenario
from bench.delivering import RATE, pillarbox
from bench.result import Goal

_LATENCY = 1.0

SCENARIO = Scenario(
    "scaling",
    "A full queue and a slow provider, for one mailer and for two",
    (
        Comparison(
            "1,000 ms, two mailers",
            (pillarbox(_LATENCY, "two mailers", mailers=2),),
            pillarbox(_LATENCY, "one mailer"),
            (Goal(contender="two mailers", figure=RATE, at_least=1.9, against="one mailer"),),
        ),
    ),
)
