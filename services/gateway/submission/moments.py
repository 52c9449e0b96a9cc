"""Moments in time that callers give: RFC 3339 texts, unix seconds, and a few English phrases.

An RFC 3339 text may have a space for its ``T`` and lack seconds; without an offset it is in UTC.
A date alone is refused, since it does not say when on that day.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import PlainValidator

from services.gateway.submission import phrases
from services.gateway.submission.texts import text

_SCHEDULE = timedelta(days=366)
# Longer, so that the latest message that can be scheduled can expire after it.
_EXPIRY = timedelta(days=400)
# For clocks that differ, and for the request's way here.
_GRACE = timedelta(seconds=60)
_LENGTH = 64

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_EXAMPLE = "2026-01-02T15:04:05Z"


def scheduled(value: str | int, *, now: datetime | None = None) -> datetime:
    """Read when a message is to be sent, in UTC; a number is unix seconds.

    What has passed by less than a minute counts as *now*.

    Raises:
        ValueError: It is no such moment, has passed, or is more than 366 days ahead.
    """
    now = now or datetime.now(UTC)
    moment = _unix(value) if isinstance(value, int) else _text(value, now)
    return max(now, _between(moment, now - _GRACE, now + _SCHEDULE))


def expires(value: str, *, now: datetime | None = None) -> datetime:
    """Read when a message becomes worthless, in UTC.

    Raises:
        ValueError: It is no RFC 3339 text, has passed, or is more than 400 days ahead.
    """
    now = now or datetime.now(UTC)
    moment = _rfc_3339(value)
    if moment is None:
        raise ValueError(f"must be a moment such as {_EXAMPLE} (RFC 3339)")
    return _between(moment, now, now + _EXPIRY)


def _between(moment: datetime, earliest: datetime, latest: datetime) -> datetime:
    if moment <= earliest:
        raise ValueError("must lie in the future")
    if moment > latest:
        raise ValueError("must not lie more than a year ahead")
    return moment


def _unix(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError("must be a moment in unix seconds") from None


def _text(text: str, now: datetime) -> datetime:
    moment = _rfc_3339(text)
    if moment is None and len(text) <= _LENGTH:
        moment = phrases.read(text, now)
    if moment is None:
        raise ValueError(
            f'must be a moment such as {_EXAMPLE}, "in 1 hour", "tomorrow at 9am" or "friday at 3pm ET"'
        )
    return moment


def _rfc_3339(text: str) -> datetime | None:
    if len(text) > _LENGTH or not _RFC_3339.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a date, time and offset that exist") from None


def _scheduled_at(value: object) -> datetime | None:
    return None if value is None else scheduled(_string(value))


def _expires_at(value: object) -> datetime | None:
    return None if value is None else expires(_string(value))


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("must be a string")


_Words = Annotated[str, text(maxLength=_LENGTH, format="moment")]
_Moment = Annotated[str, text(maxLength=_LENGTH, format="date-time")]

ScheduledAt = Annotated[datetime | None, PlainValidator(_scheduled_at, json_schema_input_type=_Words | None)]
"""When a message is to be sent, in UTC; null, and None, for at once."""

GivenMoment = Annotated[datetime | None, PlainValidator(_scheduled_at, json_schema_input_type=_Words)]
"""The same where it must be said."""

ExpiresAt = Annotated[datetime | None, PlainValidator(_expires_at, json_schema_input_type=_Moment | None)]
"""When a message becomes worthless, in UTC; null, and None, for never."""
