"""``GET /statistics``: what became of a tenant's messages, in sums."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.api.access import caller, needs
from services.gateway.api.emails import ask
from services.gateway.api.statistics_question import read_question
from services.gateway.latencies import percentile
from services.gateway.ledger.question import Group, Grouping, Question
from services.gateway.ledger.report import Report, Sum
from services.gateway.states import ACCEPTED
from services.gateway.tenants.callers import Permission
from shared.signatures import Event, Feedback

_AT_ONCE: Final = 10
"""Sums made before others get a turn; there can be two thousand, each with six percentiles."""


class Latency(BaseModel):
    """How many seconds half, 95 %, and 99 % of the messages took at most; each within 9 % of the truth."""

    p50: float
    p95: float
    p99: float


class StatisticsSum(BaseModel):
    """How often what happened."""

    group: str | None = Field(
        description="The hour's beginning, the day, the tag or the account's name; null if there is none."
    )
    accepted: int | None = Field(
        description="Messages that the gateway took; null for one account, because none is part of that."
    )
    sent: int = Field(description="Messages that a provider took.")
    delivered: int = Field(description="Recipients whose mail server took the message.")
    bounced: int = Field(description="Recipients to whom nothing can be delivered.")
    complained: int = Field(description="Recipients who marked the message as spam.")
    failed: int = Field(description="Messages that were given up.")
    suppressed: int = Field(description="Messages that were not sent, because of suppressions.")
    expired: int = Field(description="Messages whose expires_at passed while the mailer tried.")
    opened: int = Field(description="Each time that somebody opened one.")
    clicked: int = Field(description="Each time that somebody followed a link.")
    unsubscribed: int = Field(description="Recipients who want no more bulk mail.")
    seconds_to_sent: Latency | None = Field(
        description="From accepted, or the time that it was scheduled for; null if nothing was sent."
    )
    seconds_to_delivered: Latency | None = Field(
        description="From accepted, or the time that it was scheduled for; null if nothing was delivered."
    )


class Statistics(BaseModel):
    """Sums over some hours."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    object: Literal["statistics"] = "statistics"
    since: datetime = Field(alias="from", description="The beginning of the first hour that counts.")
    to: datetime = Field(description="The end of the last one.")
    group_by: Grouping | None
    has_more: bool = Field(
        description="Whether there are more tags than those 500 of which the most is known."
    )
    data: list[StatisticsSum] = Field(
        description="One sum, or one for each group that has anything to count."
    )


@dataclass(frozen=True, slots=True)
class StatisticsHandlers:
    """The handler, with what it needs."""

    report: Report

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's routes."""
        return (web.get("/statistics", self.get_statistics, allow_head=False),)

    @needs(Permission.READING)
    async def get_statistics(self, request: web.Request) -> web.Response:
        """Sum up what happened between two moments."""
        question = read_question(request)
        sums, has_more = await ask(self.report.ask(caller(request).tenant, question))
        if question.group_by is None and not sums:
            sums = [Sum("")]
        body = Statistics(
            since=question.since,
            to=question.until,
            group_by=question.group_by,
            has_more=has_more,
            data=await _shown(question, sums),
        )
        return web.Response(body=body.model_dump_json(by_alias=True), content_type="application/json")


async def _shown(question: Question, sums: Iterable[Sum]) -> list[StatisticsSum]:
    shown = []
    for index, one in enumerate(sums):
        if index % _AT_ONCE == 0:
            await asyncio.sleep(0)
        shown.append(_sum(question, one))
    return shown


def _sum(question: Question, one: Sum) -> StatisticsSum:
    of_account = question.provider is not None or (question.group_by == Grouping.PROVIDER and one.group)
    events = (*Event, *Feedback)
    counts = {event.value: one.count(event) for event in events if event in StatisticsSum.model_fields}
    return StatisticsSum(
        group=_group(question.group_by, one.group),
        accepted=None if of_account else one.count(ACCEPTED),
        seconds_to_sent=_latency(one, Event.SENT),
        seconds_to_delivered=_latency(one, Feedback.DELIVERED),
        **counts,
    )


def _group(grouping: Grouping | None, group: Group) -> str | None:
    if not isinstance(group, datetime):
        return group or None
    return group.strftime("%Y-%m-%d" if grouping == Grouping.DAY else "%Y-%m-%dT%H:%M:%SZ")


def _latency(one: Sum, event: str) -> Latency | None:
    p50, p95, p99 = (percentile(one.buckets.get(event, {}), percent) for percent in (50, 95, 99))
    if p50 is None or p95 is None or p99 is None:
        return None
    return Latency(p50=p50, p95=p95, p99=p99)
