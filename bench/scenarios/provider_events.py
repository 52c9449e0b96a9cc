"""What providers tell: how fast it is taken, and how fast it is in the ledger."""

from __future__ import annotations

from bench.contest import Comparison, Scenario
from bench.result import Goal
from bench.telling import ACCEPTED, RECORDED, told

SCENARIO = Scenario(
    "provider-events",
    "POST /provider-events/sendgrid, signed calls of 100 events, recorded by the same gateway",
    (
        Comparison(
            "calls of 100",
            (told("50,000 events", 50_000),),
            goals=(
                Goal(contender="50,000 events", figure=ACCEPTED, at_least=10_000),
                Goal(contender="50,000 events", figure=RECORDED, at_least=5_000),
            ),
        ),
    ),
)
