"""A seal shows who wrote a task message, what of it, and when; every change of it is noticed."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

from shared.seals import HEADER, PLACEHOLDER, Seals, Verdict

KEY, OTHER, THIRD = "k" * 32, "o" * 40, "t" * 32
HEADERS: dict[str, Any] = {"task": "mailer.send_email", "id": "0199a3b2", "eta": None, "retries": 0}
BODY = '[[],{"subject":"Grüße 🎉"},{}]'.encode()


def sealed(seals: Seals, body: bytes = BODY, **headers: Any) -> dict[str, Any]:
    """Headers with the seal of a message."""
    said = HEADERS | headers
    return said | {HEADER: seals.seal(said, body)}


@pytest.mark.parametrize("body", [BODY, BODY.decode(), memoryview(BODY)], ids=["bytes", "text", "view"])
def test_what_is_sealed_is_genuine(body: Any) -> None:
    """In whatever form a broker's client hands the body over."""
    seals = Seals([KEY])

    assert Verdict.GENUINE is seals.judge(sealed(seals), body)


def test_a_header_that_says_nothing_need_not_be_there() -> None:
    """The mailer's events have the fewest."""
    seals = Seals([KEY])
    headers = sealed(seals)

    assert Verdict.GENUINE is seals.judge({name: value for name, value in headers.items() if value}, BODY)


CHANGES: dict[str, dict[str, Any]] = {
    "the task": {"task": "mailer.post_webhook"},
    "the id": {"id": "0199a3b3"},
    "a later time": {"eta": "2036-01-01T00:00:00+00:00"},
    "an end": {"expires": "2016-01-01T00:00:00+00:00"},
    "the count": {"retries": 60},
    "a NUL": {"task": "mailer.send_email\0", "id": "0199a3b2"},
    "half a character": {"id": "\ud800"},
    "a seal that is none": {HEADER: "nonsense"},
    "a seal of half a character": {HEADER: PLACEHOLDER.replace("0", "\udc00")},
    "a seal that is no text": {HEADER: {"1": []}},
    "an empty seal": {HEADER: ""},
    "nothing but its form": {HEADER: PLACEHOLDER},
    "another version": {HEADER: "2" + PLACEHOLDER[1:]},
    "digits of other scripts": {HEADER: PLACEHOLDER.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}", 10)},
    "compression": {"compression": "application/x-gzip"},
}


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("required", [True, False])
def test_what_was_changed_is_forged(case: str, *, required: bool) -> None:
    """Also where what has no seal at all is still taken."""
    seals = Seals([KEY], required=required)

    assert Verdict.FORGED is seals.judge(sealed(seals) | CHANGES[case], BODY)


@pytest.mark.parametrize("body", [b"", BODY[:-1], BODY + b" ", BODY.replace(b"subject", b"Subject")])
def test_another_body_is_forged(body: bytes) -> None:
    """By a single byte."""
    seals = Seals([KEY])

    assert Verdict.FORGED is seals.judge(sealed(seals), body)


def test_the_time_is_sealed_too() -> None:
    """An old seal cannot be made young."""
    seals = Seals([KEY], clock=lambda: 1_700_000_000)
    headers = sealed(seals)

    assert Verdict.FORGED is seals.judge(headers | {HEADER: headers[HEADER].replace("170", "180", 1)}, BODY)


def test_keys_are_changed_without_a_gap() -> None:
    """Known first, then in front, then alone."""
    before, between, after = Seals([KEY, OTHER]), Seals([OTHER, KEY]), Seals([OTHER])

    assert [Verdict.GENUINE] * 3 == [
        before.judge(sealed(between), BODY),
        between.judge(sealed(before), BODY),
        after.judge(sealed(between), BODY),
    ]
    assert Verdict.FORGED is after.judge(sealed(before), BODY)
    assert Verdict.FORGED is after.judge(sealed(Seals([THIRD])), BODY)


@pytest.mark.parametrize("headers", [{}, None, HEADERS])
def test_what_has_no_seal_is_taken_only_where_that_is_allowed(headers: dict[str, Any] | None) -> None:
    """Without keys, and while they are handed out."""
    unsealed = [Seals([KEY]), Seals([KEY], required=False), Seals()]

    assert [Verdict.UNSEALED, Verdict.GENUINE, Verdict.GENUINE] == [
        seals.judge(headers, BODY) for seals in unsealed
    ]


def test_a_seal_is_stale_after_a_while() -> None:
    """And one from a clock that is far ahead is as strange."""
    now = 1_800_000_000.0
    reader = Seals([KEY], longest=1000, clock=lambda: now)
    ages = dict.fromkeys((-999, -60, 999), Verdict.GENUINE) | dict.fromkeys((-1001, 1001), Verdict.STALE)

    assert ages == {
        age: reader.judge(sealed(Seals([KEY], clock=partial(float, now - age))), BODY) for age in ages
    }


def test_without_keys_a_seal_is_not_looked_at() -> None:
    """A gateway that seals may be ahead of its mailers."""
    assert Verdict.GENUINE is Seals().judge(sealed(Seals([KEY])), BODY)


def test_every_seal_is_as_long_as_its_placeholder() -> None:
    """Frames are written with one in its place."""
    seals = [Seals([KEY], clock=partial(float, at)) for at in (0, 1, time.time(), 9_999_999_999)]

    assert {len(PLACEHOLDER)} == {len(one.seal(HEADERS, BODY)) for one in seals}


def test_keys_are_not_shown_by_accident() -> None:
    """Neither in a log nor in a traceback."""
    assert KEY not in repr(Seals([KEY]))
