"""Faults drawn by lot, and drawn alike in every run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from tests.fakes.entry import Entry
from tests.fakes.faults.fault import Fault
from tests.fakes.faults.kinds import (
    cut,
    drip,
    drip_head,
    empty,
    gzip_bomb,
    hang,
    huge,
    page,
    partial,
    redirect,
    refuse,
    reset,
    throttle,
    truncated,
    without_id,
)

# More than a client should read of any answer, and no burden to one that does.
_FLOOD = 1 << 20
_PARTIAL = "partial"


def _lying(fault: Callable[..., Fault], *arguments: int) -> dict[str, tuple[int, Fault]]:
    """Give a fault before and after the message was taken over, as which a client cannot tell."""
    before, after = fault(*arguments, accept=False), fault(*arguments, accept=True)
    return {str(fault.label): (3, fault) for fault in (before, after)}


WEIGHTS: dict[str, tuple[int, Fault]] = {
    **_lying(refuse, 500),
    **_lying(refuse, 502),
    **_lying(refuse, 503),
    **_lying(refuse, 504),
    **_lying(hang),
    **_lying(reset),
    **_lying(drip),
    **_lying(drip_head),
    **_lying(page),
    **_lying(truncated),
    **_lying(empty),
    **_lying(without_id),
    **_lying(huge, _FLOOD),
    **_lying(gzip_bomb, _FLOOD),
    "cut": (3, cut()),
    _PARTIAL: (10, partial()),
    "redirect": (1, redirect()),
    "429-seconds": (3, throttle("seconds")),
    "429-date": (2, throttle("date")),
    "429-ratelimit-reset": (2, throttle("ratelimit-reset")),
    "429-ratelimit": (2, throttle("ratelimit")),
    "429-x-ratelimit-reset": (2, throttle("x-ratelimit-reset")),
    "429-absent": (2, throttle("absent")),
    "429-word": (1, throttle("word")),
    "429-negative": (1, throttle("negative")),
    "429-day": (1, throttle("day")),
}
"""By name: how often in proportion, and the fault."""

PARKING = frozenset({"redirect", "429-day"})
"""Faults after which a client does well to leave the whole account alone for long."""


def seeded(
    seed: int,
    share: float,
    *,
    without: Collection[str] = (),
    weights: Mapping[str, tuple[int, Fault]] = WEIGHTS,
) -> Callable[[Entry], Fault | None]:
    """Make a rule that draws a fault for *share* of the requests.

    What a request draws depends on *seed*, its message's id, and how many requests of that message came
    before, and on nothing else: not on the clock, and not on what other messages are under way.  A batch
    draws by its first message, and which of its messages a ``partial`` one refuses by each of them.

    Args:
        seed: Any number.
        share: From 0 to 1.
        without: Names of *weights* that are not to happen.
        weights: What can happen; a fake that is no HTTP one brings its own.
    """
    rule = _Seeded(seed, share, {name: pair for name, pair in weights.items() if name not in without})
    return rule.draw


class _Seeded:
    def __init__(self, seed: int, share: float, weights: Mapping[str, tuple[int, Fault]]) -> None:
        self._seed = seed
        self._share = share
        self._weights = weights
        self._seen: Counter[str] = Counter()

    def draw(self, entry: Entry) -> Fault | None:
        messages = entry.message_ids or (f"request {entry.number}",)
        dice = [self._dice(message) for message in messages]
        self._seen.update(messages)
        if dice[0].random() >= self._share:
            return None
        weights = {name: weight for name, (weight, _) in self._weights.items()}
        if not entry.members:
            weights.pop(_PARTIAL, None)
        (name,) = dice[0].choices([*weights], [*weights.values()])
        fault = self._weights[name][1]
        return replace(fault, refused=_some(dice)) if name == _PARTIAL else fault

    def _dice(self, message: str) -> random.Random:
        return random.Random(f"{self._seed}/{message}/{self._seen[message]}")


def _some(dice: list[random.Random]) -> frozenset[int]:
    """Draw about half of the places of a batch, and at least one."""
    drawn = frozenset(place for place, die in enumerate(dice) if die.random() < 0.5)
    return drawn or frozenset({0})
