"""How long the provider asked us to wait, from the headers of its answer."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST = 1.0
"""Seconds; a hint of zero would have us knock again at once."""
LONGEST = 900.0
"""Seconds; a quarter of an hour, lest one odd header parks a password reset for a day."""

_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_POLICY_TIME = re.compile(r";\s*t=(\d{1,12})", re.ASCII)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Give the seconds to wait, between :data:`SHORTEST` and :data:`LONGEST`; None without a usable hint.

    Understood are, in this order: ``Retry-After`` in seconds or as a date (RFC 9110, 10.2.3),
    ``RateLimit-Reset`` in seconds, ``RateLimit`` with its parameter ``t``
    (draft-ietf-httpapi-ratelimit-headers), and ``X-RateLimit-Reset`` in Unix seconds.  There is no clock
    here: a point in time counts from the answer's own ``Date``, and without one it says nothing.
    """
    now = _date(headers.get("date", ""))
    readings = (
        _seconds(headers.get("retry-after", "")),
        _until(_date(headers.get("retry-after", "")), now),
        _seconds(headers.get("ratelimit-reset", "")),
        _policy(headers.get("ratelimit", "")),
        _until(_seconds(headers.get("x-ratelimit-reset", "")), now),
    )
    for seconds in readings:
        if seconds is not None:
            return min(max(seconds, SHORTEST), LONGEST)
    return None


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text.strip()) else None


def _policy(text: str) -> float | None:
    found = _POLICY_TIME.search(text)
    return float(found[1]) if found else None


def _date(text: str) -> float | None:
    """Read an HTTP date (RFC 9110, 5.6.7) as Unix seconds."""
    try:
        moment = parsedate_to_datetime(text)
        # "-0000" gives a naive time, and means UTC of an unknown zone (RFC 5322, 3.3).
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _until(moment: float | None, now: float | None) -> float | None:
    return None if moment is None or now is None else moment - now
