"""The overview: what goes on now, what somebody should look at, and how the last hours were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from services.gateway.api.access import caller
from services.gateway.dashboard import plots, standing, words
from services.gateway.dashboard.frame import Frame
from services.gateway.dashboard.navigation import Entry
from services.gateway.dashboard.recent import SPANS, Recent, look_back
from services.gateway.dashboard.sessions import PATH
from services.gateway.ledger.activity import RecentActivity, beginning_of
from services.gateway.ledger.attention import Attending
from services.gateway.ledger.mailers import Mailers
from services.gateway.ledger.question import Grouping, Question
from services.gateway.ledger.report import Report, Sum
from services.gateway.states import ACCEPTED
from shared.signatures import Event, Feedback, Lane

_HOUR: Final = timedelta(hours=1)
_DAY_HOURS: Final = 24
_MARKS: Final = 5
"""Times that are written below a plot."""
_COUNTED: Final = (
    *(ACCEPTED, Event.SENT, Feedback.DELIVERED, Feedback.BOUNCED, Feedback.COMPLAINED),
    *(Event.FAILED, Event.SUPPRESSED, Event.EXPIRED),
)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the overview knows it from."""

    activity: RecentActivity
    attending: Attending
    mailers: Mailers
    report: Report
    depths: Callable[[], Mapping[Lane, int | None]]
    broker_is_there: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Overview:
    """The handlers, with what they need.

    What changes from second to second, from slot to slot, and from minute to minute are three parts of the
    page, each asked for as often as it can have changed.
    """

    frame: Frame
    sources: Sources

    entry = Entry(PATH, "Overview")

    def routes(self) -> Iterable[web.RouteDef]:
        """The page's routes."""
        parts = {"": self.get_overview, "/now": self.get_now, "/plots": self.get_plots, "/day": self.get_day}
        paths = {PATH if not name else f"{PATH}/overview{name}": handler for name, handler in parts.items()}
        return [web.get(path, self.frame.page(handler), allow_head=False) for path, handler in paths.items()]

    async def get_overview(self, request: web.Request) -> web.Response:
        """Show the page."""
        context = {**await self._now(request), **await self._plots(request), **await self._day(request)}
        return self.frame.render(request, "overview.html", context)

    async def get_now(self, request: web.Request) -> web.Response:
        """Show what changes from second to second."""
        return self.frame.render(request, "overview_now.html", await self._now(request))

    async def get_plots(self, request: web.Request) -> web.Response:
        """Show the last minutes."""
        return self.frame.render(request, "overview_plots.html", await self._plots(request))

    async def get_day(self, request: web.Request) -> web.Response:
        """Show the last 24 hours."""
        return self.frame.render(request, "overview_day.html", await self._day(request))

    async def _now(self, request: web.Request) -> dict[str, Any]:
        tenant, its = caller(request).tenant, self.sources
        mailers, attention = await its.mailers.known(), await its.attending.look(tenant)
        is_there = its.broker_is_there()
        return {
            "mailers": mailers,
            "lanes": standing.lanes(its.depths() if is_there else {}, mailers),
            "accounts": standing.accounts(mailers),
            "troubles": standing.troubles(attention, mailers, broker_is_there=is_there),
            "pages": {entry.path for entry in self.frame.entries},
        }

    async def _plots(self, request: web.Request) -> dict[str, Any]:
        text = request.query.get("span", "")
        span = int(text) if text.isdecimal() and int(text) in SPANS else next(iter(SPANS))
        recent = await look_back(self.sources.activity, caller(request).tenant, span)
        step = SPANS[span]
        return {
            "span": span,
            "spans": tuple(SPANS),
            "recent": recent,
            "throughput": _throughput(recent, step),
            "latency": _latency(recent, step),
        }

    async def _day(self, request: web.Request) -> dict[str, Any]:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        question = Question(hour - (_DAY_HOURS - 1) * _HOUR, hour + _HOUR, group_by=Grouping.HOUR)
        sums, _ = await self.sources.report.ask(caller(request).tenant, question)
        counts = {word: sum(one.count(word) for one in sums) for word in map(str, _COUNTED)}
        return {"counts": counts, "day": _day(question.since, sums, counts)}


def _throughput(recent: Recent, step: int) -> Any:
    points = recent.points(step)
    alt = (
        f"Messages a second: {words.number(recent.now(recent.accepted))} accepted and "
        f"{words.number(recent.now(recent.sent))} sent at the end."
    )
    series = {
        "accepted": [recent.rate(recent.accepted, slot, step) for slot in points],
        "sent": [recent.rate(recent.sent, slot, step) for slot in points],
    }
    return plots.lines(series, _times(points), words.number, alt, fill=True)


def _latency(recent: Recent, step: int) -> Any:
    points = recent.points(step)
    half, most = (words.latency(recent.latency(percent)) for percent in (50, 95))
    alt = f"Time until sent: half within {half}, 95 % within {most}."
    series = {
        "p50": [recent.latency(50, slot, step) for slot in points],
        "p95": [recent.latency(95, slot, step) for slot in points],
    }
    return plots.lines(series, _times(points), words.latency, alt)


def _day(since: datetime, sums: Iterable[Sum], counts: Mapping[str, int]) -> Any:
    by_hour = {one.group: one for one in sums}
    hours = [since + number * _HOUR for number in range(_DAY_HOURS)]
    series = {
        word: [by_hour[hour].count(word) if hour in by_hour else 0 for hour in hours]
        for word in (str(Event.SENT), str(Event.FAILED))
    }
    labels = [hour.strftime("%H:00") if hour.hour % 6 == 0 else "" for hour in hours]
    alt = f"By hour over the last day: {counts[Event.SENT]} sent, {counts[Event.FAILED]} failed."
    return plots.bars(series, labels, words.number, alt)


def _times(points: range) -> list[str]:
    """Labels for the points: some times, evenly apart."""
    every = max(1, len(points) // _MARKS)
    return [
        beginning_of(slot).strftime("%H:%M") if number % every == every // 2 else ""
        for number, slot in enumerate(points)
    ]
