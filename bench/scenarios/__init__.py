"""The scenarios, by name, in the order that ``make bench`` runs them."""

from __future__ import annotations

from bench.contest import Scenario
from bench.scenarios import (
    accept,
    backlog,
    cost,
    delivery,
    drain,
    growth,
    knobs,
    latency,
    memory,
    provider_events,
    scaling,
    startup,
)

SCENARIOS: dict[str, Scenario] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (
        accept,
        backlog,
        delivery,
        scaling,
        latency,
        drain,
        provider_events,
        memory,
        startup,
        cost,
        growth,
        knobs,
    )
}
