"""English phrases for a moment in time, by a grammar that says all that is understood.

The phrases are those that Resend documents, and their like:
https://resend.com/docs/dashboard/emails/schedule-email

They are read by dateparser, behind a list of the forms that are let through.  Left alone the library
(1.5) guesses: it takes "tomorrow at 25:00" and "5" for moments, and reads "3pm ET" as winter time in
summer.  So it is given a clock's time in its own zone, and the zone is applied here.

Without a zone a phrase is read in UTC.  ``ET``, ``CT``, ``MT`` and ``PT`` are what clocks on the wall
there show, in summer too; ``EST``, ``EDT`` and their kin are fixed offsets (RFC 5322, section 4.3).
A weekday is the next one whose time has not passed yet, which may be today.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UNIT = "(?:s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|days?|weeks?)"
_SPAN = rf"(?:\d{{1,5}} ?|an? |one ){_UNIT}"
_FROM_NOW = re.compile(rf"in {_SPAN}(?:(?: and|,)? {_SPAN})?|{_SPAN} from now", re.ASCII | re.IGNORECASE)

_WEEKDAY = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_ZONES: dict[str, str | int] = {
    "ET": "America/New_York", "CT": "America/Chicago", "MT": "America/Denver", "PT": "America/Los_Angeles",
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "UTC": 0, "GMT": 0,
}  # fmt: skip
# No "next friday": to some it is this week's, to others next week's.  With Mondays there is no doubt.
# No "at 9" and no "midnight" for the same reason.
_ON_THE_CLOCK = re.compile(
    rf"(?P<words>(?:today|tomorrow|next monday|(?P<weekday>(?:on )?(?:{_WEEKDAY}))),?(?: at)? "
    r"(?:noon|(?:1[0-2]|0?[1-9])(?::[0-5]\d)? ?[ap]m|(?:[01]?\d|2[0-3]):[0-5]\d))"
    rf"(?: (?P<zone>{'|'.join(_ZONES)}))?",
    re.ASCII | re.IGNORECASE,
)
_WEEK = timedelta(days=7)


def read(text: str, now: datetime) -> datetime | None:
    """Read a phrase as it is meant at *now*; None if the text is not one that is understood.

    Raises:
        ValueError: The phrase names a zone whose clock this machine does not know.
    """
    words = re.sub(" +", " ", text.strip(" "))
    if _FROM_NOW.fullmatch(words):
        moment = _understood(words, now.astimezone(UTC).replace(tzinfo=None))
        return moment and moment.replace(tzinfo=UTC)
    said = _ON_THE_CLOCK.fullmatch(words)
    if said is None:
        return None
    zone = _zone(said["zone"] or "UTC")
    clock = now.astimezone(zone).replace(tzinfo=None)
    moment = _understood(said["words"].lower().replace("noon", "12pm"), clock)
    # On a Friday the library takes every "friday" for the next one, also before that time of the day.
    if moment and said["weekday"] and moment - _WEEK > clock:
        moment -= _WEEK
    return moment and moment.replace(tzinfo=zone).astimezone(UTC)


def _understood(words: str, clock: datetime) -> datetime | None:
    """What the words mean to somebody whose *clock* on the wall shows this."""
    # Imported here: it is ten megabytes, and few callers write phrases.
    import dateparser  # noqa: PLC0415

    settings = {"RELATIVE_BASE": clock, "PREFER_DATES_FROM": "future"}
    moment: datetime | None = dateparser.parse(words, languages=["en"], settings=settings)
    return moment


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
