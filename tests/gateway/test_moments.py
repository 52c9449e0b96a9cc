"""Moments in time that callers give: what is understood, and that nothing is guessed."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.gateway.submission.moments import ExpiresAt, ScheduledAt, expires, scheduled

FRIDAY = datetime(2026, 7, 3, 14, 17, tzinfo=UTC)
"""A Friday afternoon in summer; 10:17 in New York, 07:17 in Los Angeles."""


def at(text: str, *, now: datetime = FRIDAY) -> str:
    """Read a moment and write it without its zone, which is always UTC."""
    moment = scheduled(text, now=now)

    assert UTC == moment.tzinfo
    return moment.isoformat().removesuffix("+00:00")


RFC_3339 = {
    "2026-08-05T11:52:01.858Z": "2026-08-05T11:52:01.858000",
    "2026-08-05T11:52:01Z": "2026-08-05T11:52:01",
    "2026-08-05t11:52:01z": "2026-08-05T11:52:01",
    "2026-08-05T11:52Z": "2026-08-05T11:52:00",
    "2026-08-05T11:52:01+02:00": "2026-08-05T09:52:01",
    "2026-08-05T11:52:01-0530": "2026-08-05T17:22:01",
    "2026-08-05 11:52:01+00": "2026-08-05T11:52:01",
    "2026-08-05 11:52:01.123456789+00:00": "2026-08-05T11:52:01.123456",
    "2026-08-05T11:52:01": "2026-08-05T11:52:01",
}


@pytest.mark.parametrize(("text", "expected"), RFC_3339.items())
def test_a_text_of_rfc_3339(text: str, expected: str) -> None:
    """What programs write is read to the microsecond, and in UTC if it names no offset."""
    assert expected == at(text)


def test_without_an_offset_it_is_utc_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone that the gateway's machine is set to makes no difference."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "America/New_York")
        time.tzset()
        read = [at("2026-08-05T11:52"), at("today at 18:05")]
    time.tzset()

    assert ["2026-08-05T11:52:00", "2026-07-03T18:05:00"] == read


PHRASES = {
    "in 1 min": "2026-07-03T14:18:00",
    "in 1 hour": "2026-07-03T15:17:00",
    "in an hour": "2026-07-03T15:17:00",
    "in 90 minutes": "2026-07-03T15:47:00",
    "in 1 hour and 30 minutes": "2026-07-03T15:47:00",
    "in 1h 30min": "2026-07-03T15:47:00",
    "in 45 secs": "2026-07-03T14:17:45",
    "in 3 days": "2026-07-06T14:17:00",
    "in 30 days": "2026-08-02T14:17:00",
    "in a week": "2026-07-10T14:17:00",
    "2 weeks from now": "2026-07-17T14:17:00",
    "tomorrow at 9am": "2026-07-04T09:00:00",
    "Tomorrow, 9:30 PM": "2026-07-04T21:30:00",
    "tomorrow 12am": "2026-07-04T00:00:00",
    "tomorrow 12pm": "2026-07-04T12:00:00",
    "tomorrow at noon": "2026-07-04T12:00:00",
    "  today  at  18:05  ": "2026-07-03T18:05:00",
    "today at 18:05 UTC": "2026-07-03T18:05:00",
    "Friday at 3pm": "2026-07-03T15:00:00",
    "Friday at 3pm ET": "2026-07-03T19:00:00",
    "Friday at 3pm EST": "2026-07-03T20:00:00",
    "Friday at 3pm EDT": "2026-07-03T19:00:00",
    "Friday at 3pm PT": "2026-07-03T22:00:00",
    "today at 8pm pt": "2026-07-04T03:00:00",
    "Friday at 2pm": "2026-07-10T14:00:00",
    "Friday at 14:17": "2026-07-10T14:17:00",
    "on thursday at 3pm": "2026-07-09T15:00:00",
    "next monday at 8am": "2026-07-06T08:00:00",
}


@pytest.mark.parametrize(("text", "expected"), PHRASES.items())
def test_a_phrase(text: str, expected: str) -> None:
    """The phrases that Resend documents, and their like, mean what they say."""
    assert expected == at(text)


NOT_UNDERSTOOD = [
    "",
    " ",
    "5",
    "10",
    "2027",
    "1767225600",
    "now",
    "soon",
    "tomorrow",
    "friday",
    "9am",
    "noon",
    "tomorrow at 9",
    "tomorrow at 25:00",
    "tomorrow at 13pm",
    "tomorrow at 0am",
    "tomorrow at 9:60",
    "tomorrow at midnight",
    "tomorrow or friday",
    "tomorrow at 9am or 10am",
    "tomorrow at 9am tomorrow at 10am",
    "tomorrow at 9am IST",
    "next friday at 9am",
    "next tuesday at 9am",
    "last friday at 9am",
    "friday friday at 9am",
    "in 5",
    "in 5 m",
    "in 1 month",
    "in 1.5 hours",
    "in -1 hours",
    "in 100000 seconds",
    "in \u0661 hour",
    "in 1 \u212aour",
    "in 1 hour\n",
    "1 hour",
    "1 hour ago",
    "in 1 hour in 1 hour",
    "morgen um 9 Uhr",
    "demain à 9h",
    "mañana a las 9",
    "明日9時",
    "01/02/2027",
    "2026-12-24",
    "2026-12-24T9:00Z",
    "20261224T090000Z",
    "2026-W52-4T09:00Z",
    "2026-12-24x09:00Z",
    "2026-12-24T09:00:00.1234567890Z",
    "2026-12-24T09:00:00[Europe/Berlin]",
    "\u0662026-12-24T09:00Z",
    "2026-12-24T09:00Z\n",
    "in 1 hour" + " " * 64,
]


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_what_might_mean_several_things_is_refused(text: str) -> None:
    """What is ambiguous, incomplete or of another language is refused, and never guessed at."""
    with pytest.raises(ValueError, match=r"^must be a moment such as 2026-01-02T15:04:05Z, "):
        scheduled(text, now=FRIDAY)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00Z",
        "2026-12-24T24:00Z",
        "2026-12-24T09:00:60Z",
        "2026-12-24T09:00+24:00",
        "0000-01-01T00:00Z",
        "0001-01-01T00:00+23:59",
        "9999-12-31T23:59-23:59",
    ],
)
def test_what_is_on_no_calendar(text: str) -> None:
    """A date, time or offset that does not exist is told from a form that is not known."""
    with pytest.raises(ValueError, match=r"^must be a date, time and offset that exist$"):
        scheduled(text, now=FRIDAY)


PAST = ["2026-07-03T14:16:00Z", "1970-01-01T00:00Z", "0001-01-01T00:00Z", "today at 9am", 0, -1, True]


@pytest.mark.parametrize("value", PAST)
def test_the_past_is_refused(value: str | int) -> None:
    """A message that was to be sent earlier is most likely a mistake, such as a forgotten offset."""
    with pytest.raises(ValueError, match=r"^must lie in the future$"):
        scheduled(value, now=FRIDAY)


@pytest.mark.parametrize("text", ["2026-07-03T14:16:01Z", "2026-07-03T14:17:00Z", "in 0 seconds"])
def test_less_than_a_minute_ago_is_now(text: str) -> None:
    """Clocks differ and requests take time, so a moment that has only just passed counts as now."""
    assert FRIDAY == scheduled(text, now=FRIDAY)


FAR = ["2027-07-04T14:17:01Z", "9999-12-31T23:59:59Z", "in 367 days", "in 99999 weeks and 99999 weeks"]


@pytest.mark.parametrize("value", [*FAR, 4_000_000_000])
def test_more_than_a_year_ahead_is_refused(value: str | int) -> None:
    """Whoever writes such a moment has most likely miscounted."""
    with pytest.raises(ValueError, match=r"^must not lie more than a year ahead$"):
        scheduled(value, now=FRIDAY)


@pytest.mark.parametrize("text", ["2027-07-04T14:17:00Z", "in 366 days"])
def test_a_year_ahead(text: str) -> None:
    """The last moment that is allowed is a leap year away."""
    assert FRIDAY + timedelta(days=366) == scheduled(text, now=FRIDAY)


def test_unix_seconds() -> None:
    """A number is in unix seconds."""
    assert FRIDAY + timedelta(hours=1) == scheduled(int(FRIDAY.timestamp()) + 3600, now=FRIDAY)


@pytest.mark.parametrize("value", [1_783_088_221_000, 10**30, -(10**30)])
def test_what_are_no_unix_seconds(value: int) -> None:
    """Milliseconds lie beyond any calendar."""
    with pytest.raises(ValueError, match=r"^must be a moment in unix seconds$"):
        scheduled(value, now=FRIDAY)


DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@pytest.mark.parametrize("zone", ["UTC", "ET"])
def test_every_hour_around_the_change_of_clocks(zone: str) -> None:
    """Days are those of the zone, and a clock on its wall shows the time that was asked for."""
    place = ZoneInfo("America/New_York") if zone == "ET" else UTC
    for hour in range(24 * 16):
        now = datetime(2026, 3, 1, 0, 17, tzinfo=UTC) + timedelta(hours=hour)
        for day in ("tomorrow", "next monday", *DAYS):
            said = scheduled(f"{day} at 3pm {zone}", now=now).astimezone(place)
            days = (said.date() - now.astimezone(place).date()).days

            assert (15, 0) == (said.hour, said.minute)
            assert now < said <= now + timedelta(days=8)
            if day == "tomorrow":
                assert 1 == days
            elif day == "next monday":
                assert 0 == said.weekday()
                assert 1 <= days <= 7
            else:
                assert DAYS.index(day) == said.weekday()
                assert timedelta(days=7, hours=1) >= said - now


WORDS = """
in at on next last 1 2 10 2026 9am 9:30 pm hour minutes day week monday friday may tomorrow and , . : - + ET
UTC ago from now the a an noon 99999 2026-12-24T 09:00 Z
"""


def test_hostile_texts_cost_nothing() -> None:
    """No text, however odd or long, takes more than a fraction of what its request takes."""
    chance = random.Random(1)
    words = WORDS.split()
    texts = ["x" * 5_000_000, " " * 5_000_000, "1 " * 32, "in an an an " * 5, "in" + " " * 62, "tomorrow" * 8]
    texts += [" " * 63 + "x", "2026-12-24T" + "1" * 53, "in 1 hour and " * 4, "1" * 64, "on " * 21, "-" * 64]
    for _ in range(5000):
        some = chance.choices(words, k=chance.randint(1, 20))
        texts.append(chance.choice([" ", " ", ""]).join(some)[:64])
    started = time.process_time()  # of this process alone, whatever else runs here
    for text in texts:
        with suppress(ValueError):
            scheduled(text, now=FRIDAY)

    assert 0.5 > time.process_time() - started


def test_when_it_expires() -> None:
    """An expiry is a text of RFC 3339 that lies ahead, and may lie behind the latest schedule."""
    assert datetime(2027, 8, 6, tzinfo=UTC) == expires("2027-08-06T00:00Z", now=FRIDAY)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("in 1 hour", "must be a moment such as 2026-01-02T15:04:05Z (RFC 3339)"),
        ("2026-07-03T14:17:00Z", "must lie in the future"),
        ("2027-08-08T00:00Z", "must not lie more than a year ahead"),
    ],
)
def test_when_it_cannot_expire(text: str, because: str) -> None:
    """Neither words, nor now, nor much more than a year ahead."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its words are what is compared
        expires(text, now=FRIDAY)

    assert because == str(caught.value)


