"""The call about statistics."""

from __future__ import annotations

from services.gateway.api.description.operation import Answer, Operation, Parameter
from services.gateway.api.statistics import Statistics
from services.gateway.api.statistics_question import LONGEST_DAYS, LONGEST_DAYS_IN_DETAIL, PROVIDER_PATTERN
from services.gateway.ledger.question import Grouping
from services.gateway.submission.filters import LONGEST_TAG, TAG_PATTERN
from services.gateway.tenants.callers import Permission

_MOMENT = {"type": "string", "format": "date-time"}
_SUM = {
    "group": None,
    "accepted": 1000,
    "sent": 998,
    "delivered": 990,
    "bounced": 6,
    "complained": 1,
    "failed": 1,
    "suppressed": 1,
    "expired": 0,
    "opened": 512,
    "clicked": 78,
    "unsubscribed": 3,
    "seconds_to_sent": {"p50": 0.2085, "p95": 0.5898, "p99": 1.403},
    "seconds_to_delivered": {"p50": 1.669, "p95": 6.674, "p99": 31.75},
}
_BODY = {
    "object": "statistics",
    "from": "2026-01-02T00:00:00Z",
    "to": "2026-01-03T00:00:00Z",
    "group_by": None,
    "has_more": False,
    "data": [_SUM],
}
_BY_TAG = {**_BODY, "group_by": "tag", "data": [{**_SUM, "group": "category:receipt"}]}
_BY_PROVIDER = {
    **_BODY,
    "group_by": "provider",
    "data": [{**_SUM, "group": "sendgrid", "accepted": None}],
}

OPERATIONS = (
    Operation(
        id="getStatistics",
        method="get",
        path="/statistics",
        tag="Statistics",
        summary="Sum up what became of the messages",
        description=(
            "Counts of what happened in whole hours (UTC), and how long it took. "
            "A message that was accepted in one hour may be delivered in the next, and counts there. "
            "The answer says which hours it is about: from is rounded down, and to is rounded up. "
            f"They lie at most {LONGEST_DAYS} days apart, "
            f"and {LONGEST_DAYS_IN_DETAIL} where sums are grouped by hour or tag."
        ),
        permission=Permission.READING,
        parameters=(
            Parameter(
                name="from",
                place="query",
                description="The first moment that counts, by default 24 hours before to; + is written %2B.",
                schema=_MOMENT,
                example="2026-01-02T00:00:00Z",
            ),
            Parameter(
                name="to",
                place="query",
                description="The moment that counts no more, by default now; in a URL + is written %2B.",
                schema=_MOMENT,
                example="2026-01-03T00:00:00Z",
            ),
            Parameter(
                name="tag",
                place="query",
                description="Only messages with this tag, as name and value.",
                schema={"type": "string", "maxLength": LONGEST_TAG, "pattern": TAG_PATTERN},
                example="category:receipt",
            ),
            Parameter(
                name="provider",
                place="query",
                description="Only what happened at this account, by its name.",
                schema={"type": "string", "pattern": PROVIDER_PATTERN},
                example="sendgrid",
            ),
            Parameter(
                name="group_by",
                place="query",
                description="One sum for each of these, in place of one for all.",
                schema={"type": "string", "enum": [*Grouping]},
                example="hour",
            ),
        ),
        answers=(
            Answer(
                status=200,
                description="The sums.",
                model=Statistics,
                examples={"One sum": _BODY, "By tag": _BY_TAG, "By account": _BY_PROVIDER},
            ),
        ),
    ),
)
