"""I9 and I16: after a storm everything comes to rest in time, and the storm was one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from statistics import quantiles

from tests.torture.evidence import Evidence, Taken

P50_SECONDS = 30.0
P99_SECONDS = 90.0


def recoveries(evidence: Evidence) -> list[float]:
    """For every message that a storm left behind: seconds from the healing until its provider had it."""
    found = []
    for several in evidence.taken.values():
        first = several[0]
        rest = next((rest for rest in reversed(evidence.rests) if rest.healed <= first.at), None)
        if rest is None or first.at > (rest.quiet or float("inf")):
            continue
        found.append(first.at - max(rest.healed, _due(evidence, first)))
    return [seconds for seconds in found if seconds > 0]


def _due(evidence: Evidence, one: Taken) -> float:
    """When a message was to be sent, in monotonic time: later than the healing, perhaps."""
    lines = evidence.lines(one.order, "accept") if one.order is not None else []
    answered = next((line.at for line in lines if line.status == 202), float("-inf"))
    text = next((line.answer["scheduled_at"] for line in lines if line.what == "asked"), None)
    if text is None:
        return answered
    moment = datetime.fromisoformat(text).timestamp()
    return max(answered, one.entry.arrived - (one.entry.arrived_at - moment))


def percentile(values: list[float], percent: int) -> float:
    """One of them, such that so many percent are no larger; 0 if there are none."""
    if len(values) < 2:
        return max(values, default=0.0)
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def all_comes_to_rest(evidence: Evidence) -> Iterator[str]:
    """After each storm nothing is left to do, half of it within 30 s and nearly all within 90 s."""
    for number, rest in enumerate(evidence.rests, 1):
        if rest.quiet is None:
            yield f"{evidence.plan.quiet:g} s after storm {number} something was still under way"
    seconds = recoveries(evidence)
    for percent, bar in ((50, P50_SECONDS), (99, P99_SECONDS)):
        if (value := percentile(seconds, percent)) > bar:
            yield f"p{percent} of the recovery is {value:.1f} s, more than {bar:g} s"
