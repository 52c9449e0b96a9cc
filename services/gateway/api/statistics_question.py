"""What ``GET /statistics`` can be asked: its query parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from services.gateway import problems
from services.gateway.api.email_filters import moment
from services.gateway.ledger.question import Grouping, Question
from services.gateway.problems import FieldError
from services.gateway.submission import filters

YEARS: Final = range(2000, 3000)
LONGEST_DAYS: Final = 366
LONGEST_DAYS_IN_DETAIL: Final = 92
"""By hour or tag, which make the most of rows and groups."""
PROVIDER_PATTERN: Final = r"^[\x21-\x7e]{1,64}$"

_HOUR: Final = timedelta(hours=1)
_DEFAULT: Final = timedelta(hours=24)
_DETAILED: Final = (Grouping.HOUR, Grouping.TAG)


def read_question(request: web.Request, *, now: datetime | None = None) -> Question:
    """Read the question out of a request's query, its ends rounded to whole hours.

    Raises:
        Problem: 422 naming every parameter that cannot be used.
    """
    query = request.query
    failed = [
        FieldError(f"/{name}", "must not be given twice")
        for name in _READERS
        if len(query.getall(name, [])) > 1
    ]
    if query.keys() - _READERS:
        failed.append(FieldError("", "has a query parameter that this call does not know"))
    found: dict[str, Any] = {}
    for name, read in _READERS.items():
        if name in query:
            try:
                found[name] = read(query[name])
            except ValueError as error:
                failed.append(FieldError(f"/{name}", str(error)))
    if failed:
        raise problems.invalid_fields(failed)
    return _question(found, now or datetime.now(UTC))


def _question(found: Mapping[str, Any], now: datetime) -> Question:
    until = _hour_from(found.get("to", now))
    since = _hour(found["from"]) if "from" in found else until - _DEFAULT
    grouping = found.get("group_by")
    longest = LONGEST_DAYS_IN_DETAIL if grouping in _DETAILED else LONGEST_DAYS
    if since >= until:
        raise problems.invalid_fields([FieldError("/from", "must lie before to, which is now by default")])
    if until - since > timedelta(longest):
        by = f"grouped by {grouping}" if grouping else "without group_by"
        raise problems.invalid_fields(
            [FieldError("/from", f"must lie at most {longest} days before to, {by}")]
        )
    return Question(since, until, found.get("tag"), found.get("provider"), grouping)


def _moment(text: str) -> datetime:
    at = moment(text)
    if at.year not in YEARS:
        raise ValueError(f"must lie in the years {YEARS[0]} to {YEARS[-1]}")
    return at


def _provider(text: str) -> str:
    if not re.fullmatch(PROVIDER_PATTERN, text):
        raise ValueError("must be an account's name: 1 to 64 visible ASCII characters")
    return text


def _grouping(text: str) -> Grouping:
    try:
        return Grouping(text)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Grouping)}") from None


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _hour_from(moment: datetime) -> datetime:
    """The end of the hour that ends with the moment, or has it."""
    begin = _hour(moment)
    return begin if begin == moment else begin + _HOUR


_READERS: Final[MappingProxyType[str, Callable[[str], Any]]] = MappingProxyType(
    {
        "from": _moment,
        "to": _moment,
        "tag": filters.tag,
        "provider": _provider,
        "group_by": _grouping,
    }
)
"""The parameters, and how each is read."""
