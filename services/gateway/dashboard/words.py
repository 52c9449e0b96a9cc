"""How the dashboard's pages write numbers and times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS: Final = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"))
_MANY: Final = 100
_SECOND_MS: Final = 1000
_KILO: Final = 1000


def moment(at: datetime) -> str:
    """A point in time to the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def iso(at: datetime) -> str:
    """A point in time for the attribute ``datetime``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def precise(at: datetime) -> str:
    """A point in time to the millisecond, in UTC: events of a message follow each other closely."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def size(count: float) -> str:
    """A number of bytes in its unit, by thousands."""
    for unit in ("bytes", "kB"):
        if count < _KILO:
            return f"{count:.0f} {unit}"
        count /= _KILO
    return f"{count:.1f} MB"


def ago(at: datetime, now: datetime | None = None) -> str:
    """How long since a point in time, or until one."""
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    told = span(abs(seconds))
    return f"in {told}" if seconds < 0 else f"{told} ago"


def span(seconds: float) -> str:
    """A length of time in its largest unit."""
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def latency(seconds: float | None) -> str:
    """A length of time that may be very short, with two or three digits."""
    if seconds is None:
        return "–"  # noqa: RUF001 - a dash where there is no number
    if seconds < 1:
        return f"{seconds * _SECOND_MS:.0f} ms"
    return f"{seconds:.1f} s" if seconds < _MANY else span(seconds)


def number(value: float) -> str:
    """A count with thin spaces between thousands, or a rate with one decimal."""
    if isinstance(value, float) and not value.is_integer() and abs(value) < _MANY:
        return f"{value:.1f}"
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "moment": moment,
    "iso": iso,
    "ago": ago,
    "precise": precise,
    "size": size,
    "span": span,
    "latency": latency,
    "number": number,
}
"""The filters that every template has."""
