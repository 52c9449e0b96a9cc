"""What is known of a run from the outside: what callers were told, what providers took, what the API says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.fakes.entry import Entry
from tests.mailer.carried import READERS, Carried
from tests.torture.journal import ANSWERED, SILENCE, Line
from tests.torture.nemesis import Disturbance
from tests.torture.orders import Order, number_in
from tests.torture.plan import PROVIDERS, Plan
from tests.torture.sink import Posted

AT_REST = frozenset(
    {"sent", "delivered", "bounced", "complained", "suppressed", "failed", "expired", "canceled", "held"}
)
"""Statuses after which nothing more happens by itself."""

_ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class Taken:
    """One acceptance by a provider."""

    account: str
    entry: Entry
    carried: Carried
    order: int | None

    @property
    def at(self) -> float:
        """Monotonic."""
        return self.entry.accepted_monotonic or 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process took up at a moment."""

    party: str
    at: float
    resident_bytes: int
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Rest:
    """How a storm was recovered from, in monotonic time."""

    healed: float
    """Everything was well again, the processes' start included."""
    quiet: float | None
    """Nothing was left to do; None if that never came."""


@dataclass(frozen=True)
class Evidence:
    """Everything that the invariants look at."""

    plan: Plan
    orders: dict[int, Order]
    journal: dict[int, list[Line]]
    emails: dict[str, dict[str, Any]]
    """``GET /emails/{id}`` of every message that any list or any answer names, by id."""
    timelines: dict[str, list[dict[str, Any]]]
    listed: dict[str, dict[str, Any]]
    """By id, what ``GET /emails`` says of every message of every tenant."""
    requests: dict[str, tuple[Entry, ...]]
    """Every request that a provider's fake saw, by account."""
    records: dict[str, tuple[Entry, ...]]
    """What they took over."""
    disturbances: list[Disturbance]
    rests: list[Rest]
    samples: list[Sample]
    posted: list[Posted]
    webhooks: dict[str, dict[str, Any]]
    webhook_events: dict[str, list[dict[str, Any]]]
    """By tenant, what ``GET /webhooks/{id}/events`` lists."""
    logs: list[Path]
    metrics: dict[str, str]
    """What each process says at ``/metrics``."""
    failpoint_hits: dict[str, int]
    sessions: int = 0
    """That the services have at the database, at rest."""
    zombies: int = 0
    depths: dict[str, int] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)

    @cached_property
    def taken(self) -> dict[str, list[Taken]]:
        """What providers took over, by our message id, in the order of time."""
        read = READERS[PROVIDERS[self.plan.profile]]
        found: defaultdict[str, list[Taken]] = defaultdict(list)
        for account, entries in self.records.items():
            for entry in entries:
                carried = read(entry.payload)
                number = number_in(carried.to[0][0]) if carried.to else None
                found[entry.message_id or ""].append(Taken(account, entry, carried, number))
        for several in found.values():
            several.sort(key=lambda one: one.at)
        return dict(found)

    @cached_property
    def doubtful(self) -> int:
        """How many messages the providers took and do not know whether the mailer heard of it."""
        return sum(entry.ambiguous for entries in self.records.values() for entry in entries)

    @cached_property
    def ids(self) -> dict[int, set[str]]:
        """The ids that each order was answered 202 with."""
        found: defaultdict[int, set[str]] = defaultdict(set)
        for number, lines in self.journal.items():
            for line in lines:
                if line.call == "accept" and line.status == _ACCEPTED:
                    found[number].add(line.answer["id"])
        return dict(found)

    @cached_property
    def order_of(self) -> dict[str, int | None]:
        """Which order each message belongs to, by its recipient."""
        return {
            message_id: number_in(email["to"][0]) if email.get("to") else None
            for message_id, email in (self.listed | self.emails).items()
        }

    def lines(self, number: int, call: str) -> list[Line]:
        """What happened in one call of an order."""
        return [line for line in self.journal.get(number, []) if line.call == call]

    def is_ambiguous(self, number: int) -> bool:
        """Whether the caller cannot know what became of its request: no answer, or one of the 5xx."""
        return any(
            line.what == SILENCE or (line.what == ANSWERED and (line.status or 0) >= 500)
            for line in self.lines(number, "accept")
        )

    def was_canceled(self, number: int) -> bool:
        """Whether the caller was told so."""
        return any(line.status == 200 for line in self.lines(number, "cancel"))

    def disturbed(self, begun: float, ended: float, *, what: str) -> bool:
        """Whether a fault that disturbs *what* (``attempts``, ``claims``) was under way in between."""
        from tests.torture.faults import FAULTS  # noqa: PLC0415 - faults know the stage, and need not here

        return any(
            one.begun <= ended and one.ended >= begun and what in FAULTS[one.kind].disturbs
            for one in self.disturbances
        )

    def told(self, message_id: str, event: str) -> list[dict[str, Any]]:
        """The timeline's events of one name."""
        return [one for one in self.timelines.get(message_id, []) if one["event"] == event]
