"""What rate headers say of the pace that is allowed."""

from __future__ import annotations

import random

import pytest

from services.mailer.providers.hints import Allowance, allowance, quota_wait
from tests.mailer.answers.answer import DATE, RESET

IETF = {"ratelimit-policy": '"default";q=100;w=10', "ratelimit": '"default";r=50;t=30'}
RESEND = {"ratelimit-limit": "5", "ratelimit-remaining": "4", "ratelimit-reset": "1"}
SENDGRID = {"x-ratelimit-limit": "600", "x-ratelimit-remaining": "599", "x-ratelimit-reset": RESET}


@pytest.mark.parametrize(
    ("headers", "window", "expected"),
    [
        (RESEND, 1.0, Allowance(5.0, 4, 1.0)),
        (RESEND, None, Allowance(None, 4, 1.0)),
        ({**RESEND, "ratelimit-policy": "5;w=2"}, 1.0, Allowance(2.5, 4, 1.0)),
        (IETF, None, Allowance(10.0, 50, 30.0)),
        ({**RESEND, **IETF}, 1.0, Allowance(10.0, 4, 1.0)),
        ({"ratelimit-policy": '"s";q=10;w=1, "h";q=3600;w=3600'}, None, Allowance(1.0)),
        ({"ratelimit": '"s";r=9;t=1, "h";r=2;t=60'}, None, Allowance(None, 2, 60.0)),
        ({"ratelimit": "limit=100, remaining=50, reset=5"}, None, Allowance(None, 50, 5.0)),
        ({"ratelimit-limit": "10, 10;w=2;burst=20"}, None, Allowance(5.0)),
        ({"ratelimit-policy": '"b";q=1000000;w=1;qu="content-bytes"'}, None, Allowance()),
        ({"ratelimit-policy": '"r";q=10;w=1;qu="requests"'}, None, Allowance(10.0)),
        ({**SENDGRID, "date": DATE}, None, Allowance(None, 599, 7.0)),
        ({**SENDGRID, "date": DATE}, 60.0, Allowance(10.0, 599, 7.0)),
        (SENDGRID, None, Allowance(None, 599, None)),
        ({"x-ratelimit-reset": "7", "date": DATE}, None, Allowance(None, None, 0.0)),
        ({"ratelimit-reset": "86400"}, None, Allowance(None, None, 900.0)),
        ({"ratelimit-limit": "0", "ratelimit-remaining": "0"}, 1.0, Allowance(None, 0)),
        ({"ratelimit-policy": "5;w=0"}, 1.0, Allowance()),
        (
            {"ratelimit-limit": "many", "ratelimit-remaining": "-1", "ratelimit-reset": "soon"},
            1.0,
            Allowance(),
        ),
        ({"ratelimit-limit": "1e9", "ratelimit-remaining": "٣"}, 1.0, Allowance()),
        ({}, 1.0, Allowance()),
    ],
)
def test_the_allowance_is_what_the_headers_say(
    headers: dict[str, str], window: float | None, expected: Allowance
) -> None:
    """Every form is understood, the strictest policy counts, and what is not said is not known."""
    assert expected == allowance(headers, window)


def test_reading_an_allowance_never_raises() -> None:
    """Any header of any answer gives an allowance, whose numbers are usable."""
    dice = random.Random(20261125)
    names = [*IETF, *RESEND, *SENDGRID, "date"]
    parts = ['"d"', "q=5", "w=1", "w=0", "r=0", "t=9", ";", ",", "=", " ", "9" * 400, "-1", "é", "\x00", DATE]
    for _ in range(4000):
        headers = {name: "".join(dice.choices(parts, k=dice.randrange(9))) for name in dice.sample(names, 4)}
        read = allowance(headers, dice.choice([None, 1.0]))
        assert read.per_second is None or read.per_second > 0
        assert read.remaining is None or read.remaining >= 0
        assert read.reset is None or 0 <= read.reset <= 900


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 900.0),
        ({"ratelimit-reset": "1"}, 900.0),
        ({"retry-after": "soon"}, 900.0),
        ({"retry-after": "1"}, 60.0),
        ({"retry-after": "1200"}, 1200.0),
        ({"retry-after": "43200"}, 3600.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:20:00 GMT", "date": DATE}, 1200.0),
    ],
)
def test_a_quota_is_not_asked_for_again_at_once(headers: dict[str, str], seconds: float) -> None:
    """The end of the rate's window says nothing of a quota's, and asking every second helps nobody."""
    assert seconds == quota_wait(headers)
