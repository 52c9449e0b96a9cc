"""What the gateway tells Prometheus: every figure is declared here, and explained in docs/metrics.md.

No label ever holds an address, an id, a key, a subject or a tenant: labels are words of our own, so that
their number is known beforehand.  Counters and histograms are fed by the batch, gauges are read when
somebody asks.  One process serves, so the plain registry does.
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
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

from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.ledger_event import LedgerEvent
from shared.signatures import Event, Feedback, Lane

OTHER: Final = "other"
"""Stands in a label for a word that this version does not know."""

_ACCEPTING: Final = "POST /emails"
"""What an alert asks for is told from the start."""

_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_REQUESTS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_LAGS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_EVENTS: Final = (*map(str, Event), *map(str, Feedback), OTHER)
_GIVEN_UP: Final = (Event.FAILED, Event.HELD, Event.EXPIRED)
_DEATHS: Final = ("rejected", "delivery_limit", "expired", "maxlen", OTHER)


class Metrics:
    """The figures, and what feeds them."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use
        self.registry = it = CollectorRegistry()
        ProcessCollector(registry=it)
        PlatformCollector(registry=it)
        GCCollector(registry=it)
        self._accepted = Counter(
            "pillarbox_messages_accepted", "Messages committed to the ledger.", ["lane"], registry=it
        )
        self._refused = Counter(
            "pillarbox_requests_refused", "Requests answered with a problem.", ["problem"], registry=it
        )
        self._request_seconds = Histogram(
            "pillarbox_request_seconds",
            "Time from a request's head to its whole answer.",
            ["route"],
            buckets=_REQUESTS,
            registry=it,
        )
        self._commit_size = Histogram(
            "pillarbox_commit_messages", "Messages in one group commit.", buckets=_SIZES, registry=it
        )
        self._commit_seconds = Histogram(
            "pillarbox_commit_seconds", "Time that a group commit took.", buckets=_SECONDS, registry=it
        )
        self._relay_lag = Histogram(
            "pillarbox_relay_lag_seconds",
            "Time from commit to confirm, of the oldest message of each batch.",
            buckets=_LAGS,
            registry=it,
        )
        self._confirmed = Counter(
            "pillarbox_relay_confirmed", "Messages that the broker confirmed.", registry=it
        )
        self._unroutable = Counter(
            "pillarbox_relay_unroutable", "Messages that the broker had no queue for.", registry=it
        )
        self._found = Counter(
            "pillarbox_sweeper_found", "Messages that the sweeper published.", ["kind"], registry=it
        )
        self._recorded = Counter(
            "pillarbox_events_recorded", "Events recorded, repeated ones too.", ["event"], registry=it
        )
        self._recording_seconds = Histogram(
            "pillarbox_recording_seconds",
            "Time that recording a batch of events took.",
            buckets=_SECONDS,
            registry=it,
        )
        self._dead_letters = Counter(
            "pillarbox_dead_letters_seen", "Dead letters of the mailer's queues.", ["reason"], registry=it
        )
        ended = Counter(
            "pillarbox_messages_given_up",
            "Messages that were not sent, by how they ended.",
            ["event"],
            registry=it,
        )
        self._unavailable = Counter(
            "pillarbox_ledger_unavailable", "Times that the ledger did not answer.", ["during"], registry=it
        )
        self._held = Gauge("pillarbox_relay_held_messages", "Messages held by the relay.", registry=it)
        self._oldest = Gauge(
            "pillarbox_relay_oldest_seconds", "Age of the oldest message held by the relay.", registry=it
        )
        self._connected = Gauge(
            "pillarbox_broker_connected", "Whether a line to the broker is up.", ["line"], registry=it
        )
        self._waiting = Gauge(
            "pillarbox_lane_oldest_seconds",
            "Age of a lane's oldest message that no mailer has begun.",
            ["lane"],
            registry=it,
        )
        self._in_flight = Gauge("pillarbox_requests_in_flight", "Requests under way.", registry=it)
        self._by_route = {name: self._request_seconds.labels(name) for name in (_ACCEPTING, OTHER)}
        self._by_lane = {lane: self._accepted.labels(lane) for lane in map(str, Lane)}
        self._by_event = {word: self._recorded.labels(word) for word in _EVENTS}
        self.waiting(dict.fromkeys(self._by_lane, math.nan))
        self._by_kind = {kind: self._found.labels(kind) for kind in ("unpublished", "silent")}
        self._ended = {str(word): ended.labels(word) for word in _GIVEN_UP}
        self._by_death = {word: self._dead_letters.labels(word) for word in _DEATHS}
        self._by_job = {job: self._unavailable.labels(job) for job in ("accept", OTHER)}

    def committed(self, stored: Sequence[Entry], seconds: float) -> None:
        """Take in a group commit."""
        self._commit_seconds.observe(seconds)
        self._commit_size.observe(len(stored))
        for lane, count in Tally(entry.lane for entry in stored).items():
            self._by_lane[lane].inc(count)

    def answered(self, route: str | None, seconds: float) -> None:
        """Take in how long the whole answer to a request took; None stands for no route of ours."""
        timed = self._by_route.get(route or OTHER)
        if timed is None:  # only what somebody uses has a dozen series
            timed = self._by_route[route or OTHER] = self._request_seconds.labels(route or OTHER)
        timed.observe(seconds)

    def refused(self, problem: str) -> None:
        """Take in a request that was answered with a problem of this name."""
        self._refused.labels(problem).inc()

    def published(self, confirmed: int, unroutable: int, lag: float) -> None:
        """Take in a batch of the relay, whose oldest message was committed *lag* seconds ago."""
        if confirmed:
            self._relay_lag.observe(lag)
            self._confirmed.inc(confirmed)
        if unroutable:
            self._unroutable.inc(unroutable)

    def found(self, kind: str, messages: int) -> None:
        """Take in what the sweeper handed to the relay: ``unpublished`` or ``silent`` messages."""
        self._by_kind[kind].inc(messages)

    def recorded(self, events: Sequence[LedgerEvent], seconds: float) -> None:
        """Take in a batch of the recorder."""
        self._recording_seconds.observe(seconds)
        for word, count in Tally(event.event for event in events).items():
            self._by_event.get(word, self._by_event[OTHER]).inc(count)

    def added(self, pairs: Sequence[tuple[KnownMessage, LedgerEvent]], _: float) -> None:
        """Take in events that are new to the ledger, with their messages."""
        for pair in pairs:
            if (counter := self._ended.get(pair[1].event)) is not None:
                counter.inc()

    def dead_letter(self, reason: str | None) -> None:
        """Take in a dead letter, with RabbitMQ's word for why it is one."""
        self._by_death.get(reason or OTHER, self._by_death[OTHER]).inc()

    def ledger_unavailable(self, during: str = OTHER) -> None:
        """Take in that the ledger did not answer: to the writer (``accept``), or to any other."""
        self._by_job[during].inc()

    def expect_problems(self, names: Iterable[str]) -> None:
        """Show the problems of these names from the start: a first one is an increase, too."""
        for name in names:
            self._refused.labels(name)

    def waiting(self, ages: Mapping[str, float]) -> None:
        """Take in how old, in seconds, the oldest message of each lane is; NaN where nobody knows."""
        for lane, age in ages.items():
            self._waiting.labels(lane).set(age)

    def watch_relay(self, held: Callable[[], float], oldest: Callable[[], float]) -> None:
        """Say where the relay's gauges are read."""
        self._held.set_function(held)
        self._oldest.set_function(oldest)

    def watch_line(self, line: str, connected: Callable[[], float]) -> None:
        """Say where it is read whether a line to the broker is up."""
        self._connected.labels(line).set_function(connected)

    def watch_requests(self, in_flight: Callable[[], float]) -> None:
        """Say where the number of requests under way is read."""
        self._in_flight.set_function(in_flight)
