"""The last minutes as series: what was accepted and sent a second, and how long sending took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from services.gateway.latencies import UNMEASURED, percentile
from services.gateway.ledger.activity import SLOT, RecentActivity, beginning_of, slot_of
from services.gateway.states import ACCEPTED
from shared.signatures import Event

SPANS: Final = {15: 1, 60: 4}
"""Minutes that can be looked at, and how many slots make a point of the plot then."""

_WRITTEN: Final = timedelta(seconds=4)
"""How long after its end a slot has been written by every gateway."""

_NOW_SLOTS: Final = 2


@dataclass(frozen=True, slots=True)
class Recent:
    """Counts by slot, up to the last one that is complete."""

    begin: int
    end: int
    """The slot after the last one."""
    accepted: Counter[int] = field(default_factory=Counter)
    sent: Counter[int] = field(default_factory=Counter)
    took: defaultdict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """How many took how long to be sent, by slot and bucket."""
    others: Counter[str] = field(default_factory=Counter)
    """What else happened, in all of the slots."""

    def rate(self, counts: Counter[int], slot: int, slots: int = 1) -> float:
        """How many a second, over some slots from *slot* on."""
        return sum(counts[one] for one in range(slot, slot + slots)) / (slots * SLOT.total_seconds())

    def now(self, counts: Counter[int]) -> float:
        """How many a second at the end."""
        return self.rate(counts, self.end - _NOW_SLOTS, _NOW_SLOTS)

    def latency(self, percent: float, slot: int | None = None, slots: int = 1) -> float | None:
        """Estimate what so many percent of the sent messages did not exceed, of some slots or all."""
        some = range(self.begin, self.end) if slot is None else range(slot, slot + slots)
        counts: Counter[int] = Counter()
        for one in some:
            counts += self.took.get(one, Counter())
        return percentile(counts, percent)

    def points(self, step: int) -> range:
        """The first slots of the points that a plot has."""
        return range(self.begin, self.end - step + 1, step)


async def look_back(
    activity: RecentActivity, tenant: str, minutes: int, now: datetime | None = None
) -> Recent:
    """Read a tenant's last minutes."""
    end = slot_of((now or datetime.now(UTC)) - _WRITTEN)
    begin = end - int(timedelta(minutes=minutes) / SLOT)
    return sum_up(begin, end, await activity.since(tenant, beginning_of(begin)))


def sum_up(begin: int, end: int, rows: Iterable[tuple[int, str, int, int]]) -> Recent:
    """Sort counts, each with its slot, event and bucket, into series."""
    recent = Recent(begin, end)
    for slot, event, bucket, count in rows:
        if slot >= end:
            continue
        if event == ACCEPTED:
            recent.accepted[slot] += count
        elif event == Event.SENT:
            recent.sent[slot] += count
            if bucket != UNMEASURED:
                recent.took[slot][bucket] += count
        else:
            recent.others[event] += count
    return recent
