"""English phrases for a moment in time, by a grammar that says all that is understood.

The phrases are those that Resend documents, and their like:
https://resend.com/docs/dashboard/emails/schedule-email

A library that guesses was measured and left out (dateparser 1.5): it takes "tomorrow at 25:00" and
"5" for moments, sends "friday at 3pm" a week late if it is Friday already, reads "3pm ET" as winter
time in summer, and is an hour off around the day when clocks change.

Without a zone a phrase is read in UTC.  ``ET``, ``CT``, ``MT`` and ``PT`` are what clocks on the wall
there show, in summer too; ``EST``, ``EDT`` and their kin are fixed offsets (RFC 5322, section 4.3).
A weekday is the next one whose time has not passed yet, which may be today.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UNITS = {
    "seconds": "s|secs?|seconds?",
    "minutes": "mins?|minutes?",
    "hours": "h|hrs?|hours?",
    "days": "days?",
    "weeks": "weeks?",
}
_SPAN = rf"(?:\d{{1,5}} ?|an? |one )(?:{'|'.join(_UNITS.values())})"
_FROM_NOW = re.compile(rf"in {_SPAN}(?:(?: and|,)? {_SPAN})?|{_SPAN} from now", re.ASCII | re.IGNORECASE)
_COUNTED = re.compile(
    rf"\b(\d+|an?|one) ?(?:{'|'.join(f'(?P<{unit}>{words})' for unit, words in _UNITS.items())})\b",
    re.ASCII | re.IGNORECASE,
)

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ZONES: dict[str, str | int] = {
    "ET": "America/New_York", "CT": "America/Chicago", "MT": "America/Denver", "PT": "America/Los_Angeles",
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "UTC": 0, "GMT": 0,
}  # fmt: skip
# No "next friday": to some it is this week's, to others next week's.  With Mondays there is no doubt.
# No "at 9" and no "midnight" for the same reason.
_ON_THE_CLOCK = re.compile(
    rf"(?P<day>today|tomorrow|next monday|(?:on )?(?P<weekday>{'|'.join(_WEEKDAYS)})),?(?: at)? "
    r"(?:(?P<noon>noon)"
    r"|(?P<hour>1[0-2]|0?[1-9])(?::(?P<minute>[0-5]\d))? ?(?P<half>[ap])m"
    r"|(?P<hour24>[01]?\d|2[0-3]):(?P<minute24>[0-5]\d))"
    rf"(?: (?P<zone>{'|'.join(_ZONES)}))?",
    re.ASCII | re.IGNORECASE,
)


def read(text: str, now: datetime) -> datetime | None:
    """Read a phrase as it is meant at *now*; None if the text is not one that is understood.

    Raises:
        ValueError: The phrase names a zone whose clock this machine does not know.
    """
    words = re.sub(" +", " ", text.strip(" "))
    if _FROM_NOW.fullmatch(words):
        return now + sum(map(_span, _COUNTED.finditer(words)), timedelta())
    if said := _ON_THE_CLOCK.fullmatch(words):
        return _on_the_clock(said, now)
    return None


def _span(said: re.Match[str]) -> timedelta:
    count = int(said[1]) if said[1].isdigit() else 1
    return timedelta(**{str(said.lastgroup): count})


def _on_the_clock(said: re.Match[str], now: datetime) -> datetime:
    zone, at = _zone(said["zone"] or "UTC"), _time(said)
    here = now.astimezone(zone)
    if said["weekday"]:
        days = (_WEEKDAYS.index(said["weekday"].lower()) - here.weekday()) % 7
        if days == 0 and at <= here.time():
            days = 7
    else:
        days = {"today": 0, "tomorrow": 1, "next monday": 7 - here.weekday()}[said["day"].lower()]
    return datetime.combine(here.date() + timedelta(days), at, zone).astimezone(UTC)


def _time(said: re.Match[str]) -> time:
    if said["noon"]:
        return time(12)
    if said["hour24"]:
        return time(int(said["hour24"]), int(said["minute24"]))
    afternoon = said["half"] in "pP"
    return time(int(said["hour"]) % 12 + 12 * afternoon, int(said["minute"] or 0))


def _zone(name: str) -> tzinfo:
    zone = _ZONES[name.upper()]
    if isinstance(zone, int):
        return timezone(timedelta(hours=zone))
    try:
        return ZoneInfo(zone)
    except ZoneInfoNotFoundError:
        raise ValueError(
            "must not name a place's zone, whose clock is not known here: use an offset"
        ) from None
