"""What the providers' ways to sign have in common."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from services.gateway.provider_events.reader import NotGenuineError
from services.gateway.provider_events.telling import moment

_AHEAD: Final = timedelta(minutes=5)
"""How far the provider's clock may be ahead of ours."""


def header(headers: Mapping[str, str], name: str) -> str:
    """Give a header that has to be there, in ASCII.

    Raises:
        NotGenuineError: It is not.
    """
    value = headers.get(name, "")
    if not value:
        raise NotGenuineError("missing")
    if not value.isascii():
        raise NotGenuineError("wrong")
    return value


def check_age(value: object, now: datetime, window: timedelta) -> datetime:
    """Make sure that something was signed within the *window* before *now*, and say when.

    Raises:
        NotGenuineError: It was not, or it does not say when.
    """
    when = moment(value)
    if when is None:
        raise NotGenuineError("missing")
    if not now - window <= when <= now + _AHEAD:
        raise NotGenuineError("stale")
    return when


def check_any(given: Iterable[str], expected: Iterable[str]) -> None:
    """Make sure that one of the signatures *given* is one of those *expected*.

    Every pair is compared, and each in constant time.

    Raises:
        NotGenuineError: None is.
    """
    ours = [one.encode() for one in expected]
    matches = [hmac.compare_digest(one, theirs.encode(errors="replace")) for theirs in given for one in ours]
    if not any(matches):
        raise NotGenuineError("wrong")