class Timed(BaseModel):
    """A model with both types."""

    scheduled_at: ScheduledAt = None
    expires_at: ExpiresAt = None


def test_null_is_left_out() -> None:
    """Null is no moment, as in every other field."""
    assert Timed() == Timed.model_validate({"scheduled_at": None, "expires_at": None})


def test_the_types_read_in_utc() -> None:
    """Fields of these types hold aware moments."""
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    timed = Timed.model_validate({"scheduled_at": soon.isoformat(), "expires_at": soon.isoformat()})

    assert (soon, soon) == (timed.scheduled_at, timed.expires_at)


@pytest.mark.parametrize("value", [1_783_088_220, 1.5, True, [], {}, FRIDAY])
@pytest.mark.parametrize("field", ["scheduled_at", "expires_at"])
def test_the_types_take_strings(field: str, value: Any) -> None:
    """Anything but a string is refused, seconds too: they might be meant as milliseconds."""
    with pytest.raises(ValidationError, match="must be a string"):
        Timed.model_validate({field: value})


def test_the_types_describe_themselves() -> None:
    """The description of the API says a short string, or null."""
    text = {"maxLength": 64, "type": "string"}

    assert {"anyOf": [{**text, "format": "moment"}, {"type": "null"}]} == TypeAdapter(
        ScheduledAt
    ).json_schema()
    assert {"anyOf": [{**text, "format": "date-time"}, {"type": "null"}]} == TypeAdapter(
        ExpiresAt
    ).json_schema()
