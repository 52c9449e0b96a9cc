"""How long the provider asked us to wait, and what pace it allows, from the headers of its answer.

There is no clock here: a point in time counts from the answer's own ``Date``, and without one it says
nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHORTEST = 1.0
"""Seconds; a hint of zero would have us knock again at once."""
LONGEST = 900.0
"""Seconds; a quarter of an hour, lest one odd header parks a password reset for a day."""
QUOTA_SHORTEST = 60.0
"""Seconds; a quota that is used up does not come back in between two requests."""
QUOTA_LONGEST = 3600.0
"""Seconds; a bigger quota can be bought at any moment, and asking once an hour costs one request."""

_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_NUMBER = re.compile(r"(?:^|[;\s])(?:([a-z]+)=)?(\d{1,12})(?=[;\s]|$)", re.ASCII)
_NAMELESS = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a provider says of the pace that it allows; None is what it does not say."""

    per_second: float | None = None
    """Requests, in the long run."""
    remaining: int | None = None
    """Requests until the window ends."""
    reset: float | None = None
    """Seconds until it ends, at most :data:`LONGEST`."""


_NOTHING_SAID = Allowance()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Give the seconds to wait, between :data:`SHORTEST` and :data:`LONGEST`; None without a usable hint.

    Understood are, in this order: ``Retry-After`` in seconds or as a date (RFC 9110, 10.2.3),
    ``RateLimit-Reset`` in seconds, ``RateLimit`` with its parameter ``t`` or ``reset``
    (draft-ietf-httpapi-ratelimit-headers), and ``X-RateLimit-Reset`` in Unix seconds.
    """
    for seconds in (*_asked(headers), *_resets(headers)):
        if seconds is not None:
            return min(max(seconds, SHORTEST), LONGEST)
    return None


def quota_wait(headers: Mapping[str, str]) -> float:
    """Give the seconds to leave an account alone whose quota is used up.

    Only ``Retry-After`` counts: the other headers tell of the rate, whose window ends in a moment.
    """
    asked = next((seconds for seconds in _asked(headers) if seconds is not None), LONGEST)
    return min(max(asked, QUOTA_SHORTEST), QUOTA_LONGEST)


def allowance(headers: Mapping[str, str], window: float | None = None) -> Allowance:
    """Read the rate headers of any answer; nothing in them, or nonsense, gives an empty allowance.

    Understood are ``RateLimit-Policy`` and ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers, with the
    parameters of its versions 7 and 8), ``RateLimit-Limit``, ``-Remaining`` and ``-Reset`` of its older
    versions, and the same with ``X-`` before them.  Of several policies the strictest counts.

    Args:
        headers: Of the answer, their names in lower case.
        window: Seconds that a limit counts for which does not say so itself; see
            :attr:`.Traits.limit_window`.
    """
    if not any("ratelimit" in name for name in headers):
        return _NOTHING_SAID
    reset = next((seconds for seconds in _resets(headers) if seconds is not None), None)
    return Allowance(
        per_second=_per_second(headers, window),
        remaining=_remaining(headers),
        reset=None if reset is None else min(max(reset, 0.0), LONGEST),
    )


def _per_second(headers: Mapping[str, str], window: float | None) -> float | None:
    for name in ("ratelimit-policy", "ratelimit-limit", "x-ratelimit-limit"):
        rates = []
        for numbers in _members(headers.get(name, "")):
            quota, span = numbers.get("q", numbers.get(_NAMELESS)), numbers.get("w", window)
            if quota and span:
                rates.append(quota / span)
        if rates:
            return min(rates)
    return None


def _remaining(headers: Mapping[str, str]) -> int | None:
    told = [numbers.get("r", numbers.get("remaining")) for numbers in _members(headers.get("ratelimit", ""))]
    for name in ("ratelimit-remaining", "x-ratelimit-remaining"):
        told += [numbers.get(_NAMELESS) for numbers in _members(headers.get(name, ""))]
    return min((int(left) for left in told if left is not None), default=None)


def _asked(headers: Mapping[str, str]) -> Iterator[float | None]:
    """Give the readings of ``Retry-After``."""
    text = headers.get("retry-after", "")
    yield _seconds(text)
    yield _until(_date(text), _date(headers.get("date", "")))


def _resets(headers: Mapping[str, str]) -> Iterator[float | None]:
    """Give the seconds until the window ends, by every header that could say it."""
    yield _seconds(headers.get("ratelimit-reset", ""))
    members = list(_members(headers.get("ratelimit", "")))
    # The one that has least left is the one that is to be waited for.
    members.sort(key=lambda numbers: numbers.get("r", 0.0))
    for numbers in members:
        yield numbers.get("t", numbers.get("reset"))
    yield _until(_seconds(headers.get("x-ratelimit-reset", "")), _date(headers.get("date", "")))


def _members(text: str) -> Iterator[dict[str, float]]:
    """Give the numbers of each member of a structured field (RFC 9651, 3.1), by their names.

    A quota of something else than requests (``qu="content-bytes"``) is left out.
    """
    for member in text.split(","):
        if "qu=" not in member or 'qu="requests"' in member:
            yield {name: float(number) for name, number in _NUMBER.findall(member)}


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text.strip()) else None


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
