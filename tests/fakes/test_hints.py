"""A 429 says how long to wait in the one form that it is told to."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.fakes import faults
from tests.fakes.calls import perform
from tests.fakes.calls.sending import of_json
from tests.fakes.faults.hints import is_hint
from tests.fakes.plain import Plain

MESSAGE = of_json("/send", {"id": "a"})


@pytest.mark.parametrize(
    ("form", "hint"),
    [
        ("seconds", {"retry-after": "7"}),
        ("day", {"retry-after": "86400"}),
        ("negative", {"retry-after": "-1"}),
        ("word", {"retry-after": "soon"}),
        ("absent", {}),
        ("ratelimit", {"ratelimit": '"default";r=0;t=7'}),
        (
            "ratelimit-reset",
            {"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "7"},
        ),
    ],
)
async def test_a_429_hints_in_one_form_alone(
    plain: Plain, client: httpx.AsyncClient, form: str, hint: dict[str, str]
) -> None:
    """The provider's own hints are left out, so that a test sees what one form does."""
    plain.script(faults.throttle(form, 7))
    answer = await perform(client, plain, MESSAGE)

    assert 429 == answer.status_code
    assert hint == {name: value for name, value in answer.headers.items() if is_hint(name)}


@pytest.mark.parametrize(("form", "header"), [("date", "retry-after"), ("x-ratelimit-reset",) * 2])
async def test_a_429_may_name_a_moment(
    plain: Plain, client: httpx.AsyncClient, form: str, header: str
) -> None:
    """It is so many seconds from when the answer was given, and not from when the script was written."""
    plain.script(faults.throttle(form, 60))
    await asyncio.sleep(1.1)
    answer = await perform(client, plain, MESSAGE)
    value, date = answer.headers[header], parsedate_to_datetime(answer.headers["date"]).timestamp()
    moment = float(value) if value.isdecimal() else parsedate_to_datetime(value).timestamp()

    assert 59 <= moment - date <= 61
