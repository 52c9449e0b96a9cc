"""What the mailer tells Prometheus: every figure is declared here, and explained in docs/metrics.md.

No label ever holds an address, an id, a key, a subject or a tenant: labels are words of our own and the
accounts' names, so that their number is known beforehand.  What happens to many at once is counted by the
batch, gauges are read when somebody asks.  Slots are greenlets of one process, so the plain registry does.
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from services.mailer.accounts.account import Account
from services.mailer.accounts.circuit import Position
from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Suppressed,
    Unauthorised,
    Uncertain,
)
from shared.signatures import Event, RecordEvent, Signature

_OUTCOMES: Final = (Accepted, Deferred, Rejected, Suppressed, Uncertain, Unauthorised)
_WAYS: Final = ("found", "absent", "asked_again", "resent", "held")
_STEPS: Final = ("take", "begin", "settle")
_OTHER: Final = "other"
_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx", "none", _OTHER)
_WEBHOOK: Final = "webhook_attempt"
_EVENTS: Final = (*map(str, Event), _WEBHOOK, _OTHER)
_ATTEMPTS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_CLAIMS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_POSITIONS: Final = {Position.CLOSED: 0, Position.HALF_OPEN: 1, Position.OPEN: 2}


class Metrics:
    """The figures, and what feeds them: delivery's :class:`~services.mailer.delivery.ports.Watch` too."""

    def __init__(self, accounts: Sequence[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use
        self.registry = it = CollectorRegistry()
        ProcessCollector(registry=it)
        PlatformCollector(registry=it)
        GCCollector(registry=it)
        attempts = Counter(
            "pillarbox_attempts", "Attempts, by how they ended.", ["account", "outcome"], registry=it
        )
        seconds = Histogram(
            "pillarbox_attempt_seconds",
            "Time that a provider took to answer a request.",
            ["account"],
            buckets=_ATTEMPTS,
            registry=it,
        )
        claims = Histogram(
            "pillarbox_claim_seconds",
            "Time that a transaction on the claims took.",
            ["step"],
            buckets=_CLAIMS,
            registry=it,
        )
        resolved = Counter(
            "pillarbox_uncertain_resolved", "Attempts in doubt, by what was done.", ["way"], registry=it
        )
        reported = Counter(
            "pillarbox_events_reported", "Events that the broker took.", ["event"], registry=it
        )
        posted = Counter(
            "pillarbox_webhooks_posted", "Webhooks posted, by class of answer.", ["status"], registry=it
        )
        self._held = Counter("pillarbox_messages_held", "Messages held for a human.", registry=it)
        self._circuit = Gauge(
            "pillarbox_account_circuit", "0 closed, 1 half-open, 2 open.", ["account"], registry=it
        )
        self._limit = Gauge(
            "pillarbox_account_limit_per_second",
            "Messages a second that an account may do now; +Inf without a limit.",
            ["account"],
            registry=it,
        )
        self._turns = Turns()
        it.register(self._turns)
        self._waiting = Gauge(
            "pillarbox_account_waiting_messages", "Messages that wait for a turn.", ["account"], registry=it
        )
        self._paused = Gauge("pillarbox_lane_paused", "Whether a lane is left alone.", ["lane"], registry=it)
        self._slots = Gauge("pillarbox_slots_busy", "Slots that work on something.", ["lane"], registry=it)
        self._attempts = {
            (name, kind): attempts.labels(name, kind.__name__.lower())
            for name in accounts
            for kind in _OUTCOMES
        }
        self._seconds = {name: seconds.labels(name) for name in accounts}
        self._claims = {step: claims.labels(step) for step in _STEPS}
        self._resolved = {way: resolved.labels(way) for way in _WAYS}
        self._reported = {word: reported.labels(word) for word in _EVENTS}
        self._posted = {status: posted.labels(status) for status in _CLASSES}

    def attempted(self, account: str, outcome: Outcome) -> None:
        """Take in how an attempt ended."""
        self._attempts[account, type(outcome)].inc()

    def answered(self, account: str, seconds: float) -> None:
        """Take in how long a provider took for a request, with however many messages in it."""
        self._seconds[account].observe(seconds)

    def resolved(self, way: str) -> None:
        """Take in what was done about an attempt in doubt."""
        self._resolved[way].inc()

    def held(self) -> None:
        """Take in that a message waits for a human from now on."""
        self._held.inc()

    def claimed(self, step: str, seconds: float) -> None:
        """Take in a transaction on the claims: ``take``, ``begin`` or ``settle``."""
        self._claims[step].observe(seconds)

    def reported(self, signatures: Sequence[Signature]) -> None:
        """Take in what the broker took."""
        words = Tally(one.event if isinstance(one, RecordEvent) else _WEBHOOK for one in signatures)
        for word, count in words.items():
            self._reported.get(word, self._reported[_OTHER]).inc(count)

    def posted(self, status: int | None) -> None:
        """Take in how a webhook's receiver answered; None if it did not."""
        word = f"{status // 100}xx" if status else "none"
        self._posted.get(word, self._posted[_OTHER]).inc()

    def watch_account(self, account: Account) -> None:
        """Say where an account's gauges are read."""
        self._circuit.labels(account.name).set_function(lambda: _POSITIONS[account.circuit.position])
        self._limit.labels(account.name).set_function(lambda: _or_infinite(account.pace.limit))
        self._turns.accounts.append(account)
        self._waiting.labels(account.name).set_function(lambda: account.waiting)

    def watch_lane(self, lane: str, paused: Callable[[], float]) -> None:
        """Say where it is read whether a lane is left alone."""
        self._paused.labels(lane).set_function(paused)

    def watch_slots(self, lane: str, busy: Callable[[], float]) -> None:
        """Say where it is read how many of a lane's slots are busy."""
        self._slots.labels(lane).set_function(busy)


class Turns(Collector):
    """Counts what the accounts count themselves."""

    def __init__(self) -> None:
        self.accounts: list[Account] = []

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Read it."""
        told = "Turns that an account's limit gave."
        family = CounterMetricFamily("pillarbox_account_turns", told, labels=["account"])
        for account in self.accounts:
            family.add_metric([account.name], account.pace.turns)
        yield family


def _or_infinite(limit: float | None) -> float:
    return math.inf if limit is None else limit
